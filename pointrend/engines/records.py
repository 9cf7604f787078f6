"""Whether what lies on the disk is what is wanted now, by the small records beside it.

Snakemake looks at the times of files, and at what it wrote down about its own jobs. So it does not see what a command
typed by hand has overwritten with another setting, nor files replaced by older ones (`rsync -a`, a backup). Here the
records themselves are compared: with params.yaml and the code, and with each other. Of files up to `SMALL` bytes the
sha256 counts, of larger ones the size alone; their sha256 is the business of `pointrend verify`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pointrend.checkout.code_digest import code_digest
from pointrend.errors import PointrendError
from pointrend.files import is_sealed, sha256_file
from pointrend.settings.fingerprints import (
    prepared_fault,
    released_sha256,
    scoring_fingerprint,
    training_fingerprint,
)
from pointrend.settings.params import SCORING_KEYS, RunSetting
from pointrend.settings.project import Project

SMALL = 1_000_000
"""Bytes; as many as Snakemake itself reads of a file to compare it."""
PAGES = ("README.md", "index.html")
NOT_RUN = "not run"
"""The verdict of a row without a score; the module that has it takes half a second to import."""

Record = Mapping[str, Any]


def record_fault(project: Project, stage: str, run: str = "", seed: int | None = None) -> str | None:
    """Why the result of ``stage`` on the disk is not the wanted one, in words; None where nothing speaks against it."""
    return Records(project).fault(stage, run, seed)


def wanted_results(project: Project) -> Iterator[tuple[str, str, int | None]]:
    """What :func:`record_fault` can be asked about at this scale: (stage, name, seed), in the order of the DAG."""
    params = project.params
    published = [f"{kind}_{run}" for run in project.audited_runs for kind in ("log", "cfg")]
    weights = (*map("backbone_{}".format, params.backbones), *map("released_{}".format, project.released_runs))
    yield from (("fetch", name, None) for name in (*params.datasets, *weights, *published))
    yield from (("prepare", dataset, None) for dataset in params.datasets)
    for stage in ("train", "evaluate"):
        yield from ((stage, run, seed) for run in params.runs for seed in params.seeds)
    yield from (("evaluate_released", run, None) for run in project.released_runs)
    yield from (("audit", run, None) for run in project.audited_runs)
    yield from ((stage, "", None) for stage in ("compare", "report"))


class Records:
    """The records of one project; every file is read once, and none that is larger than ``most`` bytes."""

    def __init__(self, project: Project, most: int = SMALL) -> None:
        self.project = project
        self.most = most
        self._faults: dict[tuple[str, str, int | None], str | None] = {}
        self._sums: dict[Path, str] = {}
        self._contents: dict[Path, Any] = {}
        self._recipes: dict[str, dict[str, Any]] = {}

    def fault(self, stage: str, name: str = "", seed: int | str | None = None) -> str | None:
        """See :func:`record_fault`; ``name`` is the run, the dataset, or what is fetched."""
        key = (stage, name, None if seed is None else int(seed))
        if key not in self._faults:
            try:
                self._faults[key] = next(self._found(*key), None)
            except PointrendError as wrong_before:  # in what it follows from
                self._faults[key] = wrong_before.what
            except (OSError, ValueError, LookupError, TypeError, AttributeError):
                words = ("a record of", stage, name, "" if seed is None else f"seed {seed}", "cannot be read")
                self._faults[key] = " ".join(filter(None, words))
        return self._faults[key]

    def _found(self, stage: str, name: str, seed: int | None) -> Iterator[str]:
        """Everything that speaks against a result."""
        if stage == "fetch":
            return self._of_fetch(name)
        if stage == "prepare":
            return self._of_prepare(name)
        if stage == "train" and seed is not None:
            return self._of_training(name, seed)
        if stage == "evaluate" and seed is not None:
            return self._of_score(name, seed)
        if stage == "evaluate_released":
            return self._of_released_score(name)
        if stage == "audit":
            return self._of_audit(name)
        return {"compare": self._of_results, "report": self._of_pages}[stage]()

    # -- the stages

    def _of_fetch(self, name: str) -> Iterator[str]:
        path, project = self.project.fetched(name), self.project
        yield from self._missing(path, path.with_suffix(""))
        record = self._json(path)
        if record["set"] != project.archive_set:
            yield f"{self._name(path)} is of the archives {record['set']}, not {project.archive_set}"
        for file, known in record["files"].items():
            yield from self._changed(project.fetched_file(name, file), known["sha256"], path, known["bytes"])

    def _of_prepare(self, dataset: str) -> Iterator[str]:
        path, fetched = self.project.manifest(dataset), self.project.fetched(dataset)
        yield from self._missing(path, fetched)
        record, files = self._json(path), self._json(fetched)["files"]
        if any(files.get(name, {}).get("sha256") != known["sha256"] for name, known in record["archives"].items()):
            yield f"{self._name(path)} is of other archives than {self._name(fetched)}"
        if fault := prepared_fault(self.project, dataset, record):
            yield f"{self._name(path)}: {fault}"
        if record["code_sha256"] != code_digest("prepare", dataset):
            yield f"{self._name(path)} is of other code"
        for file, known in record["files"].items():
            yield from self._changed(path.with_name(file), known["sha256"], path, known["bytes"])

    def _of_training(self, run: str, seed: int) -> Iterator[str]:
        setting, folder = self.project.setting(run), self.project.run_folder(run, seed)
        path, data = folder / "train.json", self.project.manifest(setting.dataset)
        yield from self._missing(path, data, self.project.fetched(f"backbone_{setting.backbone}"))
        record = self._json(path)
        if not is_sealed(record):
            yield f"{self._name(path)} is not as it was written"
        for name, known in record["curves"].items():
            yield from self._changed(folder / name, known, path)
        if record["fingerprint"] != training_fingerprint(self.project, setting, seed):
            yield f"{self._name(path)} is of {self._difference(record, setting, 'train')}"
        if record["data_manifest_sha256"] != self._sha256(data):
            yield f"{self._name(path)} names another {self._name(data)}"
        yield from self._changed(folder / "model.safetensors", record["model_sha256"], path)

    def _of_score(self, run: str, seed: int) -> Iterator[str]:
        setting, folder = self.project.setting(run), self.project.run_folder(run, seed)
        path, trained = folder / "evaluate.json", folder / "train.json"
        yield from self._missing(path, trained, folder / "metrics.json")
        record, train, metrics = self._json(path), self._json(trained), self._json(folder / "metrics.json")
        same = {key: train[key] for key in ("model_sha256", "data_manifest_sha256")}
        if any(record[key] != value for key, value in {"train_sha256": self._sha256(trained), **same}.items()):
            yield f"{self._name(path)} is of another training than {trained.name}"
        if any(metrics[key] != train[key] for key in ("fingerprint", "model_sha256")):
            yield f"{self._name(folder / 'metrics.json')} is of another training than {trained.name}"
        yield from self._scored(folder, setting, train["model_sha256"])

    def _of_released_score(self, run: str) -> Iterator[str]:
        setting, folder = self.project.setting(run), self.project.released_folder(run)
        path, weights = folder / "evaluate.json", self.project.fetched(f"released_{run}")
        data = self.project.manifest(setting.dataset)
        yield from self._missing(path, folder / "metrics.json", weights, data)
        if self._json(path)["data_manifest_sha256"] != self._sha256(data):
            yield f"{self._name(path)} names another {self._name(data)}"
        yield from self._scored(folder, setting, released_sha256(self.project, setting))

    def _scored(self, folder: Path, setting: RunSetting, weights: str) -> Iterator[str]:
        """What any evaluation leaves behind belongs together, and is of the scoring that is wanted now."""
        path, metrics_file = folder / "evaluate.json", folder / "metrics.json"
        record, metrics = self._json(path), self._json(metrics_file)
        if not is_sealed(record):
            yield f"{self._name(path)} is not as it was written"
        if record["fingerprint"] != scoring_fingerprint(self.project, setting, weights):
            yield f"{self._name(path)} is of {self._difference(record, setting, 'evaluate')}"
        yield from self._changed(metrics_file, record["metrics_sha256"], path)
        yield from self._changed(folder / "confusion.parquet", metrics["sha256"], metrics_file)
        scores = folder / "scores.json"
        yield from self._missing(scores)
        if not self._json(scores).items() <= metrics.items():
            yield f"{self._name(scores)} is not of {metrics_file.name}"
        for picture, known in metrics["pictures"].items():
            yield from self._changed(folder / "pictures" / picture, known["sha256"], metrics_file, known["bytes"])
        if other := _others(record["setting"]["recipe"], self._recipe(setting), ("pictures",)):
            yield f"{self._name(path)} is of {other}"

    def _of_audit(self, run: str) -> Iterator[str]:
        path = self.project.audited_folder(run) / "audit.json"
        yield from self._missing(path)
        yield from self._changed(path.with_name("curve.json"), self._json(path)["curve_sha256"], path)

    def _of_results(self) -> Iterator[str]:
        path, published = self.project.results_folder / "results.json", self.project.published_folder
        yield from self._missing(path)
        results = self._json(path)
        for name, known in results["published"]["data"].items():
            yield from self._changed(published / name, known, path)
        for row in results["runs"]:
            if row["kind"] != "seeds" and row["run"] in self.project.params.runs:
                yield from self._row(row, path)

    def _row(self, row: Record, path: Path) -> Iterator[str]:
        """A row of results.json is of the files that are there."""
        released = row["kind"] == "released"
        run, seed = row["run"], row["seed"]
        folder = self.project.released_folder(run) if released else self.project.run_folder(run, seed)
        stages = ("evaluate_released",) if released else ("train", "evaluate")
        if row["verdict"] == NOT_RUN:
            if not any(self.fault(stage, run, seed) for stage in stages):
                yield f"{self._name(path)} does not tell of {self._name(folder)}"
            return
        for name, known in row["hashes"].items():
            if "." in name:
                yield from self._changed(folder / name, known, path, absent=True)

    def _of_pages(self) -> Iterator[str]:
        results = self.project.results_folder / "results.json"
        pages = [results.with_name(name) for name in PAGES]
        yield from self._missing(results, *pages)
        made_of = self._json(results)["sha256"]
        for path in pages:
            if path.stat().st_size <= self.most and made_of not in path.read_text(encoding="utf-8"):
                yield f"{self._name(path)} is of another {results.name}"

    # -- what they share

    def _recipe(self, setting: RunSetting) -> dict[str, Any]:
        """As it is written down; the seeds of a run share theirs."""
        if setting.run not in self._recipes:
            self._recipes[setting.run] = setting.recipe.model_dump(mode="json")
        return self._recipes[setting.run]

    def _difference(self, record: Record, setting: RunSetting, stage: str) -> str:
        """What a record's fingerprint differs in, as far as the record says it."""
        recorded, wanted = record["setting"]["recipe"], self._recipe(setting)
        keys = (*SCORING_KEYS, "inference") if stage == "evaluate" else tuple(setting.deterministic()["recipe"])
        if other := _others(recorded, wanted, keys):
            return other
        code = code_digest(stage, setting.dataset)
        return "other code" if record["code_sha256"] != code else "other data or weights"

    def _missing(self, *paths: Path) -> Iterator[str]:
        return (f"{self._name(path)} is not there" for path in paths if not path.exists())

    def _changed(
        self, path: Path, known: str, record: Path, size: int | None = None, absent: bool = False
    ) -> Iterator[str]:
        """A file has the sha256, or at least the size, that is ``known`` of it; ``absent``: it may be elsewhere."""
        found = _size(path)
        if found is None:
            if not absent:
                yield f"{self._name(path)} is not there"
        elif size not in (None, found) or (found <= self.most and self._sha256(path) != known):
            yield f"{self._name(path)} is not the one that {self._name(record)} describes"

    def _sha256(self, path: Path) -> str:
        if path not in self._sums:
            self._sums[path] = sha256_file(path)
        return self._sums[path]

    def _json(self, path: Path) -> Any:
        if path not in self._contents:
            self._contents[path] = json.loads(path.read_bytes())
        return self._contents[path]

    def _name(self, path: Path) -> str:
        return self.project.relative(path)


def _size(path: Path) -> int | None:
    """None where there is no file."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def _others(recorded: Record, wanted: Record, keys: Iterable[str]) -> str:
    """The first of ``keys`` that were otherwise, with then and now; empty where none was."""
    found = [f"{key} {recorded.get(key)}, now {wanted[key]}" for key in keys if recorded.get(key) != wanted[key]]
    return f"another setting: {'; '.join(found[:3])}" if found else ""
