"""The published document, the archives and the prepared data: the beginning of the chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pointrend.archives.verification import digest_file
from pointrend.errors import CheckFailed
from pointrend.files import sha256_json
from pointrend.results.links import Links
from pointrend.results.published import load_published

RESULTS = "results.json"
RESTORE = "restore it from version control"

Row = Mapping[str, Any]


class DataLinks(Links):
    """What every run follows from."""

    def _published(self, recorded: Mapping[str, Any]) -> None:
        folder = self.project.published_folder
        do = "take the folder published/ from the repository again"
        for name, expected in ((recorded["file"], recorded["sha256"]), *recorded["data"].items()):
            self._file(folder / name, expected, RESULTS, do)
        load_published(folder)  # the document says what the data say

    def _dataset(self, dataset: str, rows: Sequence[Row]) -> None:
        """The manifest of the prepared form, the archives that it was made from, and its files."""
        do = f"run: pointrend --scale {self.project.params.scale} prepare {dataset}"
        path = self.project.manifest(dataset)
        if not path.is_file():
            return self._note(path)
        for expected in _recorded(rows, "data_manifest"):
            self._file(path, expected, RESULTS, do)
        manifest = self._json(path, ("archives", "content", "files", "pins"), do)
        raw = {name: file.get("raw_sha256", file["sha256"]) for name, file in manifest["files"].items()}
        if manifest["content"] != sha256_json(raw):
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
        checksums = {file: record["md5"] for file, record in expected.items() if "md5" in record}
        if any(found["files"].get(file, {}).get("md5") != md5 for file, md5 in checksums.items()):
            raise CheckFailed(f"{self._name(path)} gives another md5 than the manifest of the prepared data", do)
        if (found["name"], found["set"], hashes) != (name, archive_set, wanted):
            raise CheckFailed(f"{self._name(path)} does not list the archives that the data were made from", do)
        for file, record in found["files"].items():
            archive, kept = self.project.fetched_file(name, file), self.project.archives_folder / file
            self._file(archive, record["sha256"], path.name, do, optional=True)
            if archive.is_file() and digest_file(archive).md5 != record.get("md5"):
                raise CheckFailed(f"{self._name(path)} gives another md5 of {file}", do)
            if kept.is_file() and not (archive.is_file() and kept.samefile(archive)):
                self._file(kept, record["sha256"], path.name, do)
            size = archive.stat().st_size if archive.is_file() else expected.get(file, record).get("bytes")
            if size is not None and record.get("bytes") != size:
                raise CheckFailed(f"{self._name(path)} gives another size of {file}", do)

    def _first_seen(self, file: str, sha256: str) -> None:
        """A file of which no checksum was published is the one that the first download noted."""
        seen = self.project.first_seen_file
        if file in self.project.pins:
            return
        if self._json(seen, (file,), RESTORE)[file].get("sha256") != sha256:
            raise CheckFailed(f"{self._name(seen)} does not have the {file} that was scored", RESTORE)

    def _noted(self, files: Mapping[str, Any]) -> None:
        """The notes of the first download say of these files what the audit found."""
        noted = {name: record for name, record in files.items() if "source" in record}
        if not noted:
            return
        path = self.project.first_seen_file
        notes = self._json(path, (), RESTORE)
        if any(notes.get(name) != record for name, record in noted.items()):
            raise CheckFailed(f"{self._name(path)} says something else of a file than when it was audited", RESTORE)


def _recorded(rows: Sequence[Row], name: str) -> set[str]:
    """The hashes of ``name`` that the results rest on."""
    return {row["hashes"][name] for row in rows if name in row["hashes"]}
