"""The score in the folder of a run: whether it is the wanted one, and whether the files there belong together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pointrend.errors import CheckFailed, ResultsError, WeightsError
from pointrend.evaluation.counts_file import StoredCounts, read_counts, read_matrix
from pointrend.files import is_sealed, read_json, read_json_lines, sha256_file, sha256_json
from pointrend.results.chain import COUNTS, MATRIX, METRICS, METRICS_LOG, MODEL, SCORING, TRAIN, Record, stated
from pointrend.results.published import Published
from pointrend.settings.definition import wanted_reasons
from pointrend.settings.fingerprints import released_sha256, scoring_fingerprint, training_fingerprint
from pointrend.settings.project import Project

MIOU_TOLERANCE = 1e-9  # percent, between metrics.json and the mIoU recomputed from confusion.parquet
NOT_EVALUATED = "trained but not evaluated"
STALE = "stale: trained with another setting, data or code"
STALE_SCORE = "stale: scored with other weights, another setting, data or code"
UNPUBLISHED = "nothing was published for this run"

VALIDATION = "validation_miou"  # a key of metrics.jsonl
# the keys that are read, and the kind of their values (docs/provenance.md)
_BOTH_KEYS: dict[str, Any] = {
    **dict.fromkeys(("run", "fingerprint", "code_sha256", "model_sha256", "data_manifest_sha256"), str),
    **dict.fromkeys(("source", "setting", "archives", "data", "machine", "precision"), dict),
    "lock_sha256": str | None,
}
_HOW_TRAINED = {"gpus": int, "nodes": int, "images_per_gpu": int, "batch_norm": str, "checkpoint_rule": str}
KEYS: dict[str, dict[str, Any]] = {
    TRAIN: {**_BOTH_KEYS, **_HOW_TRAINED, "seed": int, "backbone_sha256": str | None, "attempts": list, "curves": dict},
    SCORING: {**_BOTH_KEYS, "seed": int | None, "train_sha256": str | None, "metrics_sha256": str},
    METRICS: {
        **dict.fromkeys(("miou", "all_accuracy", "boundary_iou"), int | float),
        **{"coarse": dict, "iou": dict, "n_images": int, "pictures": dict, "model_sha256": str, "sha256": str},
    },
}


@dataclass(frozen=True)
class SelectedRun:
    """A run and seed, or the released weights of a run, to report, and what the results must have been made with.

    Attributes:
        seed: None for released weights.
        reasons: why a score computed now would not be comparable; an existing score has its own records of that.
        setting: all parameters as they are now.
        folder: with train.json (trainings only), metrics.json and confusion.parquet.
        fingerprint: of a training that starts now, or of a score of released weights; empty where neither could start.
        scoring_fingerprint: of a score of the weights in ``folder`` that starts now; empty where none could start.
        stale: why nothing could start now.
    """

    run: str
    seed: int | None
    reasons: Sequence[str]
    setting: dict[str, Any]
    folder: Path
    fingerprint: str
    scoring_fingerprint: str
    stale: str = ""

    def __str__(self) -> str:
        return f"released weights of {self.run}" if self.seed is None else f"run {self.run} seed {self.seed}"

    def again(self, name: str) -> str:
        """What to do where the file ``name`` of this run cannot be used."""
        verb = "train" if name == TRAIN else "evaluate"
        return f"run `pointrend {verb} {self.run} {'--released' if self.seed is None else f'--seed {self.seed}'}` again"

    def contradiction(self, what: str, name: str = SCORING) -> CheckFailed:
        """The error that files of this run contradict each other, so that ``name`` has to be made again."""
        return CheckFailed(f"{self}: {what}", self.again(name))


@dataclass(frozen=True)
class Score:
    """An evaluated run, or released weights, whose files belong together.

    Attributes:
        metrics: the content of metrics.json.
        counts: the content of confusion.parquet.
        hashes: sha256 of what the score rests on, by file name in the run's folder, and of what it was made from.
        train: the content of train.json; None for released weights.
        evaluation: the content of evaluate.json.
        validation: iteration and mIoU, in percent, of every look at a part of val during the training.
    """

    metrics: Record
    counts: StoredCounts
    hashes: dict[str, str]
    train: Record | None
    evaluation: Record
    validation: list[list[Any]]

    @property
    def made(self) -> Record:
        """The record of what produced the weights as far as it is known: train.json, or else evaluate.json."""
        return self.evaluation if self.train is None else self.train

    @property
    def provenance(self) -> dict[str, Any]:
        """sha256 of everything that the figure follows from, and what computed it; docs/provenance.md has the keys."""
        made, evaluation = self.made, self.evaluation
        chain = {
            "archives": made["archives"],
            "data_manifest_sha256": made["data_manifest_sha256"],
            "params_sha256": sha256_json(made["setting"]),
            "code": {**_commit(made), "evaluate_sha256": evaluation["code_sha256"]},
            "lock_sha256": made["lock_sha256"],
            "model_sha256": self.metrics["model_sha256"],
            "counts_sha256": self.metrics["sha256"],
            "scoring": _commit(evaluation) | {key: evaluation[key] for key in ("machine", "precision", "lock_sha256")},
        }
        if self.train is None:
            return chain
        return chain | {
            "code": {**chain["code"], "train_sha256": made["code_sha256"]},
            "attempts": len(made["attempts"]),
            "start": made["attempts"][-1].get("start"),
            "began": made["attempts"][-1].get("began"),
            "seconds": made.get("seconds"),
            **{key: made[key] for key in (*_HOW_TRAINED, "machine", "precision", "backbone_sha256")},
        }


def selected_runs(project: Project, seeds: Sequence[int], published: Published) -> list[SelectedRun]:
    """All runs of params.yaml with these seeds, then the released weights that are scored at this scale."""
    trainings = [(run, seed) for run in project.params.runs for seed in seeds]
    releases = [(run, None) for run in project.released_runs]
    return [_selected(project, run, seed, published) for run, seed in (*trainings, *releases)]


def _selected(project: Project, run: str, seed: int | None, published: Published) -> SelectedRun:
    setting = project.setting(run)
    folder = project.released_folder(run) if seed is None else project.run_folder(run, seed)
    fingerprint = scoring = stale = ""
    try:
        if seed is None:
            fingerprint = scoring = scoring_fingerprint(project, setting, released_sha256(project, setting))
        else:
            fingerprint = training_fingerprint(project, setting, seed)
            if (folder / TRAIN).is_file():
                weights = read_json(folder / TRAIN, keys=("model_sha256",))["model_sha256"]
                scoring = scoring_fingerprint(project, setting, str(weights))
    except (ResultsError, WeightsError) as missing:
        stale = f"stale: {missing.what}"
    reasons = wanted_reasons(project, setting, released=seed is None)
    reasons += [] if published.miou(run) is not None else [UNPUBLISHED]
    return SelectedRun(run, seed, reasons, setting.model_dump(mode="json"), folder, fingerprint, scoring, stale)


def find_score(selected: SelectedRun) -> tuple[Score | None, str]:
    """The score of a trained run or of released weights, or None and the reason; empty where nothing was ever done.

    Raises:
        CheckFailed: files of the run contradict each other; the run and what to do again are named.
        ResultsError: a file of the run cannot be read.
    """
    train = None
    if selected.seed is not None:
        if not (selected.folder / TRAIN).exists():
            return None, ""
        train = _read_sealed(selected, TRAIN)
        if train["fingerprint"] != selected.fingerprint:
            return None, selected.stale or STALE
    if not (selected.folder / METRICS).exists():
        return None, NOT_EVALUATED if train else ""
    metrics = _read(selected, METRICS)
    evaluation = _checked_scoring(selected, train, metrics)
    if evaluation["fingerprint"] != selected.scoring_fingerprint:
        return None, selected.stale or STALE_SCORE
    hashes = _checked_files(selected, {METRICS: metrics} if train is None else {TRAIN: train, METRICS: metrics})
    counts = _checked_counts(selected, metrics, evaluation)
    looks = [] if train is None else read_json_lines(selected.folder / METRICS_LOG)
    validation = [[look.get(key) for key in ("iteration", VALIDATION)] for look in looks if VALIDATION in look]
    if not all(isinstance(value, int | float) and math.isfinite(value) for look in validation for value in look):
        raise selected.contradiction(f"{METRICS_LOG} has a {VALIDATION} that is not a number")
    score = Score(metrics, counts, hashes, train, evaluation, validation)
    if train is None:
        hashes["weights"] = metrics["model_sha256"]
    elif train["backbone_sha256"]:
        hashes["backbone"] = train["backbone_sha256"]
    hashes |= {"code": score.made["code_sha256"], "fingerprint": selected.fingerprint}
    hashes["data_manifest"] = evaluation["data_manifest_sha256"]
    return score, ""


def _checked_scoring(selected: SelectedRun, train: Record | None, metrics: Record) -> Record:
    """The content of evaluate.json, which must be of this run, its weights and data, and of the metrics.json there."""
    folder = selected.folder
    if not (folder / SCORING).is_file():
        raise selected.contradiction(f"{SCORING} does not exist")
    if train is not None and metrics["model_sha256"] != train["model_sha256"]:
        raise selected.contradiction("metrics.json scores other weights than train.json names")
    record = _read_sealed(selected, SCORING)
    if (record["model_sha256"], record["metrics_sha256"]) != (metrics["model_sha256"], sha256_file(folder / METRICS)):
        raise selected.contradiction(f"{SCORING} is of another scoring than metrics.json")
    if train is not None and record["data"] != train["data"]:
        raise selected.contradiction(f"{SCORING} names other data than train.json")
    if train is not None and record["train_sha256"] != sha256_file(folder / TRAIN):
        raise selected.contradiction(f"{SCORING} is of another training than train.json")
    return record


def _checked_files(selected: SelectedRun, records: Mapping[str, Record]) -> dict[str, str]:
    """sha256 by name of the records of a run and of all files that they name; the weights are too large to be read."""
    folder = selected.folder
    hashes = {name: sha256_file(folder / name) for name in (*records, SCORING)}
    for record, content in records.items():
        for one in stated(folder / record, content):
            fault = None if one.file.name == MODEL else one.fault(lambda path: path.relative_to(folder))
            if fault:
                raise selected.contradiction(fault, record)
            hashes[str(one.file.relative_to(folder))] = one.sha256
    return hashes


def _checked_counts(selected: SelectedRun, metrics: Record, evaluation: Record) -> StoredCounts:
    """What figures and matrix follow from: counts of this mIoU, and of every prepared image exactly once."""
    counts = read_counts(selected.folder / COUNTS)
    try:
        read_matrix(selected.folder / MATRIX, counts.total)
    except CheckFailed as wrong:
        raise selected.contradiction(wrong.what) from wrong
    miou, images = 100 * counts.total.miou(), counts.images
    if not math.isclose(miou, metrics["miou"], rel_tol=0, abs_tol=MIOU_TOLERANCE):
        raise selected.contradiction(f"its counts give mIoU {miou}, but metrics.json has {metrics['miou']}")
    if images != metrics["n_images"]:
        raise selected.contradiction(f"{images} images were counted, but metrics.json has {metrics['n_images']}")
    prepared = evaluation["data"]["images"].get("val"), evaluation["data"]["ids_sha256"].get("val")
    if (images, counts.ids_sha256) != prepared:
        raise selected.contradiction(f"{images} images were scored, not the {prepared[0]} prepared ones")
    return counts


def _read(selected: SelectedRun, name: str) -> dict[str, Any]:
    return read_record(selected.folder / name, selected.again(name))


def read_record(path: Path, do: str) -> dict[str, Any]:
    """The record in ``path`` with values of the kinds in :data:`KEYS`; ``do`` is what to do where it has others.

    Raises ResultsError if it cannot be read or has others.
    """
    kinds = KEYS[path.name]
    values = read_json(path, do=do, keys=kinds)
    wrong = [key for key, kind in kinds.items() if not isinstance(values[key], kind)]
    if wrong:
        raise ResultsError(f"{path} has a value of the wrong type in {', '.join(wrong)}", do)
    return dict(values)


def _read_sealed(selected: SelectedRun, name: str) -> dict[str, Any]:
    """A record that is of the ``selected`` run and as it was written."""
    record = _read(selected, name)
    if not is_sealed(record):
        raise selected.contradiction(f"{name} is not as it was written", name)
    if (record["run"], record["seed"]) != (selected.run, selected.seed):
        whose = "released weights" if record["seed"] is None else f"seed {record['seed']}"
        what = f"{selected.folder / name} is of run {record['run']} {whose}, not of {selected}"
        raise CheckFailed(what, selected.again(name))
    return record


def _commit(record: Record) -> dict[str, Any]:
    source = record["source"]
    return {"commit": source.get("commit"), "dirty": source.get("dirty"), "no_commit_because": source.get("reason")}
