"""Ways to pick good seeds: each is named in the results, and then no score of the run counts. Honest ways are not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pointrend.checkout.starts import Place, Starts
from pointrend.files import sha256_json, write_json
from pointrend.results.compare import compare
from tests.results.runs import ASSUMED, TRAINED, edit, finish, published, selected

GPUS_4, GPUS_8 = "4" * 64, "8" * 64  # fingerprints of one seed
TOTAL = 80  # iterations


@dataclass
class Lab:
    """A made-up checkout in which voc_r50 is trained with several seeds."""

    root: Path
    planned: list[int] = field(default_factory=lambda: [0, 1, 2])
    series: str = "published recipe"

    @property
    def starts(self) -> Starts:
        return Starts(self.root / "results/paper/starts")

    def note(self, kind: str, seed: int, fingerprint: str = GPUS_4, **values: Any) -> Place:
        return self.starts.append(kind, "voc_r50", self.series, seed=seed, fingerprint=fingerprint, **values)

    def seal(self) -> None:
        self.starts.append("seeds", "voc_r50", self.series, seeds=self.planned)

    def start(self, seed: int, iteration: int = 0, fingerprint: str = GPUS_4, checkpoint: bool = True) -> Place:
        """A start of a training, which was killed at some time after it had a checkpoint, or before."""
        if not self.starts.entries():
            self.seal()
        place = self.note("start", seed, fingerprint, iteration=iteration)
        if checkpoint and not iteration:
            self.note("progress", seed, fingerprint)
        return place

    def train(self, *seeds: int, iteration: int = 0, fingerprint: str = GPUS_4, weights: str = "") -> None:
        """Trainings from an iteration to their ends, and their scores."""
        for seed in seeds:
            place = self.start(seed, iteration, fingerprint)
            run = selected(self.root / "runs/paper", "voc_r50", seed)
            finish(run)
            found = weights or sha256_json([seed, fingerprint])
            for name in ("train.json", "metrics.json", "evaluate.json"):
                edit(run, name, model_sha256=found)
            edit(run, "train.json", attempts=[*TRAINED["attempts"], {"start": place._asdict()}])
            self.note("end", seed, fingerprint, iteration=TOTAL, model_sha256=found)

    def forget(self, seed: int) -> None:
        """rm -rf runs/paper/voc_r50-s<seed>"""
        shutil.rmtree(self.root / f"runs/paper/voc_r50-s{seed}")

    def entry(self, number: int) -> Path:
        return self.starts.folder / f"{number:06d}.json"

    def edit_entry(self, number: int, **values: Any) -> None:
        write_json(self.entry(number), json.loads(self.entry(number).read_text()) | values)

    def rows(self, seeds: Sequence[int]) -> list[dict[str, Any]]:
        runs = [selected(self.root / "runs/paper", "voc_r50", seed) for seed in seeds]
        rows: list[dict[str, Any]] = compare("paper", runs, published(), ASSUMED, self.starts)["runs"]
        return rows


Ways = dict[str, tuple[Callable[[Lab], Any], Sequence[int], str]]


def do(*steps: Callable[[Lab], Any]) -> Callable[[Lab], Any]:
    return lambda lab: [step(lab) for step in steps]


def planned(*seeds: int) -> Callable[[Lab], Any]:
    return lambda lab: setattr(lab, "planned", list(seeds))


def train(*seeds: int, **how: Any) -> Callable[[Lab], Any]:
    return lambda lab: lab.train(*seeds, **how)


def start(seed: int, iteration: int = 0, **how: Any) -> Callable[[Lab], Any]:
    return lambda lab: lab.start(seed, iteration, **how)


def forget(seed: int) -> Callable[[Lab], Any]:
    return lambda lab: lab.forget(seed)


def removed(*numbers: int) -> Callable[[Lab], Any]:
    return lambda lab: [lab.entry(number).unlink() for number in numbers]


def everything_removed(lab: Lab) -> None:
    shutil.rmtree(lab.starts.folder)


THREE = train(0, 1, 2)
TWICE = "seed 1 was trained 2 times"
GONE = "seed 1 was trained, and its files are gone"
# what is done, the seeds that are then compared, and what the results say
PICKED: Ways = {
    "compare --seeds without the worst": (THREE, (0, 2), "seed 1 is left out of 0, 1, 2, the seeds planned at"),
    "compare --seeds without the last": (THREE, (0, 1), "seed 2 is left out"),
    "the best alone": (THREE, (2,), "seed 0 is left out"),
    "only a late seed of the list was trained": (train(2), (2,), "seed 0 is left out"),
    "one more seed": (do(THREE, planned(0, 1, 2, 3), train(3)), (0, 1, 2, 3), "seed 3 is not one of 0, 1, 2, the"),
    "the worst seed exchanged": (do(THREE, train(7)), (0, 2, 7), "seed 7 is not one of"),
    "a second list is sealed by hand": (
        do(THREE, planned(0, 1, 2, 3), Lab.seal, train(3)),
        (0, 1, 2, 3),
        "seed 3 is not one of",
    ),
    "the folder of the worst removed": (do(THREE, forget(1)), (0, 1, 2), GONE),
    "trained again after the score": (do(THREE, train(1, weights="b" * 64)), (0, 1, 2), TWICE),
    "trained again and again": (
        do(THREE, *(train(1, weights=c * 64) for c in "bcd")),
        (0, 1, 2),
        "1 was trained 4 times",
    ),
    "given up half-way and started again": (do(start(1), THREE), (0, 1, 2), TWICE),
    "given up after a resume and started again": (do(start(1), start(1, 40), THREE), (0, 1, 2), TWICE),
    "gone back to an earlier checkpoint": (
        do(start(1), start(1, 60), train(0, 2), train(1, iteration=20)),
        (0, 1, 2),
        TWICE,
    ),
    "trained again on another number of GPUs": (do(THREE, train(1, fingerprint=GPUS_8)), (0, 1, 2), TWICE),
    "given up on 8 GPUs, trained on 4": (do(start(1, fingerprint=GPUS_8), THREE), (0, 1, 2), TWICE),
    "the list removed": (do(THREE, removed(1)), (0, 1, 2), "starts/000001.json does not exist"),
    "a start removed": (do(start(1), THREE, removed(2, 3)), (0, 1, 2), "starts/000002.json does not exist"),
    "the record of starts removed": (do(THREE, everything_removed), (0, 1, 2), "does not have the training of seed 0"),
    "a new record of starts": (
        do(train(0, 2), everything_removed, train(1)),
        (0, 1, 2),
        "does not have the training of seed 0",
    ),
    "the last starts removed": (
        do(THREE, lambda lab: removed(*range(8, 11))(lab)),
        (0, 1, 2),
        "the training of seed 2",
    ),
    "checkpoints brought in without their starts": (
        do(train(0, 2), train(1, iteration=40)),
        (0, 1, 2),
        "does not have the beginning of seed 1",
    ),
    "the list edited": (
        do(THREE, lambda lab: lab.edit_entry(1, seeds=[0, 2])),
        (0, 2),
        "000001.json is not the one that",
    ),
    "a start edited": (
        do(start(1), THREE, lambda lab: lab.edit_entry(2, seed=9)),
        (0, 1, 2),
        "000002.json is not the one that",
    ),
    "an entry cut off": (
        do(THREE, lambda lab: lab.entry(3).write_text("{")),
        (0, 1, 2),
        "000003.json is not as it was",
    ),
}


@pytest.mark.parametrize("way", PICKED)
def test_a_picked_seed_is_named_and_no_score_of_the_run_counts(way: str, tmp_path: Path) -> None:
    steps, seeds, words = PICKED[way]
    steps(lab := Lab(tmp_path))
    scored = [row for row in lab.rows(seeds) if row["miou"] is not None]
    assert scored
    for row in scored:
        assert any(words in reason for reason in row["reasons"]), row["reasons"]
        assert (row["kind"], row["comparable"], row["difference"]) == ("trained", False, None)
        assert row["verdict"] == "not comparable"


HONEST: dict[str, tuple[Callable[[Lab], Any], Sequence[int]]] = {
    "all planned seeds": (THREE, (0, 1, 2)),
    "the first of them": (train(0), (0, 1, 2)),
    "the first of them, and nothing of the others": (train(0), (0,)),
    "out of order, as jobs end": (train(2, 0, 1), (0, 1, 2)),
    "others still in training": (do(train(0), start(1), start(2)), (0, 1, 2)),
    "more of the planned seeds after a score": (do(train(0, 1), lambda lab: lab.rows((0, 1)), train(2)), (0, 1, 2)),
    "killed before the first checkpoint": (do(*[start(1, checkpoint=False)] * 3, THREE), (0, 1, 2)),
    "preempted, killed and requeued": (
        do(start(1), start(1, 20), start(1, 20), start(1, 60), train(0, 2), train(1, iteration=60)),
        (0, 1, 2),
    ),
    "asked for again after its end": (do(THREE, train(1, iteration=TOTAL)), (0, 1, 2)),
    "trained again to the same weights": (do(THREE, train(1)), (0, 1, 2)),
    "another number of GPUs, before the first checkpoint": (
        do(start(1, fingerprint=GPUS_8, checkpoint=False), THREE),
        (0, 1, 2),
    ),
    "the list changed before the first checkpoint": (
        do(planned(5), start(5, checkpoint=False), planned(0, 1, 2), Lab.seal, THREE),
        (0, 1, 2),
    ),
    "a seed beyond the list, which is not compared": (do(THREE, train(9)), (0, 1, 2)),
}


@pytest.mark.parametrize("way", HONEST)
def test_an_honest_way_is_not_blamed(way: str, tmp_path: Path) -> None:
    steps, seeds = HONEST[way]
    steps(lab := Lab(tmp_path))
    rows = [row for row in lab.rows(seeds) if row["kind"] == "trained"]
    assert [row["reasons"] for row in rows] == [[]] * len(seeds)
    assert [row["comparable"] for row in rows] == [True] * len(seeds)


def test_what_a_row_states_of_the_plan(tmp_path: Path) -> None:
    lab = Lab(tmp_path, series="another recipe")
    lab.train(0)
    other = len(lab.starts.entries())
    lab.series = "published recipe"
    lab.seal()
    lab.train(0, 2)
    entries = {place.number: (place, entry) for place, entry in lab.starts.entries().items()}
    sealed = {"seeds": [0, 1, 2], "starts": 2, "other": 1, "last": entries[len(entries)][0].sha256}
    sealed |= {"sha256": entries[other + 1][0].sha256, "time": entries[other + 1][1]["time"]}
    assert [row["sealed"] for row in lab.rows((0, 1, 2))] == [sealed] * 3
    assert sealed["time"].endswith(" UTC")
