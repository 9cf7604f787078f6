"""Machines and environments that lack something."""

from __future__ import annotations

import contextlib
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch

from tests.archives.fetching import GOOD, send_good
from tests.datasets.layouts import encoded, pixels
from tests.trust.bad_archives import fetched, from_server
from tests.trust.bad_params import environment
from tests.trust.bad_weights import PREDICT, photos
from tests.trust.cases import Case, nothing
from tests.trust.ground import Ground
from tests.trust.poor_machine import no_room, read_only, scarce_memory, umask, unreadable

Held = Callable[[Ground], AbstractContextManager[Any]]
RUN = "runs/demo/voc_r50-s0"
ARCHIVES = "data/demo/archives/voc"


def locked(name: str) -> Held:
    return lambda ground: read_only(ground.path(name))


def secret(name: str) -> Held:
    return lambda ground: unreadable(ground.path(name))


def full(most_bytes: int) -> Held:
    return lambda ground: no_room(most_bytes)


def file_for_folder(name: str) -> Callable[[Ground], None]:
    """An ordinary file where a folder should be."""

    def spoil(ground: Ground) -> None:
        path = ground.path(name)
        shutil.rmtree(path, ignore_errors=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")

    return spoil


def put(name: str) -> Callable[[Ground], None]:
    """A file of the user's."""
    return lambda ground: ground.path(name).write_text("mine") and None


def another_training(most_bytes: int) -> Held:
    """A full disk, met by a training of another setting."""

    @contextlib.contextmanager
    def spoil(ground: Ground) -> Iterator[None]:
        ground.put("runs.voc_r50.lr", 0.02)
        with no_room(most_bytes):
            yield

    return spoil


@contextlib.contextmanager
def no_loopback(ground: Ground) -> Iterator[None]:
    """An interface that is down, or no port that is free."""

    def refuse(*_: object) -> None:
        raise OSError(99, "Cannot assign requested address")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pointrend.archives.loopback.ThreadingHTTPServer", refuse)
        yield


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
def full_device(ground: Ground) -> Iterator[None]:
    """A device whose memory a batch does not fit into, met by a training of another setting."""

    def refuse(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    ground.put("runs.voc_r50.lr", 0.02)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pointrend.training.loop.TrainStep.__call__", refuse)
        yield


@contextlib.contextmanager
def full_memory(ground: Ground) -> Iterator[None]:
    """A machine whose memory ends while pictures are decoded."""

    def refuse(*_: object) -> None:
        raise MemoryError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pointrend.datasets.prepare.prepare.decode_samples", refuse)
        yield


@contextlib.contextmanager
def without(*names: str, path: str | None = None) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.delenv(name, raising=False)
        if path is not None:
            patch.setenv("PATH", path)
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
    for name in ("results.json", "README.md", "index.html"):
        assert ground.path(f"results/demo/{name}").stat().st_mode & 0o777 == (
            0o600 if name != "results.json" else 0o644
        )


def from_elsewhere(place: str) -> Held:
    """POINTREND_ARCHIVES names ``place``; a server has the file as well."""

    @contextlib.contextmanager
    def spoil(ground: Ground) -> Iterator[None]:
        with from_server(send_good)(ground), environment(POINTREND_ARCHIVES=place)(ground):
            yield

    return spoil


def at_hand(ground: Ground) -> AbstractContextManager[Any]:
    """A folder with blanks and quotes in its name has the file."""
    folder = ground.path("my 'archives' $(touch canary)")
    folder.mkdir()
    (folder / "data.zip").write_bytes(GOOD)
    return from_elsewhere(str(folder))(ground)


def no_place_for_labels(ground: Ground) -> None:
    photos(a_png=encoded(pixels(1, 30, 40)))(ground)
    file_for_folder("labels")(ground)


@contextlib.contextmanager
def full_while_downloading(ground: Ground) -> Iterator[None]:
    with from_server(send_good)(ground), no_room(100_000):
        yield


ROOM = "free space or correct permissions"
CASES = (
    Case("read-only results", "done", locked("results/demo"), "report", 2, ("results/demo", "Permission denied", ROOM)),
    Case("read-only data", "ade20k", locked("data/demo"), "prepare ade20k", 2, ("Permission denied", ROOM)),
    Case("read-only run", "done", locked(RUN), "evaluate voc_r50", 2, (RUN, "Permission denied")),
    Case("read-only checkout", "bare", locked("."), "fetch voc", 2, ("Permission denied",)),
    Case("unreadable params", "bare", secret("params.yaml"), "plan", 2, ("params.yaml", "Permission denied")),
    Case(
        "unreadable weights", "done", secret(f"{RUN}/model.safetensors"), "evaluate voc_r50", 2, ("Permission denied",)
    ),
    Case(
        "unreadable archive",
        "ade20k",
        secret("data/demo/archives/ade20k/ADEChallengeData2016.zip"),
        "prepare ade20k",
        2,
        ("Permission denied",),
    ),
    Case("unreadable counts", "done", secret(f"{RUN}/confusion.parquet"), "compare", 2, ("Permission denied",)),
    Case("file for the logs", "bare", file_for_folder("logs"), "fetch voc", 2, ("logs", ROOM)),
    Case("file for the data", "bare", file_for_folder("data"), "fetch voc", 2, ("data", "Not a directory")),
    Case("file for a run", "done", file_for_folder(RUN), "evaluate voc_r50", 2, (RUN, "Not a directory")),
    Case("file for the results", "done", file_for_folder("results/demo"), "compare", 2, ("results/demo",)),
    Case("file for the checkpoints", "done", file_for_folder("checkpoints"), "train voc_r50", 2, ("checkpoints",)),
    Case(
        "file among archives", "done", put(f"{ARCHIVES}/my.tar"), "fetch voc", 2, (f"{ARCHIVES}/my.tar", "move it away")
    ),
    Case("file for the label maps", "done", no_place_for_labels, PREDICT, 2, ("labels",)),
    Case("full disk, prepare", "ade20k", full(300), "prepare ade20k", 2, ("File too large",)),
    Case("full disk, first checkpoint", "done", another_training(50_000), "train voc_r50", 2, ("File too large",)),
    Case("full disk, pages", "done", full(1000), "report", 2, ("File too large",)),
    Case("full disk, counts", "done", full(1000), "evaluate voc_r50", 2, ("File too large",)),
    Case(
        "full disk, download",
        "bare",
        full_while_downloading,
        "fetch voc",
        2,
        ("data.zip", "what has been downloaded is kept"),
    ),
    Case("no loopback", "done", no_loopback, "fetch voc", 2, ("cannot serve on 127.0.0.1", "loopback interface up")),
    Case("no CUDA", "done", nothing, "--set device=cuda train voc_r50", 2, ("no CUDA device", "device: auto")),
    Case(
        "torchrun of another size",
        "done",
        environment(WORLD_SIZE="3"),
        "train voc_r50",
        2,
        ("3 process(es) were started, says WORLD_SIZE", "unset WORLD_SIZE if the shell"),
    ),
    Case(
        "torchrun that somebody left",
        "done",
        environment(WORLD_SIZE="4", RANK="3", LOCAL_RANK="x", MASTER_PORT="junk"),
        "train voc_r50",
        2,
        ("has gpus: 1", "unset WORLD_SIZE, RANK, LOCAL_RANK, MASTER_PORT if the shell"),
    ),
    Case(
        "rank beyond the size",
        "done",
        by_hand(RANK="7", MASTER_ADDR="127.0.0.1", MASTER_PORT="PORT"),
        "--set gpus=2 train voc_r50",
        2,
        ("RANK is 7, which is no number below WORLD_SIZE=2", "unset WORLD_SIZE, RANK, MASTER_ADDR, MASTER_PORT"),
    ),
    Case(
        "rank of no number",
        "done",
        by_hand(RANK="x"),
        "--set gpus=2 train voc_r50",
        2,
        ("RANK is x",),
    ),
    Case("no rank", "done", by_hand(RANK=""), "--set gpus=2 train voc_r50", 2, ("RANK is not set",)),
    Case(
        "network interface that is not there",
        "done",
        environment(GLOO_SOCKET_IFNAME="lo,nope0"),
        "--set gpus=2 train voc_r50",
        2,
        ("GLOO_SOCKET_IFNAME=lo,nope0 names a network interface that is not there", "name one of lo", "or unset"),
    ),
    Case(
        "network interface for NCCL that is not there",
        "done",
        environment(NCCL_SOCKET_IFNAME="=l,nope"),
        "--set gpus=2 --set device=cuda train voc_r50",
        2,
        ("NCCL_SOCKET_IFNAME==l,nope names a network interface",),
    ),
    Case("torchrun of no size", "done", environment(WORLD_SIZE="x"), "train voc_r50", 2, ("x process(es)",)),
    Case(
        "rank that somebody left",
        "done",
        lambda g: environment(RANK="3", WORLD_SIZE="")(g),
        "train voc_r50",
        0,
        ("attempt",),
    ),
    Case(
        "port taken",
        "done",
        by_hand(MASTER_ADDR="127.0.0.1", MASTER_PORT="PORT"),
        "--set gpus=2 train voc_r50",
        2,
        ("the processes cannot meet at 127.0.0.1:", "address already in use", "name a free one"),
    ),
    Case(
        "no port named",
        "done",
        by_hand(MASTER_ADDR="127.0.0.1"),
        "--set gpus=2 train voc_r50",
        2,
        ("cannot meet at 127.0.0.1:$MASTER_PORT", "MASTER_PORT expected"),
    ),
    Case(
        "port that is no number",
        "done",
        by_hand(MASTER_ADDR="127.0.0.1", MASTER_PORT="x"),
        "--set gpus=2 train voc_r50",
        2,
        ("cannot meet at 127.0.0.1:x",),
    ),
    Case(
        "no memory left on the device", "done", full_device, "train voc_r50", 2, ("not enough memory for a batch of 2",)
    ),
    Case(
        "no memory left for a batch",
        "prepared",
        lambda g: scarce_memory(2**30),
        "--set crop_size=[8192,8192] --set batch_size=4 train voc_r50",
        2,
        ("there is not enough memory", "smaller batch_size"),
    ),
    Case(
        "no memory left for a picture",
        "done",
        lambda g: scarce_memory(2**28),
        "--set base_size=[8192,8192] evaluate voc_r50",
        2,
        ("there is not enough memory", "smaller images"),
    ),
    Case("no memory left", "ade20k", full_memory, "prepare ade20k", 2, ("there is not enough memory",)),
    Case("no git, no repository", "done", lambda g: without(path="/nonexistent"), "verify", 0, ("all hold",)),
    Case("no HOME", "done", lambda g: without("HOME", "XDG_CACHE_HOME", "USER"), "train voc_r50", 0, ()),
    Case("wrong locale", "done", ascii_terminal, "train voc_日本", 2, ("there is no run 'voc_\\u65e5\\u672c'",)),
    Case("umask 077", "done", lambda g: umask(0o077), "report", 0, (), private_pages),
    Case(
        "archives of an unknown user",
        "bare",
        from_elsewhere("~nobody-of-that-name/x"),
        "fetch voc",
        0,
        ("passed over",),
        fetched,
    ),
    Case(
        "archives at an odd address",
        "bare",
        from_elsewhere("ftp://me:SECRET@127.0.0.1/x"),
        "fetch voc",
        0,
        ("ftp://127.0.0.1/x",),
        fetched,
    ),
    Case(
        "archives that are not there",
        "bare",
        from_elsewhere("/nonexistent"),
        "fetch voc",
        0,
        ("/nonexistent is neither",),
        fetched,
    ),
    Case("archives in a shell's folder", "bare", at_hand, "fetch voc", 0, (), fetched),
)
