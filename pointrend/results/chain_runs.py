"""Trainings, scores and audits: the middle of the chain."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from pointrend.code_digest import code_digest
from pointrend.errors import CheckFailed, ParamsError
from pointrend.evaluation.counts_file import read_counts
from pointrend.files import read_json
from pointrend.params import RunSetting
from pointrend.project import Project
from pointrend.results.audits import LEAST_EVIDENCE, with_audit
from pointrend.results.chain_data import RESULTS, DataLinks, Row
from pointrend.results.compare import scored
from pointrend.results.links import alike
from pointrend.results.provenance import provenance
from pointrend.results.run_files import LOGGED_FILES, SCORING, SHOWN_SCORES, Score, checked_scoring, recounted_miou
from pointrend.results.tables import row_name
from pointrend.source_version import source_version
from pointrend.validation import validated

COMPARE_AGAIN = "run `pointrend compare`, or restore what it was made from"
MODEL = "model.safetensors"
"""May be absent, being too large to be kept everywhere."""
SCORED_FILES = ("metrics.json", SHOWN_SCORES, SCORING, "confusion.parquet")
RUN_FILES = ("train.json", MODEL, *LOGGED_FILES, *SCORED_FILES)
"""In the order in which they follow from one another."""


class RunLinks(DataLinks):
    """What the rows of results.json follow from; ``mious`` is the number of those that held."""

    def __init__(self, project: Project) -> None:
        super().__init__(project)
        self.mious = 0

    def _run(self, row: Row) -> None:
        run, seed = row["run"], row["seed"]
        folder = self.project.run_folder(run, seed)
        do = f"restore it, or run `pointrend train {run} --seed {seed}` and `evaluate` again"
        if self._is_here(folder, row):
            self._left(folder, row, RUN_FILES, do)
            self._training(folder / "train.json", row, do)
            self._scored(folder, row, do)

    def _release(self, row: Row) -> None:
        """The released weights: as the first download noted them, as they were fetched, and their score."""
        run = row["run"]
        name, folder = f"released_{run}", self.project.released_folder(run)
        do = f"restore it, or run `pointrend fetch {name}` and `pointrend evaluate {run} --released` again"
        if not self._is_here(folder, row):
            return
        file, sha256 = self.project.released_weights(run).name, row["hashes"]["weights"]
        self._first_seen(file, sha256)
        self._fetched(name, {file: {"sha256": sha256}}, self.project.archive_set)
        self._left(folder, row, SCORED_FILES, do)
        self._scoring(folder / "metrics.json", row, do)
        self._scored(folder, row, do)

    def _scoring(self, path: Path, row: Row, do: str) -> None:
        """The score of released weights names what results.json names, and its fingerprint follows from that."""
        metrics, name, hashes = read_json(path, do=do), self._name(path), row["hashes"]
        keys = {"weights": "model_sha256", "code": "code_sha256", "data_manifest": "data_manifest_sha256"}
        if any(hashes[key] != metrics[named] for key, named in {**keys, "fingerprint": "fingerprint"}.items()):
            raise CheckFailed(f"{name} names other files than {RESULTS}", do)
        setting = self.project.setting(row["run"])
        manifest = self.project.manifest(setting.dataset)
        if manifest.is_file():
            data = read_json(manifest, do=do)["content"]
            if setting.scoring_fingerprint(hashes["weights"], data, hashes["code"]) != hashes["fingerprint"]:
                self.notes.append(f"{name}: scored with other settings than params.yaml has now")

    def _is_here(self, folder: Path, row: Row) -> bool:
        """Whether a row has a figure, and the folder that it comes from is on this machine."""
        if row["verdict"] == "unverified":
            raise CheckFailed(f"{row_name(row)} is unverified: {row['reasons'][0]}", COMPARE_AGAIN)
        if row["miou"] is not None and not folder.is_dir():
            self._note(folder)
        return row["miou"] is not None and folder.is_dir()

    def _left(self, folder: Path, row: Row, names: Sequence[str], do: str) -> None:
        """What lies in the folder of a score is what the results say."""
        for name in (*names, *(f"pictures/{picture}" for picture in row["pictures"])):
            self._file(folder / name, row["hashes"].get(name), RESULTS, do, optional=name == MODEL)

    def _scored(self, folder: Path, row: Row, do: str) -> None:
        """What the results say of a score follows from what lies in its folder."""
        counts_file, whose = folder / "confusion.parquet", self._name(folder)
        metrics = read_json(folder / "metrics.json", do=do)
        train = read_json(folder / "train.json", do=do) if row["kind"] == "trained" else None
        counts = read_counts(counts_file)
        recounted_miou(counts, metrics, self._name(counts_file), do)
        evaluation = checked_scoring(folder, metrics if train is None else train, metrics, whose, do)
        if evaluation["code_sha256"] != code_digest("evaluate"):
            self.notes.append(f"{self._name(folder / SCORING)}: scored by other code than is here")
        score = Score(metrics, counts, row["hashes"], provenance(train, evaluation, metrics))
        for key, value in scored(score, row["published_miou"], row["comparable"], row["kind"]).items():
            if not alike(row[key], value):
                raise CheckFailed(f"{RESULTS}: {key} of {row_name(row)} does not follow from {whose}", COMPARE_AGAIN)
        self._source(whose, row["provenance"])
        self.mious += 1

    def _source(self, name: str, chain: Row) -> None:
        """Notes on the commits: the code itself is known by its hash, whatever commit it was of."""
        here = self._commit
        for what, source in (("trained", chain["code"]), ("scored", chain["scoring"]))[0 if "gpus" in chain else 1 :]:
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
        self._noted(row["audit"]["files"])
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

    @cached_property
    def _commit(self) -> str | None:
        return source_version().commit
