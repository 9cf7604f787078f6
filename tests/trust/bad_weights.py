"""Files given as weights that are none, or none of this network, and images of your own."""

import argparse
import collections
import os
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from pointrend.datasets.registry import classes_of
from pointrend.errors import WeightsError
from pointrend.model.pointrend import Architecture, PointRend
from pointrend.model.weights import load_released, load_weights, save_upstream
from pointrend.settings.params import load_params
from tests.datasets.jpegs import hurt
from tests.datasets.layouts import encoded, pixels
from tests.trust.bad_images import SHELL, flipped, noise, turned
from tests.trust.cases import MISSING, Case, Spoil, both, cases, folder, link, nothing, remove, write
from tests.trust.ground import Ground

OURS = "runs/demo/voc_r50-s0/model.safetensors"
GIVEN = "evaluate voc_r50 --weights given.pth --out scored"
PREDICT = f"predict voc_r50 --weights {OURS} --images photos --out labels"
OF_VOC = "predict voc_r50 --weights given.pth --images photos --out labels"
FIRST, FIRST_OF_OURS = "backbone_net.stem.0.weight", "backbone.stem.0.weight"
GOOD = encoded(pixels(1, 30, 40))
NAN = float("nan")
State = dict[str, Any]


class Harmful:
    """Unpickling this makes a folder."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("made",)


def harmless(ground: Ground) -> None:
    assert not ground.path("made").exists()


# -- weights


def network(ground: Ground, run: str = "voc_r50", scale: str = "demo", dataset: str = "voc", **more: Any) -> PointRend:
    params = load_params(ground.path("params.yaml")).at_scale(scale)
    setting = params.setting(run, tuple(f"{key}={value}" for key, value in more.items()))
    return PointRend(Architecture.of(setting, len(classes_of(dataset).names)))


def of_network(**network_of: Any) -> Spoil:
    return lambda ground: save_upstream(network(ground, **network_of), ground.path("given.pth"), epoch=2)


def ours(change: Callable[[State], Any], name: str = "given.safetensors") -> Spoil:
    """Our trained weights, changed, as .safetensors."""

    def spoil(ground: Ground) -> None:
        state = safetensors.torch.load_file(ground.path(OURS))
        change(state)
        safetensors.torch.save_file(state, ground.path(name))

    return spoil


def pth(content: Callable[[State], Any]) -> Spoil:
    """A .pth with whatever is made of the trained weights under SSSegmentation's names."""

    def spoil(ground: Ground) -> None:
        model = network(ground)
        load_weights(ground.path(OURS), model)
        save_upstream(model, ground.path("given.pth"), epoch=2)
        torch.save(content(torch.load(ground.path("given.pth"), weights_only=True)["model"]), ground.path("given.pth"))

    return spoil


def plus(**values: Any) -> Spoil:
    """A checkpoint with something else beside the weights."""
    return pth(lambda state: {"model": state, **values})


def with_key(key: Any) -> Spoil:
    return pth(lambda state: {"model": state | {key: torch.ones(1)}})


def value(change: Callable[[Any], Any], name: str = FIRST) -> Spoil:
    """The weights with another value under one of SSSegmentation's names."""
    return pth(lambda state: {"model": state | {name: change(state[name])}})


def saved_alone(ground: Ground) -> None:
    """The command that the message names makes a file that is read, NumPy weights included."""
    with pytest.raises(WeightsError) as refused:
        load_released(Path("given.pth"), network(ground))
    command = shlex.split(re.sub(".*: python", "python", str(refused.value)))
    assert command[-2:] == ["given.pth", "given.tensors.pth"]
    subprocess.run([sys.executable, *command[1:]], check=True, timeout=120)
    load_released(Path("given.tensors.pth"), network(ground))


def compressed(ground: Ground) -> None:
    """A .pth whose zip holds 200 MB of zeros in some kilobytes."""
    with zipfile.ZipFile(ground.path("given.pth"), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(200 << 20))


def full_width_with_nan(ground: Ground) -> None:
    of_network(scale="paper")(ground)
    content = torch.load(ground.path("given.pth"), weights_only=True)
    content["model"][FIRST][0] = NAN
    torch.save(content, ground.path("given.pth"))


# -- images


def photos(**files: bytes) -> Spoil:
    return both(folder("photos"), *(write(f"photos/{n.replace('_', '.')}", data) for n, data in files.items()))


def of_a_mac(**files: bytes) -> Spoil:
    names = ("._a.png", ".DS_Store", "__MACOSX/a.png")
    return both(photos(**files), *(write(f"photos/{name}", b"\0\5\x16\7\0\2\0\0Mac OS X") for name in names))


def labelled(name: str, spoil: Spoil, size: tuple[int, int], *words: str, stem: str = "a") -> Case:
    """Images that get a label map of this size."""

    def look(ground: Ground) -> None:
        with Image.open(ground.path(f"labels/{stem}.png")) as labels:
            assert (labels.mode, labels.size) == ("L", size)

    return predict(name, spoil, *words, code=0, then=look)


def weights(name: str, spoil: Spoil, *words: str) -> Case:
    return done(name, spoil, "given.pth", *words, command=GIVEN, then=harmless)


def own_weights(name: str, spoil: Spoil, *words: str) -> Case:
    return done(name, spoil, "given.safetensors", *words, command=GIVEN.replace(".pth", ".safetensors"), then=harmless)


def refused(name: str, spoil: Spoil, kind: str, then: Spoil = harmless) -> Case:
    """A file with an object that is no tensor."""
    words = ("given.pth", f"holds {kind}; only tensors", "if you trust", "python -c")
    return done(name, spoil, *words, command=GIVEN, then=then)


def into(place: str, command: str) -> Case:
    name = f"{command.split()[0]} into {place}"
    return done(name, photos(a_png=GOOD), "--out", place, "only the stages", command=f"{command} {place}")


done = cases(state="done")
predict = cases(state="done", command=PREDICT)
UNREADABLE = "not a readable weights file"
NO_MAP = "is no label map|is not a label map"
IN_FILE = "is a file, not a folder"
NOT_IMAGE = "is not a picture|is not an image|cannot be decoded"
NO_IMAGE = "no image found in photos|no picture in photos|no image in photos|no images in photos"
NOT_FILE = "is not a file"
CASES = (
    weights("pickle that would run code", pth(lambda state: {"model": Harmful()}), UNREADABLE),
    weights("pickle beside weights", plus(x=Harmful()), UNREADABLE),
    weights("bare pickle that would run code", write("given.pth", b"cos\nmkdir\n(S'made'\ntR."), UNREADABLE),
    weights("zip bomb for weights", compressed, UNREADABLE),
    refused("options in it", plus(args=argparse.Namespace(lr=1)), "argparse.Namespace"),
    refused("NumPy number in it", plus(args=np.float64(3.2)), "numpy._core.multiarray.scalar"),
    refused("NumPy array in it", plus(args=np.arange(3)), "numpy._core.multiarray._reconstruct"),
    refused("path in it", plus(args=Path("x")), "pathlib.PosixPath"),
    refused("other kind of dictionary in it", plus(args=collections.defaultdict(int)), "collections.defaultdict"),
    refused("NumPy weights", value(lambda v: v.numpy()), "numpy._core.multiarray._reconstruct", then=saved_alone),
    weights("no model in it", pth(lambda state: state), 'under "model"', FIRST, ", ...)"),
    weights("nested tensor", value(lambda v: torch.nested.nested_tensor([v[0, 0], v[0, 0, :2]])), FIRST, "nested"),
    weights("quantised", value(lambda v: torch.quantize_per_tensor(v, 0.1, 0, torch.qint8)), FIRST, "qint8"),
    weights("complex", value(lambda v: v.to(torch.complex64)), f"{FIRST}: complex64 ["),
    weights("integers", value(lambda v: v.long()), f"{FIRST}: int64 ["),
    weights("one number", value(lambda v: torch.tensor(1.0)), f"{FIRST}: float32 [] instead of"),
    own_weights(
        "integers in ours",
        ours(lambda s: s.update({FIRST_OF_OURS: s[FIRST_OF_OURS].long()})),
        f"{FIRST_OF_OURS}: int64 [",
    ),
    weights(
        *("weights of another scale", of_network(scale="paper")),
        *("float32 [32, 3, 3, 3] instead of float32", "fits voc_r50 at scale"),
    ),
    Case(
        "NaN in weights that fit other scales",
        full_width_with_nan,
        ("given.pth", f"NaN or infinity in {FIRST}; use a different file"),
        f"--scale pilot {OF_VOC}",
    ),
    Case(
        "weights of another run",
        of_network(run="cityscapes_r101", dataset="cityscapes"),
        ("19 classes", "fits cityscapes_r101"),
        OF_VOC,
    ),
    weights("key that is a number", with_key(7), "1 unexpected (7)"),
    weights("key that a terminal would obey", with_key("\x1b[2J" + "k" * 100_000), r"1 unexpected (\x1b[2Jkkk"),
    weights("tensor that is a million times itself", value(lambda v: v[0, 0, 0].expand(10**6, 3)), FIRST, "1000000"),
    weights("sparse tensor", value(lambda v: v.to_sparse(), "decoder.1.bias"), "torch.sparse_coo"),
    weights("tensor without data", value(lambda v: v.to("meta")), FIRST, "meta"),
    own_weights("NaN in ours", ours(lambda s: s[FIRST_OF_OURS].fill_(NAN)), f"NaN or infinity in {FIRST_OF_OURS}"),
    own_weights("key missing in ours", ours(lambda s: s.pop(FIRST_OF_OURS)), f"1 missing ({FIRST_OF_OURS})"),
    weights("folder for weights", folder("given.pth"), MISSING),
    done(
        *(
            "weights of another training",
            ours(lambda s: s["point_head.classifier.bias"].add_(1.0), OURS),
            OURS,
            "sha256",
        ),
        **{"command": "evaluate voc_r50", "code": 3},
    ),
    done("run without weights", remove(OURS), OURS, MISSING, command="evaluate voc_r50"),
    done("scores into a file", write("scored"), "--out: scored", IN_FILE, command=GIVEN),
    predict("label maps into a file", write("labels"), "--out: labels", IN_FILE),
    predict("no folder of pictures", nothing, "photos does not exist"),
    predict("no picture", photos(a_txt=b"x"), NO_IMAGE),
    predict("picture that is none", photos(a_jpg=b"x"), "photos/a.jpg", NOT_IMAGE),
    predict("picture that is empty", photos(a_jpg=b""), "photos/a.jpg"),
    predict("picture that is cut", photos(a_png=GOOD[:300]), "photos/a.png", NOT_IMAGE),
    predict("photo damaged in the middle", photos(a_jpg=hurt()), "photos/a.jpg", "is damaged, the image data end"),
    predict("photo with a wrong checksum", photos(a_png=flipped(GOOD, 30)), "photos/a.png", NOT_IMAGE),
    predict("folder for a photo", folder("photos/a.jpg"), "photos/a.jpg", NOT_FILE),
    predict("photo that links to itself", both(folder("photos"), link("photos/a.jpg", "a.jpg")), "a.jpg", NOT_FILE),
    predict("label maps that link to themselves", both(photos(b_png=GOOD), link("labels", "labels")), IN_FILE),
    predict(
        "photos that are label maps",
        both(write("labels/a.png", noise("L", (40, 30))), folder("photos"), link("photos/a.png", "../labels/a.png")),
        *("labels/a.png", NO_MAP),
    ),
    predict(
        "photo where a label map goes", both(photos(a_png=GOOD), write("labels/a.png", GOOD)), "labels/a.png", NO_MAP
    ),
    done(
        *("photo where an overlay goes", both(photos(a_png=GOOD), write("labels/a_overlay.jpg", GOOD))),
        *("labels/a_overlay.jpg", NO_MAP, "overwritten"),
        command=f"{PREDICT} --overlay",
    ),
    into("runs/demo/voc_r50-s0", "evaluate voc_r50 --weights given.safetensors --out"),
    into("runs", PREDICT.removesuffix(" labels")),
    into("data/demo/voc", PREDICT.removesuffix(" labels")),
    into("checkpoints/voc_r50.pth", "export voc_r50 --out"),
    labelled("photos of a Mac", of_a_mac(a_png=GOOD), (40, 30), "photos: 1 file", "macOS", "label maps of 1 "),
    predict("nothing but what a Mac adds", of_a_mac(), NO_IMAGE),
    labelled("photo with a newline", photos(**{"a\nerror: b_png": GOOD}), (40, 30), stem="a\nerror: b"),
    predict("two of one name", photos(a_png=GOOD, a_jpg=GOOD), "photos/a.jpg", "photos/a.png", "label map a.png"),
    labelled("photo of CMYK", photos(a_jpg=noise("CMYK", (40, 30), "JPEG")), (40, 30)),
    labelled("photo turned by EXIF", photos(a_jpg=turned()), (6, 9)),
    labelled("photo of 1x1", photos(a_png=noise("RGB", (1, 1))), (1, 1)),
    labelled("photo of 20000x1", photos(a_png=noise("RGB", (20_000, 1))), (20_000, 1)),
    labelled("photo with a shell's name", photos(**{f"{SHELL}_png": GOOD}), (40, 30), stem=SHELL),
    done(
        *("photos overwritten", photos(a_png=GOOD), "would overwrite", "photos"),
        command=PREDICT.replace("labels", "photos"),
    ),
)
