"""Machines and environments that lack something."""

import contextlib
import shutil
import socket
from collections.abc import Iterator

import pytest
import torch

from tests.archives.fetching import GOOD, send_good
from tests.datasets.layouts import encoded, pixels
from tests.trust.bad_archives import fetched, from_server
from tests.trust.bad_weights import PREDICT, photos
from tests.trust.cases import (
    Case,
    Held,
    Spoil,
    both,
    cases,
    environment,
    nothing,
    patched,
    put,
    raising,
    write,
)
from tests.trust.ground import Ground
from tests.trust.poor_machine import no_room, read_only, scarce_memory, umask, unreadable

RUN = "runs/demo/voc_r50-s0"
ARCHIVES = "data/demo/archives"
TRAIN, EVALUATE, PAIR = "train voc_r50", "evaluate voc_r50", "--set gpus=2 train voc_r50"


def locked(name: str) -> Held:
    return lambda ground: read_only(ground.path(name))


def secret(name: str) -> Held:
    return lambda ground: unreadable(ground.path(name))


def full(most_bytes: int) -> Held:
    return lambda ground: no_room(most_bytes)


def scarce(most_bytes: int) -> Held:
    return lambda ground: scarce_memory(most_bytes)


def file_for_folder(name: str) -> Spoil:
    """An ordinary file where a folder should be."""
    return both(lambda ground: shutil.rmtree(ground.path(name), ignore_errors=True), write(name))


def by_hand(**changes: str) -> Held:
    """A training of two processes that were started without torchrun; PORT in a value is a port that is taken."""

    @contextlib.contextmanager
    def spoil(ground: Ground) -> Iterator[None]:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            variables = {"WORLD_SIZE": "2", "RANK": "0", **changes}
            port = str(taken.getsockname()[1])
            with environment(**{name: value.replace("PORT", port) for name, value in variables.items()})(ground):
                yield

    return spoil


@contextlib.contextmanager
def homeless(ground: Ground) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "XDG_CACHE_HOME", "USER"):
            patch.delenv(name, raising=False)
        yield


@contextlib.contextmanager
def ascii_terminal(ground: Ground) -> Iterator[None]:
    """A terminal of a locale without UTF-8, to which Python gives ASCII."""
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        for number, name in ((1, "stdout"), (2, "stderr")):
            stream = stack.enter_context(open(number, "w", encoding="ascii", closefd=False))
            patch.setattr(f"sys.{name}", stream)
        yield


def private_pages(ground: Ground) -> None:
    modes = {name: ground.path(f"results/demo/{name}").stat().st_mode & 0o777 for name in PAGES}
    assert modes == PAGES


def elsewhere(name: str, place: str, *words: str, offered: Spoil = nothing) -> Case:
    """POINTREND_ARCHIVES names ``place``; a server has the file as well."""
    spoil = both(offered, from_server(send_good), environment(POINTREND_ARCHIVES=place))
    return fetch(name, spoil, *words, code=0, then=fetched)


PAGES = {"results.json": 0o644, "README.md": 0o600, "index.html": 0o600}
OTHER_SETTING = put("runs.voc_r50.lr", 0.02)
AT_HAND = "my 'archives' $(touch canary)"
ADDRESS = {"MASTER_ADDR": "127.0.0.1"}
STEP = "training.loop.TrainStep.__call__"
NO_MEMORY = raising(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."))
NO_INTERFACE = OSError(99, "Cannot assign requested address")
DENIED = "Permission denied"
ROOM = "free space or correct permissions|free disk space or correct|free space or fix"
SCARCE = "not enough memory"
bare = cases(state="bare")
done = cases(state="done")
fetch = cases(command="fetch voc")
ade = cases(state="ade20k", command="prepare ade20k")
train = cases(state="done", command=TRAIN)
pair = cases(state="done", command=PAIR)
CASES = (
    done("read-only results", locked("results/demo"), "results/demo", DENIED, ROOM, command="report"),
    ade("read-only data", locked("data/demo"), DENIED, ROOM),
    fetch("read-only checkout", locked("."), DENIED),
    bare("unreadable params", secret("params.yaml"), "params.yaml", DENIED, command="plan"),
    ade("unreadable archive", secret(f"{ARCHIVES}/ade20k/ADEChallengeData2016.zip"), DENIED),
    fetch("file for the logs", file_for_folder("logs"), "logs", ROOM),
    done("file for a run", file_for_folder(RUN), RUN, "Not a directory", command=EVALUATE),
    done(
        *("file among archives", write(f"{ARCHIVES}/voc/my.tar"), f"{ARCHIVES}/voc/my.tar", "move it away"),
        command="fetch voc",
    ),
    done(
        *("file for the label maps", both(photos(a_png=encoded(pixels(1, 30, 40))), write("labels")), "labels"),
        command=PREDICT,
    ),
    ade("full disk, prepare", full(300), "File too large"),
    train("full disk, first checkpoint", both(OTHER_SETTING, full(50_000)), "File too large"),
    done("full disk, pages", full(1000), "File too large", command="report"),
    done("full disk, counts", full(1000), "File too large", command=EVALUATE),
    fetch("full disk, download", both(from_server(send_good), full(100_000)), "data.zip", "downloaded", "is kept"),
    done(
        *("no loopback", patched({"archives.loopback.ThreadingHTTPServer": raising(NO_INTERFACE)})),
        *("cannot serve on 127.0.0.1", "loopback interface"),
        command="fetch voc",
    ),
    done("no CUDA", nothing, "no CUDA device", "device: auto", command="--set device=cuda train voc_r50"),
    train(
        "torchrun of another size", environment(WORLD_SIZE="3"), "WORLD_SIZE is 3", "unset WORLD_SIZE if they are left"
    ),
    train(
        *("torchrun that somebody left", environment(WORLD_SIZE="4", RANK="3", LOCAL_RANK="x", MASTER_PORT="junk")),
        *("gpus: 1", "unset WORLD_SIZE, RANK, LOCAL_RANK, MASTER_PORT if they are left"),
    ),
    pair(
        *("rank beyond the size", by_hand(RANK="7", **ADDRESS, MASTER_PORT="PORT")),
        *("RANK is 7", "WORLD_SIZE=2", "unset WORLD_SIZE, RANK, MASTER_ADDR, MASTER_PORT"),
    ),
    pair("rank of no number", by_hand(RANK="x"), "RANK is x"),
    pair(
        *("network interface that does not exist", environment(GLOO_SOCKET_IFNAME="lo,nope0")),
        *("GLOO_SOCKET_IFNAME=lo,nope0", "network interface", "name one of lo", "or unset"),
    ),
    pair(
        *("network interface for NCCL that is not there", environment(NCCL_SOCKET_IFNAME="=l,nope")),
        *("NCCL_SOCKET_IFNAME==l,nope", "network interface"),
        command="--set gpus=2 --set device=cuda train voc_r50",
    ),
    train("rank that somebody left", environment(RANK="3", WORLD_SIZE=""), "attempt", code=0),
    pair("port taken", by_hand(**ADDRESS, MASTER_PORT="PORT"), " at 127.0.0.1:", "address already in use", "free one"),
    pair("no port named", by_hand(**ADDRESS), "at 127.0.0.1:$MASTER_PORT", "MASTER_PORT expected"),
    train("no memory left on the device", both(OTHER_SETTING, patched({STEP: NO_MEMORY})), SCARCE, "batch of 2"),
    Case(
        *("no memory left for a batch", scarce(2**30), (SCARCE, "smaller batch_size")),
        *("--set crop_size=[8192,8192] --set batch_size=4 train voc_r50", "prepared"),
    ),
    done(
        *("no memory left for a picture", scarce(2**28), SCARCE, "smaller pictures|smaller images"),
        command="--set base_size=[8192,8192] evaluate voc_r50",
    ),
    ade("no memory left", patched({"datasets.prepare.prepare.decode_samples": raising(MemoryError())}), SCARCE),
    done("no git, no repository", environment(PATH="/nonexistent"), "all match", command="verify", code=0),
    train("no HOME", homeless, code=0),
    done("table in a wrong locale", ascii_terminal, "\\u2013", command="report --show", code=0),
    done("wrong locale", ascii_terminal, "'voc_\\u65e5\\u672c'", "no run|unknown run", command="train voc_日本"),
    done("umask 077", lambda ground: umask(0o077), command="report", code=0, then=private_pages),
    elsewhere("archives of an unknown user", "~nobody-of-that-name/x", "~nobody-of-that-name", "skipped"),
    elsewhere("archives at an odd address", "ftp://me:SECRET@127.0.0.1/x", "ftp://127.0.0.1/x"),
    elsewhere("archives that are not there", "/nonexistent", "/nonexistent is neither"),
    elsewhere("archives in a shell's folder", f"ROOT/{AT_HAND}", offered=write(f"{AT_HAND}/data.zip", GOOD)),
)
