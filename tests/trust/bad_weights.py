"""Files given as weights that are none, or none of this network, and pictures of one's own."""

from __future__ import annotations

import argparse
import collections
import os
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from pointrend.datasets.registry import classes_of
from pointrend.errors import WeightsError
from pointrend.model.pointrend import Architecture, PointRend
from pointrend.model.weights import load_released, load_weights, save_upstream
from pointrend.settings.params import load_params
from tests.datasets.jpegs import hurt
from tests.datasets.layouts import encoded, pixels
from tests.trust.bad_pictures import SHELL, flipped, image, turned
from tests.trust.cases import Case
from tests.trust.ground import Ground

OURS = "runs/demo/voc_r50-s0/model.safetensors"
EVALUATE = "evaluate voc_r50 --weights given{} --out scored"
PREDICT = f"predict voc_r50 --weights {OURS} --images photos --out labels"
OF_VOC = "predict voc_r50 --weights given.pth --images photos --out labels"
State = dict[str, Any]


class Harmful:
    """Unpickling this makes a folder."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("made",)


def harmless(ground: Ground) -> None:
    assert not ground.path("made").exists()


def network(ground: Ground, dataset: str = "voc", **changes: Any) -> PointRend:
    setting = load_params(ground.path("params.yaml")).setting("voc_r50", tuple(f"{k}={v}" for k, v in changes.items()))
    return PointRend(Architecture.of(setting, len(classes_of(dataset).names)))


def ours(change: Callable[[State], Any]) -> Callable[[Ground], None]:
    """Our trained weights, changed, as .safetensors."""

    def spoil(ground: Ground) -> None:
        state = safetensors.torch.load_file(ground.path(OURS))
        change(state)
        safetensors.torch.save_file(state, ground.path("given.safetensors"))

    return spoil


def pth(content: Callable[[State], Any]) -> Callable[[Ground], None]:
    """A .pth with whatever is made of the trained weights under SSSegmentation's names."""

    def spoil(ground: Ground) -> None:
        model = network(ground)
        load_weights(ground.path(OURS), model)
        save_upstream(model, ground.path("given.pth"), epoch=2)
        state = torch.load(ground.path("given.pth"), weights_only=True)["model"]
        torch.save(content(state), ground.path("given.pth"))

    return spoil


def beside(value: Any) -> Callable[[Ground], None]:
    """A checkpoint with something else beside the weights."""
    return pth(lambda state: {"model": state, "args": value})


def saved_alone(ground: Ground) -> None:
    """What the message says to type makes a file that is read, NumPy weights included."""
    with pytest.raises(WeightsError) as refused:
        load_released(Path("given.pth"), network(ground))
    command = shlex.split(re.sub(".*: python", "python", str(refused.value)))
    assert command[-2:] == ["given.pth", "given.tensors.pth"]
    subprocess.run([sys.executable, *command[1:]], check=True, timeout=120)
    load_released(Path("given.tensors.pth"), network(ground))


def other_network(**changes: Any) -> Callable[[Ground], None]:
    return lambda ground: save_upstream(network(ground, **changes), ground.path("given.pth"), epoch=2)


def given(data: bytes, suffix: str = ".pth") -> Callable[[Ground], None]:
    return lambda ground: ground.path(f"given{suffix}").write_bytes(data) and None


def cut(ground: Ground) -> None:
    data = ground.path(OURS).read_bytes()
    ground.path("given.safetensors").write_bytes(data[: len(data) // 2])


def other_file(ground: Ground) -> None:
    """Weights of another training where the scored ones should be."""
    ours(lambda state: state["point_head.classifier.bias"].add_(1.0))(ground)
    ground.path("given.safetensors").replace(ground.path(OURS))


def compressed(ground: Ground) -> None:
    """A .pth whose zip holds a gigabyte of zeros in a megabyte."""
    with zipfile.ZipFile(ground.path("given.pth"), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(200 << 20))


def cityscapes_r101(ground: Ground) -> None:
    setting = load_params(ground.path("params.yaml")).setting("cityscapes_r101")
    save_upstream(PointRend(Architecture.of(setting, 19)), ground.path("given.pth"), epoch=2)


def full_width(ground: Ground) -> None:
    setting = load_params(ground.path("params.yaml")).at_scale("paper").setting("voc_r50")
    save_upstream(PointRend(Architecture.of(setting, 21)), ground.path("given.pth"), epoch=2)


def full_width_with_nan(ground: Ground) -> None:
    full_width(ground)
    content = torch.load(ground.path("given.pth"), weights_only=True)
    content["model"][FIRST][0] = float("nan")
    torch.save(content, ground.path("given.pth"))


FIRST = "backbone_net.stem.0.weight"


def changed(name: str, value: Callable[[Any], Any]) -> Callable[[State], Any]:
    """The weights with another value under one of SSSegmentation's names."""
    return lambda state: {"model": state | {name: value(state[name])}}


def dropped(state: State) -> Any:
    del state["decoder.1.bias"]
    return {"model": state}


def photos(**files: bytes) -> Callable[[Ground], None]:
    """A folder of pictures; ``a_jpg`` is a.jpg."""

    def make(ground: Ground) -> None:
        ground.path("photos").mkdir()
        for name, data in files.items():
            ground.path(f"photos/{name.replace('_', '.')}").write_bytes(data)

    return make


def of_a_mac(**files: bytes) -> Callable[[Ground], None]:
    def make(ground: Ground) -> None:
        photos(**files)(ground)
        ground.path("photos/__MACOSX").mkdir()
        for name in ("._a.png", ".DS_Store", "__MACOSX/a.png"):
            ground.path(f"photos/{name}").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")

    return make


def linked(ground: Ground) -> None:
    """The pictures are links to where the label maps go."""
    ground.path("labels").mkdir()
    ground.path("labels/a.png").write_bytes(GREY)
    photos()(ground)
    ground.path("photos/a.png").symlink_to("../labels/a.png")


def in_the_way(*names: str) -> Callable[[Ground], None]:
    def make(ground: Ground) -> None:
        photos(a_png=GOOD)(ground)
        for name in names:
            ground.path(name).parent.mkdir(exist_ok=True)
            ground.path(name).write_bytes(GOOD)

    return make


def a_link(name: str, target: str) -> Callable[[Ground], None]:
    def make(ground: Ground) -> None:
        photos(b_png=GOOD)(ground)
        ground.path(name).symlink_to(target)

    return make


def label_map(size: tuple[int, int], name: str = "a") -> Callable[[Ground], None]:
    def look(ground: Ground) -> None:
        from PIL import Image

        with Image.open(ground.path(f"labels/{name}.png")) as labels:
            assert (labels.mode, labels.size) == ("L", size)

    return look


def wrong(name: str, spoil: Callable[[Ground], Any], *words: str, suffix: str = ".pth") -> Case:
    return Case(name, "done", spoil, EVALUATE.format(suffix), 2, (f"given{suffix}", *words), harmless)


def wrong_photo(name: str, spoil: Callable[[Ground], Any], *words: str) -> Case:
    return Case(name, "done", spoil, PREDICT, 2, words)


def a_folder(name: str) -> Callable[[Ground], Any]:
    return lambda ground: ground.path(name).mkdir(parents=True)


def a_file(name: str) -> Callable[[Ground], Any]:
    return lambda ground: ground.path(name).write_text("of the user's")


GOOD = encoded(pixels(1, 30, 40))
GREY = image("L", (40, 30))
OURS_WRONG = {"suffix": ".safetensors"}
CASES = (
    wrong("pickle that would run code", pth(lambda state: {"model": Harmful()}), "not a readable weights file"),
    wrong("pickle beside weights", pth(lambda state: {"model": state, "x": Harmful()}), "not a readable weights file"),
    wrong("bare pickle that would run code", given(b"cos\nmkdir\n(S'made'\ntR."), "not a readable weights file"),
    wrong("text file", given(b"weights"), "not a readable weights file"),
    wrong("text file of ours", given(b"weights", ".safetensors"), "not a readable weights file", **OURS_WRONG),
    wrong("empty file", given(b""), "not a readable weights file"),
    wrong("zip bomb for weights", compressed, "not a readable weights file"),
    *(
        wrong(
            f"{name} in it", beside(value), f"it holds {refused}; only tensors", "if you trust its maker", "python -c"
        )
        for name, value, refused in (
            ("options", argparse.Namespace(lr=1), "argparse.Namespace"),
            ("NumPy number", np.float64(3.2), "numpy._core.multiarray.scalar"),
            ("NumPy array", np.arange(3), "numpy._core.multiarray._reconstruct"),
            ("path", Path("x"), "pathlib.PosixPath"),
            ("other kind of dictionary", collections.defaultdict(int), "collections.defaultdict"),
        )
    ),
    replace(
        wrong("NumPy weights", pth(changed(FIRST, lambda v: v.numpy())), "numpy._core.multiarray._reconstruct"),
        then=saved_alone,
    ),
    wrong("no model in it", pth(lambda state: state), 'no state dict under "model" (it has', FIRST, ", ...)"),
    wrong("list for a checkpoint", pth(lambda state: [state]), 'no state dict under "model"; take'),
    wrong(
        "nested tensor",
        pth(changed(FIRST, lambda v: torch.nested.nested_tensor([v[0, 0], v[0, 0, :2]]))),
        FIRST,
        "nested",
    ),
    wrong(
        "quantised", pth(changed(FIRST, lambda v: torch.quantize_per_tensor(v, 0.1, 0, torch.qint8))), FIRST, "qint8"
    ),
    wrong("complex", pth(changed(FIRST, lambda v: v.to(torch.complex64))), f"{FIRST}: complex64 ["),
    wrong("integers", pth(changed(FIRST, lambda v: v.long())), f"{FIRST}: int64 ["),
    wrong("one number", pth(changed(FIRST, lambda v: torch.tensor(1.0))), f"{FIRST}: float32 [] instead of"),
    wrong(
        "integers in ours",
        ours(lambda s: s.update({"backbone.stem.0.weight": s["backbone.stem.0.weight"].long()})),
        "backbone.stem.0.weight: int64 [",
        **OURS_WRONG,
    ),
    wrong(
        "weights of another scale", full_width, "float32 [32, 3, 3, 3] instead of float32", "it fits voc_r50 at scale"
    ),
    wrong("wrong architecture", other_network(width=8), "does not fit this model"),
    wrong(
        "other class count",
        other_network(dataset="cityscapes"),
        "is for 19 classes, this model has 21",
        "(decoder.1.bias: float32 [19] instead of float32 [21])",
    ),
    Case(
        "NaN in weights that fit other scales",
        "bare",
        full_width_with_nan,
        f"--scale pilot {OF_VOC}",
        2,
        (f"NaN or infinity in {FIRST}; take another file",),
    ),
    Case(
        "weights of another run", "bare", cityscapes_r101, OF_VOC, 2, ("19 classes", "fits cityscapes_r101: name that")
    ),
    wrong("missing key", pth(dropped), "1 missing (decoder.1.bias)"),
    wrong("extra key", pth(lambda state: {"model": state | {"extra": torch.ones(1)}}), "1 unexpected (extra)"),
    wrong("key that is a number", pth(lambda state: {"model": state | {7: torch.ones(1)}}), "1 unexpected (7)"),
    wrong(
        "key that a terminal would obey",
        pth(lambda state: {"model": state | {"\x1b[2J" + "k" * 100_000: torch.ones(1)}}),
        r"1 unexpected (\x1b[2Jkkk",
        "take weights made for the same run",
    ),
    wrong("tensor that is a million times itself", pth(changed(FIRST, lambda v: v[0, 0, 0].expand(10**6, 3))), FIRST),
    wrong("text for a tensor", pth(changed(FIRST, lambda value: "text")), f"{FIRST}: str instead of"),
    wrong("doubles", pth(changed(FIRST, lambda value: value.double())), "float64"),
    wrong("sparse tensor", pth(changed("decoder.1.bias", lambda value: value.to_sparse())), "torch.sparse_coo"),
    wrong("tensor without data", pth(changed(FIRST, lambda value: value.to("meta"))), "meta"),
    wrong("NaN weights", pth(changed(FIRST, lambda value: value * float("nan"))), f"NaN or infinity in {FIRST}"),
    wrong("NaN in ours", ours(lambda s: s["backbone.stem.0.weight"].fill_(float("nan"))), "NaN", **OURS_WRONG),
    wrong("key missing in ours", ours(lambda s: s.pop("backbone.stem.0.weight")), "1 missing", **OURS_WRONG),
    wrong("truncated", cut, "not a readable weights file", **OURS_WRONG),
    Case(
        "weights that are not there", "done", lambda g: None, EVALUATE.format(".pth"), 2, ("given.pth are not there",)
    ),
    Case(
        "folder for weights", "done", lambda g: g.path("given.pth").mkdir(), EVALUATE.format(".pth"), 2, ("given.pth",)
    ),
    Case(
        "weights of another training",
        "done",
        other_file,
        "evaluate voc_r50",
        3,
        (OURS, "has another sha256 than when"),
    ),
    Case("run without weights", "done", lambda g: g.path(OURS).unlink(), "evaluate voc_r50", 2, (OURS, "not there")),
    Case("scores into a file", "done", a_file("scored"), EVALUATE.format(".pth"), 2, ("scored is a file, not",)),
    Case("label maps into a file", "done", a_file("labels"), PREDICT, 2, ("labels is a file, not a folder",)),
    wrong_photo("no folder of pictures", lambda g: None, "photos is not a folder"),
    wrong_photo("no picture", photos(a_txt=b"x"), "no picture in photos"),
    wrong_photo("picture that is none", photos(a_jpg=b"x"), "photos/a.jpg is not a picture"),
    wrong_photo("picture that is empty", photos(a_jpg=b""), "photos/a.jpg"),
    wrong_photo("picture that is cut", photos(a_png=GOOD[:300]), "photos/a.png is not a picture"),
    wrong_photo("photo damaged in the middle", photos(a_jpg=hurt()), "photos/a.jpg is damaged, the image data end"),
    wrong_photo("photo with a wrong checksum", photos(a_png=flipped(GOOD, 30)), "photos/a.png"),
    wrong_photo("folder for a photo", a_folder("photos/a.jpg"), "photos/a.jpg is not a file"),
    wrong_photo("photo that links to itself", a_link("photos/a.jpg", "a.jpg"), "photos/a.jpg is not a file"),
    wrong_photo("label maps that link to themselves", a_link("labels", "labels"), "labels is a file, not"),
    wrong_photo("photos that are label maps", linked, "labels/a.png is no label map"),
    wrong_photo("photo where a label map goes", in_the_way("labels/a.png"), "labels/a.png is no label map, and would"),
    Case(
        "photo where an overlay goes",
        "done",
        in_the_way("labels/a_overlay.jpg"),
        f"{PREDICT} --overlay",
        2,
        ("labels/a_overlay.jpg is no label map, and would be overwritten",),
    ),
    *(
        Case(
            f"{words[0]} into {place}", "done", photos(a_png=GOOD), f"{command} {place}", 2, ("which only the stages",)
        )
        for place, command in (
            ("runs/demo/voc_r50-s0", EVALUATE.format(".safetensors").removesuffix(" scored")),
            ("runs", PREDICT.removesuffix(" labels")),
            ("data/demo/voc", PREDICT.removesuffix(" labels")),
            ("checkpoints/voc_r50.pth", "export voc_r50 --out"),
        )
        if (words := command.split())
    ),
    Case(
        "photos of a Mac",
        "done",
        of_a_mac(a_png=GOOD),
        PREDICT,
        0,
        ("photos: 1 file(s) that macOS added are passed over", "label maps of 1 picture(s)"),
        label_map((40, 30)),
    ),
    wrong_photo("nothing but what a Mac adds", of_a_mac(), "there is no picture in photos"),
    Case(
        "photo with a newline",
        "done",
        photos(**{"a\nerror: b_png": GOOD}),
        PREDICT,
        0,
        (),
        label_map((40, 30), "a\nerror: b"),
    ),
    wrong_photo("two of one name", photos(a_png=GOOD, a_jpg=GOOD), "the same label map a.png"),
    Case("photo of CMYK", "done", photos(a_jpg=image("CMYK", (40, 30), "JPEG")), PREDICT, 0, (), label_map((40, 30))),
    Case("photo turned by EXIF", "done", photos(a_jpg=turned()), PREDICT, 0, (), label_map((6, 9))),
    Case("photo of 1x1", "done", photos(a_png=image("RGB", (1, 1))), PREDICT, 0, (), label_map((1, 1))),
    Case("photo of 20000x1", "done", photos(a_png=image("RGB", (20_000, 1))), PREDICT, 0, (), label_map((20_000, 1))),
    Case(
        "photo with a shell's name",
        "done",
        photos(**{f"{SHELL}_png": GOOD}),
        PREDICT,
        0,
        (),
        label_map((40, 30), SHELL),
    ),
    Case(
        "photos overwritten", "done", photos(a_png=GOOD), PREDICT.replace("labels", "photos"), 2, ("would overwrite",)
    ),
)
