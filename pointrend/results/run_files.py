"""What the folder of a run holds, and whether its files belong together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pointrend.errors import CheckFailed, ResultsError
from pointrend.evaluation.counts_file import SCORES, StoredCounts, read_counts
from pointrend.files import is_sealed, read_json, sha256_file
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


@dataclass(frozen=True)
class SelectedRun:
    """A run and seed, or the released weights of a run, to report, and what the results must have been made with."""

    run: str
    seed: int | None
    """None: the released weights."""
    dataset: str
    backbone: str
    reasons: Sequence[str]
    """Why what would be computed now would not be comparable; where there is a score, its records say it."""
    setting: dict[str, Any]
    """All parameters as they are now."""
    folder: Path
    """Where ``train.json``, ``metrics.json`` and ``confusion.parquet`` are; the first not of released weights."""
    fingerprint: str
    """Of what a training would be that starts now, or a score of released weights; empty where neither could start."""
    scoring_fingerprint: str
    """Of what a score of the weights in ``folder`` would be that starts now; empty where none could start."""
    stale: str = ""
    """Why nothing could start now, where it could not."""

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
    train: dict[str, Any] | None
    """The content of ``train.json``; None for released weights."""
    evaluation: dict[str, Any]
    """The content of ``evaluate.json``."""

    @property
    def setting(self) -> dict[str, Any]:
        """All parameters that the weights were trained with, or that released weights were scored with."""
        return dict((self.evaluation if self.train is None else self.train)["setting"])


def find_score(selected: SelectedRun) -> tuple[Score | None, str]:
    """The score of a trained run or of released weights, or None and the reason; empty where nothing was ever done.

    Raises:
        CheckFailed: files of the run contradict each other; the run and what to do again are named.
        ResultsError: a file of the run cannot be read.
    """
    train_file, metrics_file = selected.folder / "train.json", selected.folder / "metrics.json"
    train, again = None, selected.command("evaluate")
    if selected.seed is not None:
        if not train_file.exists():
            return None, ""
        train = _read_sealed(train_file, TRAIN_KEYS, selected, selected.command("train"))
        if train["fingerprint"] != selected.fingerprint:
            return None, selected.stale or STALE
    if not metrics_file.exists():
        return None, NOT_EVALUATED if train else ""
    metrics = _read(metrics_file, METRICS_KEYS, again)
    evaluation = _checked_scoring(selected, train, metrics)
    if evaluation["fingerprint"] != selected.scoring_fingerprint:
        return None, selected.stale or STALE_SCORE
    counts = _checked_counts(selected, metrics, evaluation)
    hashes = _scored_hashes(selected, metrics) | (
        {"code": evaluation["code_sha256"], "weights": metrics["model_sha256"]}
        if train is None
        else _trained_hashes(selected, train)
    )
    hashes["data_manifest"] = evaluation["data_manifest_sha256"]
    hashes["fingerprint"] = selected.fingerprint
    chain = provenance(train, evaluation, metrics)
    return Score(metrics, counts, hashes, chain, train, evaluation), ""


def _checked_scoring(
    selected: SelectedRun, train: Mapping[str, Any] | None, metrics: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of evaluate.json, which must be of this run, its weights, its data, and the metrics.json there."""
    path, do = selected.folder / SCORING, selected.command("evaluate")
    if not path.is_file():
        raise CheckFailed(f"{selected}: {path} is not there", do)
    if train is not None and metrics["model_sha256"] != train["model_sha256"]:
        raise CheckFailed(f"{selected}: metrics.json scores other weights than train.json names", do)
    evaluation = _read_sealed(path, EVALUATE_KEYS, selected, do)
    made = evaluation["model_sha256"], evaluation["metrics_sha256"]
    if made != (metrics["model_sha256"], sha256_file(selected.folder / "metrics.json")):
        raise CheckFailed(f"{selected}: {path} is of another scoring than metrics.json", do)
    if train is not None and evaluation["data"] != train["data"]:
        raise CheckFailed(f"{selected}: {path} names other data than train.json", do)
    if train is not None and evaluation["train_sha256"] != sha256_file(selected.folder / "train.json"):
        raise CheckFailed(f"{selected}: {path} is of another training than train.json", do)
    return evaluation


def _trained_hashes(selected: SelectedRun, train: Mapping[str, Any]) -> dict[str, str]:
    """sha256 of what a training left behind and of what it was made from."""
    logged = {name: _sha256(selected, name) for name in LOGGED_FILES}
    for name, sha256 in logged.items():
        if sha256 != train["curves"].get(name):
            raise CheckFailed(f"{selected}: {name} is not the one that train.json names", selected.command("train"))
    return {
        **logged,
        "train.json": _sha256(selected, "train.json"),
        **({"backbone": train["backbone_sha256"]} if train["backbone_sha256"] else {}),
        "code": train["code_sha256"],
        "model.safetensors": train["model_sha256"],
    }


def _scored_hashes(selected: SelectedRun, metrics: Mapping[str, Any]) -> dict[str, str]:
    """sha256 of what an evaluation left behind."""
    again = selected.command("evaluate")
    pictures = {f"pictures/{name}": facts.get("sha256") for name, facts in metrics["pictures"].items()}
    hashes = {name: _sha256(selected, name) for name in (SHOWN_SCORES, SCORING, "metrics.json", *pictures)}
    for name, expected in pictures.items():
        if hashes[name] != expected:
            raise CheckFailed(f"{selected}: {name} is not the one that metrics.json names", again)
    shown = read_json(selected.folder / SHOWN_SCORES, do=again)
    if shown != {key: metrics[key] for key in SCORES}:
        raise CheckFailed(f"{selected}: {SHOWN_SCORES} does not follow from metrics.json", again)
    return {**hashes, "confusion.parquet": metrics["sha256"]}


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


def _checked_counts(selected: SelectedRun, metrics: Mapping[str, Any], evaluation: Mapping[str, Any]) -> StoredCounts:
    """The counts that the metrics were made from, which count up to this mIoU, of every prepared image exactly once."""
    counts_file, again = selected.folder / "confusion.parquet", selected.command("evaluate")
    if not counts_file.exists() or sha256_file(counts_file) != metrics["sha256"]:
        raise CheckFailed(f"{selected}: {counts_file} is not the one that metrics.json was made from", again)
    counts = read_counts(counts_file)
    recounted_miou(counts, metrics, str(selected), again)
    prepared = evaluation["data"]["images"].get("val"), evaluation["data"]["ids_sha256"].get("val")
    if (counts.images, counts.ids_sha256) != prepared:
        what = f"{selected}: {counts.images} images were scored, which are not the {prepared[0]} prepared ones"
        raise CheckFailed(what, again)
    return counts


def _read(path: Path, keys: Mapping[str, Any], do: str) -> dict[str, Any]:
    values = read_json(path, do=do, keys=keys)
    wrong = [key for key, kind in keys.items() if not isinstance(values[key], kind)]
    if wrong:
        raise ResultsError(f"{path} has another kind of value in {', '.join(wrong)}", do)
    return values


def _read_sealed(path: Path, keys: Mapping[str, Any], selected: SelectedRun, do: str) -> dict[str, Any]:
    """A record that is of the ``selected`` run and as it was written."""
    record = _read(path, keys, do)
    if not is_sealed(record):
        raise CheckFailed(f"{selected}: {path} is not as it was written", do)
    if (record["run"], record["seed"]) != (selected.run, selected.seed):
        whose = "released weights" if record["seed"] is None else f"seed {record['seed']}"
        raise CheckFailed(f"{path} is of run {record['run']} {whose}, not of {selected}", do)
    return record
