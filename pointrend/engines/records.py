"""Whether the results on the disk are the wanted ones, by the small records beside them.

Snakemake compares the times of files, and what it recorded about its own jobs. So it does not notice what a command
typed by hand has overwritten with another setting, nor files replaced by older ones (`rsync -a`, a backup). Here the
records themselves are compared: with params.yaml and the code, and with the files that they name. Of files with more
than `SMALL` bytes only the size is compared; `pointrend verify` reads them whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from pointrend.checkout.code_digest import code_digest
from pointrend.errors import PointrendError
from pointrend.files import is_sealed, sha256_file
from pointrend.results.chain import AUDIT, METRICS, RESULTS, SCORING, TRAIN, Record, folder_name, stated
from pointrend.settings.fingerprints import prepared_fault, released_sha256, scoring_fingerprint, training_fingerprint
from pointrend.settings.params import SCORING_KEYS, RunSetting
from pointrend.settings.project import Project

SMALL = 1_000_000  # bytes; Snakemake itself compares the content of files up to this size
PAGES = ("README.md", "index.html")
NOT_RUN = "not run"  # as results.verdict has it, which takes half a second to import

Which = tuple[str, str, int | None]  # stage, name and seed; the name is a run, a dataset, or what is fetched


def wanted_results(project: Project) -> Iterator[Which]:
    """All results of this scale, in the order of the DAG."""
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
    """The records of one project; every file is read once, and none with more than ``most`` bytes."""

    def __init__(self, project: Project, most: int = SMALL) -> None:
        self.project, self.most = project, most
        self._faults: dict[Which, str | None] = {}
        self._sha256 = cache(sha256_file)
        self._json = cache(lambda path: json.loads(path.read_bytes()))
        self._recipe = cache(lambda run: project.setting(run).recipe.model_dump(mode="json"))

    def fault(self, stage: str, name: str = "", seed: int | str | None = None) -> str | None:
        """Why the result of ``stage`` on the disk is not the wanted one, in words; None where no record contradicts."""
        key = (stage, name, None if seed is None else int(seed))
        if key not in self._faults:
            try:
                about = [part for part in key[1:] if part not in ("", None)]
                self._faults[key] = next(getattr(self, f"_{stage}")(*about), None)
            except PointrendError as wrong_before:  # in what it follows from
                self._faults[key] = wrong_before.what
            except (OSError, ValueError, LookupError, TypeError, AttributeError):
                words = ("a record of", stage, name, "" if seed is None else f"seed {seed}", "cannot be read")
                self._faults[key] = " ".join(filter(None, words))
        return self._faults[key]

    # -- the stages: everything that contradicts a result

    def _fetch(self, name: str) -> Iterator[str]:
        path, wanted = self.project.fetched(name), self.project.archive_set
        yield from self._missing(path, path.with_suffix(""))
        if (found := self._json(path)["set"]) != wanted:
            yield f"{self._name(path)} is of the archives {found}, not {wanted}"
        yield from self._false(path)

    def _prepare(self, dataset: str) -> Iterator[str]:
        path, fetched = self.project.manifest(dataset), self.project.fetched(dataset)
        yield from self._missing(path, fetched)
        record, files = self._json(path), self._json(fetched)["files"]
        if any(files.get(name, {}).get("sha256") != known["sha256"] for name, known in record["archives"].items()):
            yield f"{self._name(path)} is of other archives than {self._name(fetched)}"
        if fault := prepared_fault(self.project, dataset, record):
            yield f"{self._name(path)}: {fault}"
        if record["code_sha256"] != code_digest("prepare", dataset):
            yield f"{self._name(path)} is of other code"
        yield from self._false(path)

    def _train(self, run: str, seed: int) -> Iterator[str]:
        path, setting = self.project.run_folder(run, seed) / TRAIN, self.project.setting(run)
        inputs = self.project.manifest(setting.dataset), self.project.fetched(f"backbone_{setting.backbone}")
        yield from self._missing(path, *inputs)
        yield from self._made_now(path, setting, "train", training_fingerprint(self.project, setting, seed))
        yield from self._false(path)

    def _evaluate(self, run: str, seed: int) -> Iterator[str]:
        folder = self.project.run_folder(run, seed)
        yield from self._missing(folder / TRAIN)
        yield from self._scored(folder, run, self._json(folder / TRAIN)["model_sha256"])

    def _evaluate_released(self, run: str) -> Iterator[str]:
        weights = released_sha256(self.project, self.project.setting(run))
        return self._scored(self.project.released_folder(run), run, weights)

    def _scored(self, folder: Path, run: str, weights: str) -> Iterator[str]:
        path, metrics, setting = folder / SCORING, folder / METRICS, self.project.setting(run)
        yield from self._missing(path, metrics)
        yield from self._made_now(path, setting, "evaluate", scoring_fingerprint(self.project, setting, weights))
        yield from self._false(path)
        yield from self._false(metrics)
        if other := self._others(self._json(path), setting, ("pictures",)):
            yield f"{self._name(path)} is of {other}"

    def _audit(self, run: str) -> Iterator[str]:
        return self._false(self.project.audited_folder(run) / AUDIT)

    def _compare(self) -> Iterator[str]:
        path = self.project.results_folder / RESULTS
        yield from self._missing(path)
        for row in self._json(path)["runs"]:
            stages = {"trained": ("train", "evaluate"), "released": ("evaluate_released",)}.get(row["kind"], ())
            not_run = stages and row["verdict"] == NOT_RUN and row["run"] in self.project.params.runs
            if not_run and not any(self.fault(stage, row["run"], row["seed"]) for stage in stages):
                yield f"{self._name(path)} lacks the score in {self._name(self.project.runs_folder / folder_name(row))}"
        yield from self._false(path, elsewhere=self.project.runs_folder)

    def _report(self) -> Iterator[str]:
        results = self.project.results_folder / RESULTS
        pages = [results.with_name(name) for name in PAGES]
        yield from self._missing(results, *pages)
        for path in pages:
            if path.stat().st_size <= self.most and self._json(results)["sha256"] not in path.read_text("utf-8"):
                yield f"{self._name(path)} is of another {RESULTS}"

    # -- what they share

    def _missing(self, *paths: Path) -> Iterator[str]:
        return (f"{self._name(path)} does not exist" for path in paths if not path.exists())

    def _false(self, path: Path, elsewhere: Path | None = None) -> Iterator[str]:
        """What a record states that does not hold; files below ``elsewhere`` may be absent."""
        yield from self._missing(path)
        for one in stated(path, self._json(path)):
            absent = elsewhere and one.file.is_relative_to(elsewhere) and not one.file.exists()
            if not absent and (fault := one.fault(self._name, self._sha256, self.most)):
                yield fault

    def _made_now(self, path: Path, setting: RunSetting, stage: str, fingerprint: str) -> Iterator[str]:
        """A sealed record is as it was written, of this fingerprint, and of the prepared data that exist."""
        record, data = self._json(path), self.project.manifest(setting.dataset)
        if not is_sealed(record):
            yield f"{self._name(path)} is not as it was written"
        if record["fingerprint"] != fingerprint:
            keys = (*SCORING_KEYS, "inference") if stage == "evaluate" else tuple(setting.deterministic()["recipe"])
            same_code = record["code_sha256"] == code_digest(stage, setting.dataset)
            other = self._others(record, setting, keys) or ("other data or weights" if same_code else "other code")
            yield f"{self._name(path)} is of {other}"
        if record["data_manifest_sha256"] != self._sha256(data):
            yield f"{self._name(path)} names another {self._name(data)}"

    def _others(self, record: Record, setting: RunSetting, keys: Iterable[str]) -> str:
        """The first of ``keys`` of the recipe with other values than now; empty where all are the same."""
        recorded, wanted = record["setting"]["recipe"], self._recipe(setting.run)
        found = [f"{key} {recorded.get(key)}, now {wanted[key]}" for key in keys if recorded.get(key) != wanted[key]]
        return f"another setting: {'; '.join(found[:3])}" if found else ""

    def _name(self, path: Path) -> str:
        return self.project.relative(path)
