"""The chain from the published document and the archives to the results page, walked link by link.

results.json is believed first, on its own hash, because the hashes of the run files stand in it. Then the links are
walked in the order in which the files follow from one another, and the first one that does not hold is raised. What is
not here (archives that were removed, data or runs on another machine) and what cannot break a hash (other code, other
settings) becomes a note.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from pointrend.code_digest import code_digest
from pointrend.errors import CheckFailed, ParamsError, ResultsError
from pointrend.evaluation.counts_file import read_counts
from pointrend.files import read_json, sha256_json
from pointrend.params import RunSetting, validated
from pointrend.project import Project
from pointrend.results.audits import LEAST_EVIDENCE, with_audit
from pointrend.results.compare import assumed_spreads, judge, read_results, scored
from pointrend.results.links import Links, alike
from pointrend.results.provenance import provenance
from pointrend.results.published import load_published, published_miou
from pointrend.results.report import check, check_readme
from pointrend.results.run_files import (
    LOGGED_FILES,
    SCORING,
    SHOWN_SCORES,
    Score,
    checked_scoring,
    recounted_miou,
)
from pointrend.source_version import source_version

RESULTS = "results.json"
COMPARE_AGAIN = "run `pointrend compare`, or restore what it was made from"
MODEL = "model.safetensors"
"""May be absent, being too large to be kept everywhere."""
RUN_FILES = ("train.json", MODEL, *LOGGED_FILES, "metrics.json", SHOWN_SCORES, SCORING, "confusion.parquet")
"""In the order in which they follow from one another."""

Row = Mapping[str, Any]


class Chain(Links):
    """A walk along the chain of one scale; ``mious`` is the number of those that held."""

    def __init__(self, project: Project) -> None:
        super().__init__(project)
        self.mious = 0

    def walk(self) -> None:
        """Walk it all.

        Raises:
            CheckFailed: a link does not hold; the message names the file.
            ResultsError: nothing has been compared yet.
        """
        path = self.project.results_folder / RESULTS
        if not path.is_file():
            raise ResultsError(f"{self._name(path)} is not there", "run `pointrend compare`")
        try:
            self._walk(path)
        except ResultsError as unreadable:
            raise CheckFailed(unreadable.what, unreadable.do) from unreadable

    def _walk(self, path: Path) -> None:
        results = read_results(path)
        self._canonical(path, results, COMPARE_AGAIN)
        if "data" not in results["published"] or not all(
            {"provenance", "audit"} <= row.keys() for row in results["runs"]
        ):
            raise CheckFailed(f"{self._name(path)} was written by an earlier version of this project", COMPARE_AGAIN)
        self._published(results["published"])
        trained = [row for row in results["runs"] if row["kind"] == "trained"]
        for dataset in self.project.params.datasets:
            self._dataset(dataset, [row for row in trained if row["setting"]["dataset"] == dataset])
        for backbone in self.project.params.backbones:
            self._backbone(backbone, [row for row in trained if row["setting"]["backbone"] == backbone])
        for row in trained:
            self._run(row)
            self._audit(row)
        self._verdicts(results, trained)
        self._pages(results)

    # -- the published side

    def _published(self, recorded: Mapping[str, Any]) -> None:
        folder = self.project.published_folder
        do = "take the folder published/ from the repository again"
        for name, expected in ((recorded["file"], recorded["sha256"]), *recorded["data"].items()):
            self._file(folder / name, expected, RESULTS, do)
        load_published(folder)

    # -- data

    def _dataset(self, dataset: str, rows: Sequence[Row]) -> None:
        """The manifest of the prepared form, the archives that it was made from, and its files."""
        do = f"run: pointrend --scale {self.project.params.scale} prepare {dataset}"
        path = self.project.manifest(dataset)
        if not path.is_file():
            return self._note(path)
        for expected in _recorded(rows, "data_manifest"):
            self._file(path, expected, RESULTS, do)
        manifest = self._json(path, ("archives", "content", "files", "pins"), do)
        if manifest["content"] != sha256_json({name: file["sha256"] for name, file in manifest["files"].items()}):
            raise CheckFailed(f"{self._name(path)}: its content is not the hash of its files", do)
        self._fetched(dataset, manifest["archives"], manifest["pins"])
        for name, record in manifest["files"].items():
            self._file(path.with_name(name), record["sha256"], path.name, do, optional=True)

    def _backbone(self, backbone: str, rows: Sequence[Row]) -> None:
        """The pretrained weights that runs started from."""
        name, pin = f"backbone_{backbone}", self.project.params.backbones[backbone].pretrained.name
        recorded = sorted(_recorded(rows, "backbone"))
        self._fetched(name, {pin: {"sha256": recorded[0]}} if recorded else {}, self.project.archive_set)

    def _fetched(self, name: str, expected: Mapping[str, Any], archive_set: str) -> None:
        """What was downloaded: its manifest lists the ``expected`` files, and they are what it says."""
        do = f"run: pointrend --scale {self.project.params.scale} fetch {name}"
        path = self.project.fetched(name)
        if not path.is_file():
            return self._note(path)
        found = self._json(path, ("name", "set", "files"), do)
        hashes = {file: record.get("sha256") for file, record in found["files"].items()}
        wanted = {file: record["sha256"] for file, record in expected.items()} or hashes
        if (found["name"], found["set"], hashes) != (name, archive_set, wanted):
            raise CheckFailed(f"{self._name(path)} does not list the archives that the data were made from", do)
        for file, record in found["files"].items():
            archive, kept = self.project.fetched_file(name, file), self.project.archives_folder / file
            self._file(archive, record["sha256"], path.name, do, optional=True)
            if kept.is_file() and not (archive.is_file() and kept.samefile(archive)):
                self._file(kept, record["sha256"], path.name, do)
            size = archive.stat().st_size if archive.is_file() else expected.get(file, record).get("bytes")
            if size is not None and record.get("bytes") != size:
                raise CheckFailed(f"{self._name(path)} gives another size of {file}", do)

    # -- runs

    def _run(self, row: Row) -> None:
        run, seed = row["run"], row["seed"]
        if row["verdict"] == "unverified":
            raise CheckFailed(f"{run} seed {seed} is unverified: {row['reasons'][0]}", COMPARE_AGAIN)
        if row["miou"] is None:
            return
        folder = self.project.run_folder(run, seed)
        if not folder.is_dir():
            return self._note(folder)
        do = f"restore it, or run `pointrend train {run} --seed {seed}` and `evaluate` again"
        for name in (*RUN_FILES, *(f"pictures/{picture}" for picture in row["pictures"])):
            self._file(folder / name, row["hashes"][name], RESULTS, do, optional=name == MODEL)
        self._training(folder / "train.json", row, do)
        self._score(folder, row, do)
        self._source(self._name(folder), row["provenance"])
        self.mious += 1

    def _score(self, folder: Path, row: Row, do: str) -> None:
        """What results.json says of a run follows from what the run left behind."""
        counts_file = folder / "confusion.parquet"
        train, metrics = (read_json(folder / name, do=do) for name in ("train.json", "metrics.json"))
        counts = read_counts(counts_file)
        recounted_miou(counts, metrics, self._name(counts_file), do)
        evaluation = checked_scoring(folder, train, metrics, self._name(folder), do)
        if evaluation["code_sha256"] != code_digest("evaluate"):
            self.notes.append(f"{self._name(folder / SCORING)}: scored by other code than is here")
        score = Score(metrics, counts, row["hashes"], provenance(train, evaluation, metrics))
        for key, value in scored(score, row["published_miou"], row["comparable"]).items():
            if not alike(row[key], value):
                what = f"{RESULTS}: {key} of {row['run']} seed {row['seed']} does not follow from {self._name(folder)}"
                raise CheckFailed(what, COMPARE_AGAIN)

    def _source(self, name: str, chain: Row) -> None:
        """Notes on the commits: the code itself is known by its hash, whatever commit it was of."""
        here = self._commit
        for what, source in (("trained", chain["code"]), ("scored", chain["scoring"])):
            if source["dirty"]:
                self.notes.append(f"{name}: {what} with changes that were not committed")
            if here and source["commit"] not in (None, here):
                self.notes.append(f"{name}: {what} at commit {source['commit'][:12]}, this is {here[:12]}")

    def _training(self, path: Path, row: Row, do: str) -> None:
        """The record of a training names what results.json names, and its fingerprint follows from that."""
        train, name, hashes = read_json(path, do=do), self._name(path), row["hashes"]
        keys = {"backbone": "backbone_sha256", "code": "code_sha256", "data_manifest": "data_manifest_sha256"}
        if any(hashes.get(key) != train[named] for key, named in {**keys, MODEL: "model_sha256"}.items()):
            raise CheckFailed(f"{name} names other files than {RESULTS}", do)
        if train["code_sha256"] != code_digest("train"):
            self.notes.append(f"{name}: trained by other code than is here")
        try:
            setting = validated(RunSetting, train["setting"], name)
        except ParamsError:
            self.notes.append(f"{name}: its setting has other keys than today's; its fingerprint was not recomputed")
            return
        if setting.deterministic() != self.project.setting(row["run"]).deterministic():
            self.notes.append(f"{name}: trained with other settings than params.yaml has now")
        if self.project.manifest(setting.dataset).is_file():
            data, backbone = self.project.data_manifest(setting.dataset)["content"], train["backbone_sha256"]
            if setting.fingerprint(train["seed"], data, backbone, train["code_sha256"]) != train["fingerprint"]:
                raise CheckFailed(f"{name}: its fingerprint does not follow from what it names", do)
            if train["archives"] != self.project.data_record(setting.dataset)["archives"]:
                raise CheckFailed(f"{name} names other archives than the manifest of the prepared data", do)

    def _audit(self, row: Row) -> None:
        """What results.json says of a published log follows from what was fetched and found."""
        if row["audit"] is None:
            return
        run, folder = row["run"], self.project.audited_folder(row["run"])
        do = f"fetch log_{run} and cfg_{run} again, then run `pointrend audit {run} --record`"
        for kind in ("log", "cfg"):
            names = self.project.published_files()[f"{kind}_{run}"]
            expected = {name: row["audit"]["files"][name] for name in names}
            self._fetched(f"{kind}_{run}", expected, self.project.archive_set)
        self._first_seen(row["audit"]["files"])
        if not folder.is_dir():
            return self._note(folder)
        for name, sha256 in row["audit"]["hashes"].items():
            self._file(folder / name, sha256, RESULTS, do)
        before: Row = {"evidence": LEAST_EVIDENCE if row["miou"] is None else row["evidence"], "reasons": []}
        expected = with_audit({**row, **before}, self.project.run_folder(run, row["seed"]))
        same = all(row[key] == expected[key] for key in ("audit", "curve", "evidence"))
        if not same or not set(expected["reasons"]) <= set(row["reasons"]):
            what = f"{RESULTS}: what it says of the published log of {run} does not follow from {self._name(folder)}"
            raise CheckFailed(what, COMPARE_AGAIN)

    def _first_seen(self, files: Mapping[str, Any]) -> None:
        """The notes of the first download say of these files what the audit found."""
        noted = {name: record for name, record in files.items() if "source" in record}
        if not noted:
            return
        do, path = "restore it from version control", self.project.first_seen_file
        notes = self._json(path, (), do)
        if any(notes.get(name) != record for name, record in noted.items()):
            raise CheckFailed(f"{self._name(path)} says something else of a file than when it was audited", do)

    # -- results and pages

    def _verdicts(self, results: Mapping[str, Any], trained: Sequence[Row]) -> None:
        """Differences and verdicts follow from the figures."""
        published = load_published(self.project.published_folder)
        for row in trained:
            expected = published_miou(published, row["run"])
            difference = None if row["difference"] is None else row["miou"] - expected
            if (row["published_miou"], row["difference"]) != (expected, difference):
                raise CheckFailed(
                    f"{RESULTS}: the difference of {row['run']} is not ours minus published", COMPARE_AGAIN
                )
        if judge([dict(row) for row in trained], assumed_spreads(self.project.params.datasets)) != results["runs"]:
            raise CheckFailed(f"{RESULTS}: its verdicts do not follow from its figures and params.yaml", COMPARE_AGAIN)

    def _pages(self, results: Mapping[str, Any]) -> None:
        project = self.project
        check(results, load_published(project.published_folder), project.results_folder)
        self.files |= {project.results_folder / name for name in ("README.md", "index.html")}
        if project.params.scale == "paper":
            check_readme(project.root / "README.md", results)
            self.files.add(project.root / "README.md")

    @cached_property
    def _commit(self) -> str | None:
        return source_version().commit


def _recorded(rows: Sequence[Row], name: str) -> set[str]:
    """The hashes of ``name`` that the results rest on."""
    return {row["hashes"][name] for row in rows if name in row["hashes"]}
