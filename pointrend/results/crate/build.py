"""A Workflow Run RO-Crate of the results of a scale: one zip that anyone can check (Provenance Run Crate 0.5).

The small files are in it under their names in the checkout; weights, prepared data, archives and images are named by
sha256 and path. :data:`MANIFEST` lists every file, so its signature covers all. Equal files give an equal zip.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rocrate.rocrate import ROCrate

from pointrend.checkout.code_digest import SOURCES
from pointrend.checkout.source_version import CHECKOUT, LOCK, source_version
from pointrend.checkout.sources import PACKAGE
from pointrend.errors import CheckFailed, ResultsError
from pointrend.files import atomic_path, canonical_json, read_json
from pointrend.logs import redacted
from pointrend.results.cards import model_card
from pointrend.results.chain import METRICS, RESULTS, stated
from pointrend.results.compare import read_results
from pointrend.results.crate.signing import sign
from pointrend.results.crate.verify_crate import BROKEN, COUNTERSIGNED, MANIFEST, SIGNATURE, Crate, manifest_text
from pointrend.results.croissant import croissant
from pointrend.results.published import load_published
from pointrend.settings.project import Project

METADATA, WORKFLOW, VERIFIER, RULES = "ro-crate-metadata.json", "Snakefile", "verify_crate.py", "params.json"
# Endings of a run's files and pages that are inside. Python's own table of types differs between machines.
SMALL = {
    **{".csv": "text/csv", ".html": "text/html", ".json": "application/json", ".jsonl": "application/jsonl"},
    **{".md": "text/markdown", ".parquet": "application/vnd.apache.parquet"},
}
FORMATS = SMALL | {".py": "text/x-python", ".yaml": "application/yaml"}
PROFILES = {
    f"https://w3id.org/ro/wfrun/{kind}/0.5": f"{kind.capitalize()} Run Crate"
    for kind in ("process", "workflow", "provenance")
}
TERMS = {name: f"https://w3id.org/ro/terms/workflow-run#{name}" for name in ("sha256", "environment")}
LICENSE = "https://spdx.org/licenses/Apache-2.0"

CARD, CROISSANT = "card.md", "croissant.json"

Contents = dict[str, bytes]  # files by their name in the crate


@dataclass(frozen=True)
class Performed:
    """One run of a stage.

    Attributes:
        job: its name, as that of its log file.
        record: the content of the file that it wrote last, if that is JSON.
        reads: files and folders.
        writes: likewise, the record first.
        start: None where nothing has recorded it.
    """

    verb: str
    job: str
    command: str
    record: Mapping[str, Any]
    reads: tuple[Path, ...]
    writes: tuple[Path, ...]
    start: datetime | None
    end: datetime


def contents(project: Project, jobs: Iterable[Performed]) -> Contents:
    """All files of the crate but its manifest and signature.

    Raises:
        CheckFailed: a record has an unexpected form.
        ResultsError: as :func:`.read_results`.
    """
    results = read_results(project.results_folder / RESULTS)
    try:
        return _contents(project, list(jobs), results)
    except BROKEN as fault:
        what = f"a record of scale {project.params.scale} has an unexpected form: {fault!r}"
        raise CheckFailed(what, "run `pointrend verify`, which names the file") from fault


def _contents(project: Project, jobs: list[Performed], results: Mapping[str, Any]) -> Contents:
    root = project.root
    code = [CHECKOUT / WORKFLOW, CHECKOUT / LOCK, *(CHECKOUT / "workflow").rglob("*.smk")]
    code += [path for path in PACKAGE.rglob("*") if path.suffix in SOURCES]
    published = (results["published"]["file"], *results["published"]["data"], "code.json")
    paths = [root / "params.yaml", *(project.published_folder / name for name in published)]
    paths += [path for job in jobs for path in job.writes if path == job.writes[0] or _is_small(project, path)]
    paths += [*project.starts_folder.glob("*.json"), *_files_below(project.results_folder / COUNTERSIGNED)]
    found = {path.relative_to(CHECKOUT).as_posix(): path.read_bytes() for path in code if path.is_file()}
    found |= {path.relative_to(root).as_posix(): path.read_bytes() for path in paths if path.is_file()}
    found |= _cards(project, results, found) | _datasets(project, found)
    found[VERIFIER] = Path(__file__).with_name(VERIFIER).read_bytes()
    found[RULES] = canonical_json(project.params.model_dump(mode="json")).encode()
    found[METADATA] = canonical_json(_metadata(project, jobs, found)).encode()
    return found


def _cards(project: Project, results: Mapping[str, Any], found: Contents) -> Contents:
    """The model cards of the scored trainings."""
    published = load_published(project.published_folder, project.params.scale)
    published.check(results)
    rows = [row for row in results["runs"] if row["kind"] == "trained" and row["miou"] is not None]
    folders = {project.relative(project.run_folder(row["run"], row["seed"])): row for row in rows}
    return {
        f"{folder}/{CARD}": model_card(results, row, published).encode()
        for folder, row in folders.items()
        if f"{folder}/{METRICS}" in found
    }


def _datasets(project: Project, found: Contents) -> Contents:
    """Croissant metadata of the prepared datasets."""
    manifests = [project.relative(project.manifest(name)) for name in project.params.datasets]
    return {
        str(Path(file).with_name(CROISSANT)): canonical_json(croissant(project, json.loads(found[file]))).encode()
        for file in manifests
        if file in found
    }


def write_crate(out: Path, files: Contents, folder: str, key: Path | None) -> list[str]:
    """Write a crate with a new manifest of ``folder``, signed with ``key``, once its own verifier has accepted it.

    Order and times in the zip are fixed. Returns what the verifier found.

    Raises:
        CheckFailed: something does not follow.
        ResultsError, MachineError: as :func:`.signing.sign`.
    """
    listed = manifest_text(files, folder).encode()
    files = files | {folder + MANIFEST: listed} | ({folder + SIGNATURE: sign(key, listed)} if key else {})
    with atomic_path(out) as temporary:
        with zipfile.ZipFile(temporary, "w") as archive:
            for name in sorted(files):
                archive.writestr(zipfile.ZipInfo(name), files[name], zipfile.ZIP_DEFLATED, 9)
        return read_crate(temporary, out).lines


def read_crate(path: Path, name: Path | None = None) -> Crate:
    """A crate whose verifier finds no fault.

    Raises:
        CheckFailed: something does not follow.
        ResultsError: ``path`` is not a crate.
    """
    if not zipfile.is_zipfile(path):
        raise ResultsError(f"{name or path} is not a crate", "name a file written by `pointrend crate`")
    try:
        return Crate(path)
    except (*BROKEN, OSError) as fault:
        what = f"{name or path} fails its check: {fault}"
        raise CheckFailed(what, "get it again from its author; before making one, run `pointrend verify`") from fault


def _is_small(project: Project, path: Path) -> bool:
    return path.suffix in SMALL and not path.is_relative_to(project.root / "data")


def _files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


class _Metadata:
    """The entities of the crate, each added once."""

    def __init__(self, project: Project, files: Contents) -> None:
        self.project, self.files, self.commit = project, files, source_version().commit
        self.fetched: set[Path] = set()
        self.crate: Any = ROCrate(version="1.1")
        self.crate.metadata.extra_terms = TERMS
        self.known = {
            project.root / name: (hashlib.sha256(data).hexdigest(), len(data)) for name, data in files.items()
        }

    def learn(self, path: Path) -> None:
        """Take the hashes that a record states."""
        found = {one.file: (one.sha256, one.bytes or 0) for one in stated(path, read_json(path))}
        self.known = found | self.known
        self.fetched |= found.keys() if path.parent.name == "archives" else set()

    def entities(self, paths: Iterable[Path]) -> list[Any]:
        """The files with a known hash at or below ``paths``."""
        found = [file for path in paths for file in self.known if file == path or file.is_relative_to(path)]
        return [self.file(path) for path in sorted(set(found))]

    def file(self, path: Path) -> Any:
        name, (sha256, size) = self.project.relative(path), self.known[path]
        facts: dict[str, Any] = {"name": name, "sha256": sha256, **({"contentSize": str(size)} if size else {})}
        facts["encodingFormat"] = FORMATS.get(path.suffix, "application/octet-stream")
        if path.parent.name == "commands":
            facts |= {"@type": ["File", "SoftwareSourceCode"]} | ({"version": self.commit} if self.commit else {})
        if name in self.files:
            return self.crate.get(name) or self.crate.add_file(dest_path=name, properties=facts)
        # RFC 6920: a name that is a hash
        digest = urlsafe_b64encode(bytes.fromhex(sha256)).decode().rstrip("=")
        facts["description"] = f"Not in the crate: {name} of the checkout."
        if path in self.fetched and self.project.scale.data != "drawn":
            facts["url"] = [redacted(url) for url in self.project.urls(path.name)]
        return self.crate.get(f"ni:///sha-256;{digest}") or self.crate.add_file(
            f"ni:///sha-256;{digest}", properties=facts
        )

    def machine(self, record: Mapping[str, Any]) -> Any:
        """What computed a result; one entity for all results with equal values."""
        value = {key: record[key] for key in ("machine", "source", "precision") if key in record}
        identifier = f"#machine-{hashlib.sha256(canonical_json(value).encode()).hexdigest()[:12]}"
        text = canonical_json(value)
        about = {"@id": identifier, "@type": "PropertyValue", "name": "machine, commit and precision", "value": text}
        return self.crate.get(identifier) or self.crate.add_jsonld(about)

    def action(self, name: str, tool: Any, start: datetime | None, end: datetime, **more: Any) -> Any:
        facts = {"@id": f"#{name}", "@type": "CreateAction", "name": name, "instrument": tool, **more}
        if start:
            facts["startTime"] = start.isoformat()
        facts["endTime"] = end.isoformat()
        return self.crate.add_jsonld(_flat(facts))


def _flat(facts: Mapping[str, Any]) -> dict[str, Any]:
    """References in place of entities."""

    def reference(value: Any) -> Any:
        if isinstance(value, list):
            return [reference(item) for item in value]
        return {"@id": value.id} if hasattr(value, "id") else value

    return {key: reference(value) for key, value in facts.items()}


def _metadata(project: Project, jobs: list[Performed], files: Contents) -> dict[str, Any]:
    made = _Metadata(project, files)
    crate, scale = made.crate, project.params.scale
    for job in jobs:
        for path in job.writes:
            states = path == job.writes[0] or (job.verb == "evaluate" and path.name == METRICS)
            if path.is_file() and states and path.suffix == ".json":
                made.learn(path)
    root = crate.root_dataset
    root["name"] = f"PointRend: results at scale {scale}"
    root["description"] = "Six published mIoU figures and ours, with everything that they follow from."
    root["license"], root["datePublished"] = LICENSE, max(job.end for job in jobs).isoformat()
    for url, name in PROFILES.items():
        root.append_to(
            "conformsTo", crate.add_jsonld({"@id": url, "@type": "CreativeWork", "name": name, "version": "0.5"})
        )
    about = {"name": WORKFLOW, "sha256": made.known[project.root / WORKFLOW][0], "encodingFormat": "text/plain"}
    workflow = crate.add_workflow(dest_path=WORKFLOW, main=True, lang="snakemake", properties=about)
    if made.commit:
        workflow["version"] = made.commit
    made.entities([project.root])
    for job in jobs:
        tool = crate.get(f"pointrend/commands/{job.verb}.py")
        if tool not in workflow.get("hasPart", []):
            workflow.append_to("hasPart", tool)
        where = {"environment": made.machine(job.record)} if "machine" in job.record else {}
        reads, writes = made.entities(job.reads), made.entities(job.writes)
        action = made.action(
            job.job, tool, job.start, job.end, description=job.command, object=reads, result=writes, **where
        )
        root.append_to("mentions", action)
    first, last = min(job.start or job.end for job in jobs), max(job.end for job in jobs)
    given = made.entities([project.root / "params.yaml", project.root / LOCK])
    pages = made.entities([path for job in jobs if job.verb in ("compare", "report") for path in job.writes])
    root.append_to("mentions", made.action("workflow", workflow, first, last, object=given, result=pages))
    found: dict[str, Any] = crate.metadata.generate()
    return found
