"""Download, resume and verify archives into data/archives/, and link them into data/<scale>/archives/.

NAME is a dataset of params.yaml, backbone_<name>, or log_<run>, cfg_<run> or released_<run>: the published training log
and config of a run and its released weights, whose checksums are those of the first download
(published/released.lock.json). Files that already lie at hand are
taken from the folder or URL in POINTREND_ARCHIVES. Cityscapes needs CITYSCAPES_USERNAME and CITYSCAPES_PASSWORD, or its
archives put there by hand.

examples:
  pointrend fetch voc
  pointrend --scale paper fetch released_voc_r50
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from pointrend.archives.cityscapes_download import fetch_cityscapes
from pointrend.archives.demo.build import SceneCounts, build_demo_archives
from pointrend.archives.fetch import Archive, FetchedFile, fetch_archive
from pointrend.archives.first_seen import fetch_first_seen
from pointrend.archives.loopback import serve_folder
from pointrend.errors import ArchiveError
from pointrend.files import sha256_file, write_json
from pointrend.logs import log_to_file
from pointrend.settings.params import ArchivePin
from pointrend.settings.project import WITH_ACCOUNT, Project

MARK = ".snakemake_timestamp"
"""What Snakemake puts into a folder that a job of it has made."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    parser.add_argument("name", metavar="NAME", help="voc, backbone_r50, released_voc_r50, log_voc_r50, cfg_voc_r50")


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Fetch, then write the manifest that the stages after it depend on."""
    name = arguments.name
    pins = project.archives_of(name)
    folder, at_hand = project.archives_folder, project.archives_at_hand
    log_to_file(project.log_file(f"fetch-{name}"))
    files: list[FetchedFile]
    if name in project.published_files():
        seen = project.first_seen_file
        files = [fetch_first_seen(_archive(project, pin), folder, seen, at_hand) for pin in pins]
    elif name not in project.params.datasets and not project.pretrained:
        files = []  # Nothing takes a backbone here; the stages after this one still depend on its manifest.
    elif project.scale.data == "drawn":
        files = _draw_and_fetch(project, name, pins)
    elif name == WITH_ACCOUNT:
        files = fetch_cityscapes([_archive(project, pin) for pin in pins], folder, at_hand)
    else:
        files = [fetch_archive(_archive(project, pin), folder, at_hand) for pin in pins]
    _link(files, project.fetched(name).with_suffix(""))
    records = {file.path.name: {"bytes": file.bytes, "md5": file.md5, "sha256": file.sha256} for file in files}
    write_json(project.fetched(name), {"name": name, "set": project.archive_set, "files": records})


def _draw_and_fetch(project: Project, name: str, pins: tuple[ArchivePin, ...]) -> list[FetchedFile]:
    """Draw the demo's archives, serve them on loopback, and download them as if from anywhere else."""
    images, drawn = project.expected_images(name), project.archives_folder / "drawn"
    made = build_demo_archives(drawn, SceneCounts(train=images.train, val=images.val))["files"]
    with serve_folder(drawn) as url:
        for pin in pins:
            if pin.name not in made:
                do = f"choose a scale with official data, for example --scale paper fetch {name}"
                raise ArchiveError(f"the demo draws no {pin.name}", do)
        archives = [Archive(name=pin.name, urls=(f"{url}/{pin.name}",), **made[pin.name]) for pin in pins]
        for archive in archives:
            _drop_outdated(project.archives_folder / archive.name, archive)
        return [fetch_archive(archive, project.archives_folder) for archive in archives]


def _drop_outdated(path: Path, archive: Archive) -> None:
    """Remove a copy of what an earlier version drew; everything in this folder is the project's own."""
    if path.is_file() and sha256_file(path) != archive.sha256:
        path.unlink()


def _archive(project: Project, pin: ArchivePin) -> Archive:
    return Archive(**pin.model_dump(), urls=project.params.places[pin.name].urls)


def _link(files: list[FetchedFile], folder: Path) -> None:
    """Have ``files``, and nothing else, in ``folder``: the same bytes on the disk where it can link.

    Raises:
        ArchiveError: something else is there, which would be lost.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = {file.path.name: file for file in files}
    for path in (path for path in folder.iterdir() if path.name != MARK):
        if not (_is_link(path) or _is_copy(path, known.get(path.name))):
            raise ArchiveError(f"{path} is not what fetch has put there", "move it away and fetch again")
        path.unlink()
    for file in files:
        try:
            os.link(file.path.resolve(), folder / file.path.name)
        except OSError:
            (folder / file.path.name).symlink_to(file.path.resolve())


def _is_link(path: Path) -> bool:
    """Whether the bytes have another name as well."""
    return path.is_symlink() or (path.is_file() and path.stat().st_nlink > 1)


def _is_copy(path: Path, file: FetchedFile | None) -> bool:
    """Whether it is ``file``, which DVC puts there as a copy."""
    return file is not None and path.is_file() and sha256_file(path) == file.sha256
