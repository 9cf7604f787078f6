"""Trainings, scores and audits: the middle of the chain."""

from __future__ import annotations

from collections.abc import Container, Sequence
from functools import cached_property
from pathlib import Path

from pointrend.checkout.code_digest import code_digest
from pointrend.checkout.source_version import source_version
from pointrend.errors import CheckFailed, ParamsError
from pointrend.files import read_json
from pointrend.results.audit.audits import LEAST_EVIDENCE, with_audit
from pointrend.results.chain_data import RESULTS, DataLinks, Row
from pointrend.results.compare import scored
from pointrend.results.links import alike
from pointrend.results.published import Published, load_published
from pointrend.results.run_files import LOGGED_FILES, SCORING, SHOWN_SCORES, SelectedRun, find_score
from pointrend.results.tables import row_name
from pointrend.settings.fingerprints import backbone_sha256, described, prepared_fault
from pointrend.settings.params import RunSetting
from pointrend.settings.project import Project
from pointrend.settings.validation import validated

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
        self.copies: Container[tuple[str, int]] = ()

    @cached_property
    def published(self) -> Published:
        """What was published."""
        return load_published(self.project.published_folder)

    def _run(self, row: Row) -> None:
        run, seed = row["run"], row["seed"]
        folder = self.project.run_folder(run, seed)
        do = f"restore it, or run `pointrend train {run} --seed {seed}` and `evaluate` again"
        if self._is_here(folder, row):
            self._left(folder, row, RUN_FILES, do)
            self._scored(folder, row, self._trained(folder / "train.json", row, do), do)

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
        self._scored(folder, row, None, do)

    def _is_here(self, folder: Path, row: Row) -> bool:
        """Whether a row has a figure, and the folder that it comes from is on this machine."""
        if row["verdict"] == "unverified":
            raise CheckFailed(f"{row_name(row)} is unverified: {row['reasons'][0]}", COMPARE_AGAIN)
        if row["miou"] is not None and not folder.is_dir():
            self._note(folder)
        if row["miou"] is None and row["reasons"] and row["reasons"][0].startswith("stale: ") and folder.is_dir():
            do = "run it again, or restore what it was made with"
            raise CheckFailed(f"{self._name(folder)} gives no figure, {row['reasons'][0]}", do)
        return row["miou"] is not None and folder.is_dir()

    def _left(self, folder: Path, row: Row, names: Sequence[str], do: str) -> None:
        """What lies in the folder of a score is what the results say."""
        for name in (*names, *(f"pictures/{picture}" for picture in row["pictures"])):
            self._file(folder / name, row["hashes"].get(name), RESULTS, do, optional=name == MODEL)

    def _scored(self, folder: Path, row: Row, fingerprint: str | None, do: str) -> None:
        """What the results say of a score follows from what is in its folder, and is what params.yaml wants now.

        ``fingerprint`` is that of the training; None for released weights.
        """
        whose, evaluation = self._name(folder), read_json(folder / SCORING, do=do)
        setting, weights, code = self.project.setting(row["run"]), evaluation["model_sha256"], evaluation["code_sha256"]
        wanted = setting.scoring_fingerprint(weights, self._data_now(setting, evaluation), code)
        which = (row["run"], row["seed"], setting.dataset, setting.backbone, (), row["setting"], folder)
        score, reason = find_score(SelectedRun(*which, fingerprint or wanted, wanted))
        if score is None:
            raise CheckFailed(f"{whose}: {reason}", COMPARE_AGAIN)
        if code != code_digest("evaluate", setting.dataset):
            self.notes.append(f"{self._name(folder / SCORING)}: scored by other code than is here")
        expected = scored(score, self.published)
        if (row["run"], row["seed"]) in self.copies:
            expected |= {"comparable": False, "difference": None}
        for key, value in expected.items():
            follows = set(value) <= set(row[key]) if key == "reasons" else alike(row[key], value)
            if not follows:
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

    def _trained(self, path: Path, row: Row, do: str) -> str:
        """The fingerprint of a training of now with the code of then; its record follows from what it names.

        Raises:
            CheckFailed: the record contradicts itself or results.json.
        """
        train, name, hashes = read_json(path, do=do), self._name(path), row["hashes"]
        keys = {"backbone": "backbone_sha256", "code": "code_sha256", MODEL: "model_sha256"}
        if any(hashes.get(key) != train[named] for key, named in keys.items()):
            raise CheckFailed(f"{name} names other files than {RESULTS}", do)
        setting, seed, code = self.project.setting(row["run"]), train["seed"], train["code_sha256"]
        if code != code_digest("train", setting.dataset):
            self.notes.append(f"{name}: trained by other code than is here")
        backbone, here = train["backbone_sha256"], self.project.fetched(f"backbone_{setting.backbone}").is_file()
        try:
            then = validated(RunSetting, train["setting"], name)
        except ParamsError:
            self.notes.append(f"{name}: its setting has other keys than today's; its fingerprint was not recomputed")
        else:
            if then.fingerprint(seed, train["data"]["content"], backbone, code) != train["fingerprint"]:
                raise CheckFailed(f"{name}: its fingerprint does not follow from what it names", do)
        backbone = backbone_sha256(self.project, setting) if here else backbone
        return setting.fingerprint(seed, self._data_now(setting, train), backbone, code)

    def _data_now(self, setting: RunSetting, record: Row) -> str:
        """Hash of the content of the prepared data: of those that are here, or of those that a record names.

        Raises:
            CheckFailed: those that are here were not prepared from what params.yaml names now.
        """
        path = self.project.manifest(setting.dataset)
        if not path.is_file():
            return str(record["data"]["content"])
        manifest = read_json(path, CheckFailed)
        if manifest["code_sha256"] != code_digest("prepare", setting.dataset):
            self.notes.append(f"{self._name(path)}: prepared by other code than is here")
        if fault := prepared_fault(self.project, setting.dataset, manifest):
            raise CheckFailed(f"{self._name(path)}: {fault}", "correct params.yaml or POINTREND_PINS, or prepare again")
        if described(manifest) != record["data"]:
            raise CheckFailed(f"{RESULTS} names other data than {self._name(path)}", COMPARE_AGAIN)
        return str(manifest["content"])

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
