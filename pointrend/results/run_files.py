"""What the folder of a run holds, and whether its files belong together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pointrend.errors import CheckFailed, ResultsError
from pointrend.evaluation.counts_file import StoredCounts, read_counts
from pointrend.files import read_json, sha256_file
from pointrend.results.provenance import EVALUATE_KEYS, TRAIN_KEYS, provenance

MIOU_TOLERANCE = 1e-9
"""Percent; between ``metrics.json`` and the mIoU recomputed from ``confusion.parquet``."""
NOT_EVALUATED = "trained but not evaluated"
STALE = "stale: trained with another setting, data or code"
STALE_SCORE = "stale: scored with other weights, another setting, data or code"
LOGGED_FILES = ("metrics.jsonl", "curve.csv")
"""What a training leaves behind of its course."""
SHOWN_SCORES = "scores.json"
"""What an evaluation leaves behind for DVC's tables."""
SCORING = "evaluate.json"
"""What an evaluation leaves behind of its machine and code."""

METRICS_KEYS: dict[str, Any] = {
    **dict.fromkeys(("miou", "all_accuracy", "boundary_iou"), int | float),
    **{"coarse": dict, "n_images": int, "pictures": dict},
    **dict.fromkeys(("model_sha256", "sha256"), str),
}
"""What is taken from metrics.json, and of which kind it is."""
RELEASED_KEYS: dict[str, Any] = dict.fromkeys(("fingerprint", "code_sha256", "data_manifest_sha256"), str)
"""What metrics.json also has where released weights were scored: nothing else says it there."""


@dataclass(frozen=True)
class SelectedRun:
    """A run and seed, or the released weights of a run, to report, and what the results must have been made with."""

    run: str
    seed: int | None
    """None: the released weights."""
    dataset: str
    backbone: str
    comparable: bool
    """Whether the setting is the published recipe on the official data."""
    reasons: Sequence[str]
    """Why it is not comparable."""
    setting: dict[str, Any]
    """All resolved parameters; the tables show ``setting["recipe"]["output_stride"]``."""
    folder: Path
    """Where ``train.json``, ``metrics.json`` and ``confusion.parquet`` are; the first not of released weights."""
    fingerprint: str
    """Of what a training or scoring now would be; empty where it could not start, and then nothing fits it."""

    def __str__(self) -> str:
        return f"released weights of {self.run}" if self.seed is None else f"run {self.run} seed {self.seed}"

    def command(self, verb: str) -> str:
        """What to do where a file of this run is no good."""
        which = "--released" if self.seed is None else f"--seed {self.seed}"
        return f"run `pointrend {verb} {self.run} {which}` again"


@dataclass(frozen=True)
class Score:
    """An evaluated run, or released weights, whose files belong together."""

    metrics: dict[str, Any]
    """The content of ``metrics.json``."""
    counts: StoredCounts
    """The content of ``confusion.parquet``."""
    hashes: dict[str, str]
    """sha256 of what the score rests on, by file name in the run's folder, and of what it was made from."""
    provenance: dict[str, Any]
    """See :func:`provenance`."""


def find_score(selected: SelectedRun) -> tuple[Score | None, str]:
    """The score of a trained run or of released weights, or None and the reason; empty where nothing was ever done.

    Raises:
        CheckFailed: files of the run contradict each other; the run and what to do again are named.
        ResultsError: a file of the run cannot be read.
    """
    if selected.seed is None:
        return _released_score(selected)
    train_file, metrics_file = selected.folder / "train.json", selected.folder / "metrics.json"
    if not train_file.exists():
        return None, ""
    train = _read(train_file, TRAIN_KEYS, selected.command("train"))
    if (train["run"], train["seed"]) != (selected.run, selected.seed):
        what = f"{train_file} is of run {train['run']} seed {train['seed']}, not of {selected}"
        raise CheckFailed(what, selected.command("train"))
    if train["fingerprint"] != selected.fingerprint:
        return None, STALE
    if not metrics_file.exists():
        return None, NOT_EVALUATED
    metrics = _read(metrics_file, METRICS_KEYS, selected.command("evaluate"))
    if metrics["model_sha256"] != train["model_sha256"]:
        what = f"{selected}: metrics.json scores other weights than train.json names"
        raise CheckFailed(what, selected.command("evaluate"))
    counts = _checked_counts(selected, metrics)
    evaluation = checked_scoring(selected.folder, train, metrics, str(selected), selected.command("evaluate"))
    hashes = {
        **{name: _sha256(selected, name) for name in (*LOGGED_FILES, "train.json")},
        **_scored_hashes(selected, metrics),
        **({"backbone": train["backbone_sha256"]} if train["backbone_sha256"] else {}),
        "code": train["code_sha256"],
        "data_manifest": train["data_manifest_sha256"],
        "fingerprint": train["fingerprint"],
        "model.safetensors": train["model_sha256"],
    }
    return Score(metrics, counts, hashes, provenance(train, evaluation, metrics)), ""


def checked_scoring(
    folder: Path, made_from: Mapping[str, Any], metrics: Mapping[str, Any], whose: str, do: str
) -> dict[str, Any]:
    """The content of evaluate.json in ``folder``, which must be of the scoring that wrote ``metrics`` beside it.

    ``made_from`` names the data: the record of the training, or the metrics themselves for released weights.

    Raises:
        CheckFailed: it is missing, or of another scoring, weights or data; the message begins with ``whose``.
        ResultsError: it lacks a key.
    """
    path = folder / SCORING
    if not path.is_file():
        raise CheckFailed(f"{whose}: {path} is not there", do)
    evaluation = _read(path, EVALUATE_KEYS, do)
    if (evaluation["model_sha256"], evaluation["metrics_sha256"]) != (
        metrics["model_sha256"],
        sha256_file(folder / "metrics.json"),
    ):
        raise CheckFailed(f"{whose}: {path} is of another scoring than metrics.json", do)
    if evaluation["data_manifest_sha256"] != made_from["data_manifest_sha256"]:
        raise CheckFailed(f"{whose}: {path} names other data than what was scored", do)
    return evaluation


def _released_score(selected: SelectedRun) -> tuple[Score | None, str]:
    """The score of released weights: metrics.json itself says what it was made from."""
    metrics_file = selected.folder / "metrics.json"
    if not metrics_file.exists():
        return None, ""
    metrics = _read(metrics_file, METRICS_KEYS | RELEASED_KEYS, selected.command("evaluate"))
    if metrics["fingerprint"] != selected.fingerprint:
        return None, STALE_SCORE
    counts = _checked_counts(selected, metrics)
    evaluation = checked_scoring(selected.folder, metrics, metrics, str(selected), selected.command("evaluate"))
    hashes = {
        **_scored_hashes(selected, metrics),
        "code": metrics["code_sha256"],
        "data_manifest": metrics["data_manifest_sha256"],
        "fingerprint": metrics["fingerprint"],
        "weights": metrics["model_sha256"],
    }
    return Score(metrics, counts, hashes, provenance(None, evaluation, metrics)), ""


def _scored_hashes(selected: SelectedRun, metrics: Mapping[str, Any]) -> dict[str, str]:
    """sha256 of what an evaluation left behind."""
    names = (SHOWN_SCORES, SCORING, "metrics.json", *(f"pictures/{name}" for name in metrics["pictures"]))
    return {**{name: _sha256(selected, name) for name in names}, "confusion.parquet": metrics["sha256"]}


def recounted_miou(counts: StoredCounts, metrics: Mapping[str, Any], whose: str, do: str) -> float:
    """The mIoU in percent that ``counts`` give, which must be that of ``metrics``, the content of metrics.json.

    Raises:
        CheckFailed: mIoU or number of images differ; the message begins with ``whose`` and ends with ``do``.
    """
    miou = 100 * counts.total.miou()
    if not math.isclose(miou, metrics["miou"], rel_tol=0, abs_tol=MIOU_TOLERANCE):
        raise CheckFailed(f"{whose}: its counts give mIoU {miou}, but metrics.json says {metrics['miou']}", do)
    if counts.images != metrics["n_images"]:
        what = f"{whose}: {counts.images} images were counted, but metrics.json says {metrics['n_images']}"
        raise CheckFailed(what, do)
    return miou


def _sha256(selected: SelectedRun, name: str) -> str:
    path = selected.folder / name
    if not path.is_file():
        verb = "train" if name in LOGGED_FILES else "evaluate"
        raise CheckFailed(f"{selected}: {path} is not there", selected.command(verb))
    return sha256_file(path)


def _checked_counts(selected: SelectedRun, metrics: dict[str, Any]) -> StoredCounts:
    """The counts that the metrics were made from, which count up to this mIoU."""
    counts_file, again = selected.folder / "confusion.parquet", selected.command("evaluate")
    if not counts_file.exists() or sha256_file(counts_file) != metrics["sha256"]:
        raise CheckFailed(f"{selected}: {counts_file} is not the one that metrics.json was made from", again)
    counts = read_counts(counts_file)
    recounted_miou(counts, metrics, str(selected), again)
    return counts


def _read(path: Path, keys: Mapping[str, Any], do: str) -> dict[str, Any]:
    values = read_json(path, do=do, keys=keys)
    wrong = [key for key, kind in keys.items() if not isinstance(values[key], kind)]
    if wrong:
        raise ResultsError(f"{path} has another kind of value in {', '.join(wrong)}", do)
    return values
