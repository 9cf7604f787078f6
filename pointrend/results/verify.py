"""The chain from the published document and the archives to the pages, checked statement by statement.

results.json is believed first, on its own hash, because it names the files of the runs. Then the records are read in
the order in which they follow from one another, and the first statement that does not hold is raised. What is not on
this machine (archives that were removed, data or runs elsewhere) and what cannot break a hash (other code, another
commit) becomes a note.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from pointrend.archives.verification import digest_file
from pointrend.checkout.code_digest import code_digest
from pointrend.checkout.source_version import source_version
from pointrend.checkout.starts import RESTORE as RESTORE_STARTS
from pointrend.checkout.starts import Starts
from pointrend.errors import CheckFailed, ParamsError, ResultsError
from pointrend.files import canonical_json, read_json, sha256_json
from pointrend.results import chain
from pointrend.results.audit.audits import audit_holds
from pointrend.results.chain import MODEL, RESULTS, SCORING, TRAIN, Record, Stated, folder_name, stated
from pointrend.results.compare import COMPARE_AGAIN, check_verdicts, copies, read_results, references, scored
from pointrend.results.frames import MIOU, miou_json
from pointrend.results.published import load_published
from pointrend.results.report import check_files, report_files, top_readme
from pointrend.results.run_files import SelectedRun, find_score
from pointrend.results.seeds import accounts
from pointrend.results.tables import row_name
from pointrend.settings.definition import RESTORE as RESTORE_PUBLISHED
from pointrend.settings.fingerprints import backbone_sha256, described, prepared_fault
from pointrend.settings.params import RunSetting
from pointrend.settings.project import Project
from pointrend.settings.validation import validated

RESTORE = "restore it from version control"


class Verification:
    """A walk along the chain of one scale: the ``files`` and number of ``mious`` that held, and ``notes``."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.path = project.results_folder / RESULTS
        self.files: set[Path] = set()
        self.notes: list[str] = []
        self.mious = 0
        self.command = f"run: pointrend --scale {project.params.scale}"

    def walk(self) -> None:
        """Check all of it.

        Raises:
            CheckFailed: a statement does not hold; the message names the file.
            ResultsError: nothing has been compared yet.
        """
        if not self.path.is_file():
            raise ResultsError(f"{self._name(self.path)} does not exist", f"{self.command} compare")
        try:
            self._walk(read_results(self.path))
        except ResultsError as unreadable:
            raise CheckFailed(unreadable.what, unreadable.do) from unreadable

    def _walk(self, results: Mapping[str, Any]) -> None:
        project = self.project
        self._canonical(self.path, results, COMPARE_AGAIN)
        if "data" not in results["published"]:
            raise CheckFailed(f"{self._name(self.path)} was written by an earlier version", COMPARE_AGAIN)
        self._hold(chain.stated_of_published(self.path, results), RESTORE_PUBLISHED)
        self.published = load_published(project.published_folder, project.params.scale)
        rows = [row for row in results["runs"] if row["kind"] != "seeds"]
        for dataset in project.params.datasets:
            self._dataset(dataset, [row for row in rows if row["setting"]["dataset"] == dataset])
        for backbone in project.params.backbones:
            self._backbone(backbone, [row for row in rows if row["setting"].get("backbone") == backbone])
        starts = Starts(project.starts_folder)
        entries = starts.entries()
        if not entries and any(row["sealed"] for row in rows):
            raise CheckFailed(f"{self._name(starts.folder)} does not exist", RESTORE_STARTS)
        self.copies, self.accounts = copies(rows), accounts(rows, starts)
        for row in sorted(rows, key=lambda row: row["kind"] == "released"):
            self._run(row)
            self._audit(row)
        self._seeds(rows, [starts.folder / f"{place.number:06d}.json" for place in entries])
        check_verdicts(results, self.published, references(project.params, self.published))
        pages = report_files(results, self.published, project.results_folder, project.runs_folder, top_readme(project))
        if (figures := project.results_folder / MIOU).is_file():  # it is not under version control
            pages[figures] = miou_json(results)
        check_files(pages)
        self.files |= pages.keys()

    # -- the data

    def _dataset(self, dataset: str, rows: Sequence[Record]) -> None:
        """The manifest of the prepared data, the archives that they were made from, and their files."""
        do, path = f"{self.command} prepare {dataset}", self.project.manifest(dataset)
        if not path.is_file():
            return self._note(path)
        self._hold((Stated(path, sha256, self.path) for sha256 in _recorded(rows, "data_manifest")), do)
        manifest = self._json(path, ("archives", "content", "files", "pins"), do)
        raw = {name: file.get("raw_sha256", file["sha256"]) for name, file in manifest["files"].items()}
        if manifest["content"] != sha256_json(raw):
            raise CheckFailed(f"{self._name(path)}: its content is not the hash of its files", do)
        self._fetched(dataset, manifest["archives"], manifest["pins"])
        return self._hold(stated(path, manifest), do, elsewhere=True)

    def _backbone(self, backbone: str, rows: Sequence[Record]) -> None:
        """The pretrained weights that runs started from."""
        file, recorded = self.project.params.backbones[backbone].pretrained.name, sorted(_recorded(rows, "backbone"))
        expected = {file: {"sha256": recorded[0]}} if recorded else {}
        self._fetched(f"backbone_{backbone}", expected, self.project.archive_set)

    def _fetched(self, name: str, expected: Mapping[str, Record], archive_set: str) -> None:
        """What was downloaded: its manifest states of the ``expected`` files what is known of them, and truly."""
        do, path = f"{self.command} fetch {name}", self.project.fetched(name)
        if not path.is_file():
            return self._note(path)
        manifest = self._json(path, ("name", "set", "files"), do)
        listed = manifest["name"], manifest["set"], manifest["files"].keys()
        if listed != (name, archive_set, (expected or manifest["files"]).keys()):
            raise CheckFailed(f"{self._name(path)} does not list the archives that the data were made from", do)
        for one in stated(path, manifest):
            known, facts = expected.get(one.file.name, {}), manifest["files"][one.file.name]
            if any(facts.get(kind) != known.get(kind, facts.get(kind)) for kind in ("sha256", "md5", "bytes")):
                raise CheckFailed(f"{self._name(path)} does not name the {one.file.name} that was used", do)
            self._hold([one], do, elsewhere=True)
            found = digest_file(one.file) if one.file.is_file() else one
            if (found.md5, found.bytes) != (one.md5, one.bytes):
                raise CheckFailed(f"{self._name(path)} gives a different md5 or size for {one.file.name}", do)
            kept = self.project.archives_folder / one.file.name
            if kept.is_file() and not (one.file.is_file() and kept.samefile(one.file)):
                self._hold([Stated(kept, one.sha256, path)], do)
        return None

    def _first_seen(self, files: Mapping[str, Record], what: str) -> None:
        """Files of which no checksum was published are those that the first download noted."""
        path = self.project.first_seen_file
        notes = self._json(path, (), RESTORE) if files else {}
        for name, facts in files.items():
            if any(notes.get(name, {}).get(key) != value for key, value in facts.items()):
                raise CheckFailed(f"{self._name(path)} does not have the {name} that was {what}", RESTORE)

    # -- the runs

    def _seeds(self, rows: Sequence[Record], files: Sequence[Path]) -> None:
        """What results.json states about the seeds of every run follows from these files of the record of starts."""
        self.files.update(files)
        for row in rows:
            account = self.accounts.get(row["run"]) if row["kind"] == "trained" else None
            if account and row["sealed"] != account.sealed:
                what = f"{RESULTS}: sealed of {row_name(row)} does not follow from {self._name(files[-1])}"
                raise CheckFailed(what, COMPARE_AGAIN)
        self.notes += [f"{run}: {fault}" for run, account in self.accounts.items() for fault in account.faults]

    def _run(self, row: Record) -> None:
        """The files of a training or of released weights, and what results.json states about them."""
        run, released = row["run"], row["kind"] == "released"
        folder = self.project.runs_folder / folder_name(row)
        if row["verdict"] == "unverified":
            raise CheckFailed(f"{row_name(row)} is unverified: {row['reasons'][0]}", COMPARE_AGAIN)
        if row["miou"] is None:
            if folder.is_dir() and row["reasons"] and row["reasons"][0].startswith("stale: "):
                do = "run it again, or restore what it was made with"
                raise CheckFailed(f"{self._name(folder)} gives no figure, {row['reasons'][0]}", do)
            return None
        if not folder.is_dir():
            return self._note(folder)
        do = f"restore it, or run `pointrend train {run} --seed {row['seed']}` and `evaluate` again"
        if released:
            do = f"restore it, or run `pointrend fetch released_{run}` and `pointrend evaluate {run} --released` again"
            weights = {self.project.released_weights(run).name: {"sha256": row["hashes"]["weights"]}}
            self._first_seen({} if weights.keys() <= self.project.pins.keys() else weights, "scored")
            self._fetched(f"released_{run}", weights, self.project.archive_set)
        self._hold(chain.stated_of_row(self.path, row), do)
        return self._scored(folder, row, None if released else self._trained(folder / TRAIN, row, do))

    def _trained(self, path: Path, row: Record, do: str) -> str:
        """The fingerprint of a training that starts now with the code of then; its record must be consistent."""
        train, name = read_json(path, do=do), self._name(path)
        setting, seed, code = self.project.setting(row["run"]), train["seed"], train["code_sha256"]
        self._note_code("train", setting.dataset, train, f"{name}: trained")
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

    def _scored(self, folder: Path, row: Record, fingerprint: str | None) -> None:
        """What results.json states about a score follows from the files in its folder, and is what is wanted now.

        ``fingerprint`` is that of the training; None for released weights.
        """
        whose, evaluation, setting = self._name(folder), read_json(folder / SCORING), self.project.setting(row["run"])
        data = self._data_now(setting, evaluation)
        wanted = setting.scoring_fingerprint(evaluation["model_sha256"], data, evaluation["code_sha256"])
        selected = SelectedRun(row["run"], row["seed"], (), row["setting"], folder, fingerprint or wanted, wanted)
        score, reason = find_score(selected)
        if score is None:
            raise CheckFailed(f"{whose}: {reason}", COMPARE_AGAIN)
        self._note_code("evaluate", setting.dataset, evaluation, f"{self._name(folder / SCORING)}: scored")
        expected = scored(score, self.published)
        if (row["run"], row["seed"]) in self.copies:
            expected |= {"comparable": False, "difference": None}
        if row["kind"] == "trained":
            of_seeds = self.accounts[row["run"]].of({**row, **expected})
            expected |= of_seeds | {"sealed": row["sealed"]}  # which is checked when the runs are known to hold
        for key, value in expected.items():
            if not (set(value) <= set(row[key]) if key == "reasons" else _alike(row[key], value)):
                raise CheckFailed(f"{RESULTS}: {key} of {row_name(row)} does not follow from {whose}", COMPARE_AGAIN)
        self._note_commits(whose, row["provenance"])
        self.mious += 1

    def _data_now(self, setting: RunSetting, record: Record) -> str:
        """Hash of the content of the prepared data: of those that are here, or of those that a record names.

        Raises:
            CheckFailed: those that are here were not prepared from what params.yaml names now.
        """
        path = self.project.manifest(setting.dataset)
        if not path.is_file():
            return str(record["data"]["content"])
        manifest = read_json(path, CheckFailed)
        self._note_code("prepare", setting.dataset, manifest, f"{self._name(path)}: prepared")
        if fault := prepared_fault(self.project, setting.dataset, manifest):
            raise CheckFailed(f"{self._name(path)}: {fault}", "correct params.yaml or POINTREND_PINS, or prepare again")
        if described(manifest) != record["data"]:
            raise CheckFailed(f"{RESULTS} names other data than {self._name(path)}", COMPARE_AGAIN)
        return str(manifest["content"])

    def _audit(self, row: Record) -> None:
        """What results.json states about a published log follows from what was fetched and found."""
        if row["audit"] is None:
            return None
        run, folder, files = row["run"], self.project.audited_folder(row["run"]), row["audit"]["files"]
        for kind in ("log", "cfg"):
            name = f"{kind}_{run}"
            expected = {file: files[file] for file in self.project.published_files()[name]}
            self._fetched(name, expected, self.project.archive_set)
        self._first_seen({name: facts for name, facts in files.items() if "source" in facts}, "audited")
        if not folder.is_dir():
            return self._note(folder)
        do = f"fetch log_{run} and cfg_{run} again, then run `pointrend audit {run} --record`"
        self._hold(chain.stated_of_audit(self.path, row), do)
        if not audit_holds(row, self.project.run_folder(run, row["seed"])):
            what = f"{RESULTS}: its values for the published log of {run} do not follow from {self._name(folder)}"
            raise CheckFailed(what, COMPARE_AGAIN)
        return None

    # -- single files

    def _hold(self, statements: Iterable[Stated], do: str, elsewhere: bool = False) -> None:
        """Check statements; the weights, and all files that may be ``elsewhere``, may be absent."""
        for one in statements:
            if (elsewhere or one.file.name == MODEL) and not one.file.is_file():
                self._note(one.file)
            elif fault := one.fault(self._name):
                raise CheckFailed(fault, do)
            else:
                self.files.add(one.file)

    def _json(self, path: Path, keys: Sequence[str], do: str) -> dict[str, Any]:
        """A JSON object with these keys, as it was written."""
        found = read_json(path, CheckFailed, do, keys)
        self._canonical(path, found, do)
        return dict(found)

    def _canonical(self, path: Path, value: Any, do: str) -> None:
        """A JSON file is, byte for byte, as it was written."""
        if path.read_bytes() != canonical_json(value).encode():
            raise CheckFailed(f"{self._name(path)} is not as it was written", do)
        self.files.add(path)

    # -- notes

    def _note(self, path: Path) -> None:
        self.notes.append(f"{self._name(path)} is not on this machine: not checked")

    def _note_code(self, stage: str, dataset: str, record: Record, words: str) -> None:
        if record["code_sha256"] != code_digest(stage, dataset):
            self.notes.append(f"{words} by different code than this checkout has")

    def _note_commits(self, name: str, chain: Record) -> None:
        """The code itself is known by its hash, whatever commit it was of."""
        sources = {"scored": chain["scoring"]}
        if "gpus" in chain:  # nobody recorded how released weights were trained
            sources = {"trained": chain["code"], **sources}
        for what, source in sources.items():
            if source["dirty"]:
                self.notes.append(f"{name}: {what} with changes that were not committed")
            if self._commit and source["commit"] not in (None, self._commit):
                self.notes.append(f"{name}: {what} at commit {source['commit'][:12]}, this is {self._commit[:12]}")

    def _name(self, path: Path) -> str:
        return self.project.relative(path)

    @cached_property
    def _commit(self) -> str | None:
        return source_version().commit


def _recorded(rows: Sequence[Record], name: str) -> set[str]:
    """The hashes of ``name`` that the results rest on."""
    return {row["hashes"][name] for row in rows if name in row["hashes"]}


def _alike(found: Any, expected: Any) -> bool:
    """Equal, or the ends of an interval that another machine's arithmetic may round otherwise."""
    if isinstance(expected, list) and all(isinstance(end, float) for end in expected):
        return len(found) == len(expected) and all(map(math.isclose, found, expected))
    return bool(found == expected)
