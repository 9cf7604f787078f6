"""Takeovers after every look at the lease that a training takes."""

import contextlib
import itertools
import re
from collections.abc import Callable, Collection

import pytest

from pointrend.cli import main
from pointrend.errors import TrainingStopped
from pointrend.jobs.lease import Held, Watch
from pointrend.training.checkpoints import KEPT
from tests.trust.ground import Ground
from tests.trust.outcome import content

CHECKPOINT = re.compile(r"/(\d{9})-(\d{6})\.(json|safetensors)$")
TRAINED = ("train.json", "model.safetensors", "metrics.jsonl", "curve.csv")
TRAIN = ["--quiet", "train", "voc_r50"]


class Killed(BaseException):
    """A trainer ends as a killed one does."""


class Looks:
    """Every look at the lease, counted; after one of them something happens, as if we had been stopped there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: dict[int, Callable[[], object]] = {}
        self.count = itertools.count()
        look = Held.check

        def check(held: Held) -> None:
            look(held)
            self.calls.get(next(self.count), int)()

        monkeypatch.setattr(Held, "check", check)


def everything(ground: Ground) -> dict[str, bytes]:
    """All files but leases, logs, and the record of starts, to which everybody may append."""
    paths = (path for path in ground.root.rglob("*") if path.is_file())
    names = {path.relative_to(ground.root).as_posix(): path for path in paths}
    return {name: path.read_bytes() for name, path in names.items() if not re.search("/lease/|/starts/|logs/", name)}


def beyond_newest(names: Collection[str]) -> set[str]:
    """Checkpoints of the first holder that are no longer needed: these it may remove at any time."""
    found = [(match[2], match[1], match[3]) for name in names if (match := CHECKPOINT.search(name))]
    kept = sorted({(lease, iteration) for lease, iteration, kind in found if kind == "json"})[-KEPT:]
    return {
        name
        for name in names
        if (match := CHECKPOINT.search(name)) and match[2] == "000001" and (match[2], match[1]) not in kept
    }


@pytest.fixture(scope="module")
def looks_in_all(made, tmp_path_factory):
    """How often a training looks at its lease."""
    ground = made("prepared").copy(tmp_path_factory.mktemp("count") / "checkout")
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(ground.root):
        looks = Looks(patch)
        assert main(TRAIN) == 0
        return next(looks.count)


def taken_over(ground: Ground, moment: int, killed_after: int | None) -> dict[str, bytes]:
    """Train; after the look ``moment`` another trainer takes over and works to its end, or is killed; what it leaves.

    Then the first one goes on.
    """
    left: dict[str, bytes] = {}

    def take_over() -> None:
        with pytest.MonkeyPatch.context() as patch, contextlib.suppress(Killed):
            patch.setattr(Watch, "is_free", lambda *_, **__: True)  # we gave no sign of life
            assert main(TRAIN) == 0
        left.update(everything(ground))

    def kill() -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(ground.root):
        looks = Looks(patch)
        looks.calls[moment] = take_over
        if killed_after is not None:
            looks.calls[moment + killed_after] = kill
        assert main(TRAIN) == TrainingStopped.exit_code, moment
    return left


@pytest.mark.parametrize(("first", "killed_after"), [(0, None), (1, 6)])
def test_whoever_was_stopped_after_any_look_changes_nothing_any_more(first, killed_after, looks_in_all, made, tmp_path):
    """Every second moment each, which together are all."""
    assert looks_in_all > 20
    folder = "runs/demo/voc_r50-s0"
    trained = {name: content(made("done").path(f"{folder}/{name}")) for name in TRAINED}
    for moment in range(first, looks_in_all, 2):
        ground = made("prepared").copy(tmp_path / f"{moment}")
        left = taken_over(ground, moment, killed_after)
        now = everything(ground)
        assert now.items() <= left.items(), moment
        assert left.keys() - now.keys() <= beyond_newest(left), moment
        if killed_after is not None:
            with contextlib.chdir(ground.root):
                assert main(TRAIN) == 0
        assert {name: content(ground.path(f"{folder}/{name}")) for name in TRAINED} == trained, moment
