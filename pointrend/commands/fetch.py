"""Download, resume and verify archives into data/archives/, and link them into data/<scale>/archives/.

NAME is a dataset of params.yaml, backbone_<name>, or log_<run>, cfg_<run> or released_<run>: the published training log
and config of a run and its released weights, whose checksums are those of the first download
(published/released.lock.json). POINTREND_ARCHIVES names a folder or base URL that is tried before the URLs of
published/mirrors.json. Cityscapes needs CITYSCAPES_USERNAME and CITYSCAPES_PASSWORD, or its archives in that folder.

examples:
  pointrend fetch voc
  pointrend --scale paper fetch released_voc_r50
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from pointrend.archives.cityscapes_download import CITYSCAPES
from pointrend.archives.demo.build import SceneCounts, build_demo_archives
from pointrend.archives.fetch import FetchedFile, fetch_archive, fetch_first_seen
from pointrend.archives.loopback import serve_folder
from pointrend.errors import ArchiveError
from pointrend.files import sha256_file, write_json
from pointrend.logs import log_to_file
from pointrend.settings.archives import WITH_ACCOUNT, Archive
from pointrend.settings.project import Project

MARK = ".snakemake_timestamp"  # what Snakemake puts into a folder that one of its jobs has made


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    parser.add_argument("name", metavar="NAME", help="voc, backbone_r50, released_voc_r50, log_voc_r50, cfg_voc_r50")


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Fetch, then write the manifest that the stages after it depend on."""
    name = arguments.name
    archives = project.archives_of(name)
    log_to_file(project.log_file(f"fetch-{name}"))
    published = name in project.published_files()
    if name not in project.params.datasets and not published and not project.pretrained:
        files = []  # No training starts from a backbone here; the later stages still depend on its manifest.
    elif project.scale.data == "drawn" and not published:
        files = _draw_and_fetch(project, name, archives)
    else:
        files = [_fetch(project, name, archive) for archive in archives]
    _link(files, project.fetched(name).with_suffix(""))
    records = {file.path.name: {"bytes": file.bytes, "md5": file.md5, "sha256": file.sha256} for file in files}
    write_json(project.fetched(name), {"name": name, "set": project.archive_set, "files": records})


def _fetch(project: Project, name: str, archive: Archive) -> FetchedFile:
    urls, folder, at_hand = project.urls(archive.name), project.archives_folder, project.archives_at_hand
    if name in project.published_files():
        return fetch_first_seen(archive, urls, folder, project.first_seen_file, at_hand)
    return fetch_archive(archive, urls, folder, at_hand, CITYSCAPES if name == WITH_ACCOUNT else None)


def _draw_and_fetch(project: Project, name: str, archives: tuple[Archive, ...]) -> list[FetchedFile]:
    """Draw the demo's archives, serve them on loopback, and download them as from any server."""
    images, drawn, files = project.expected_images(name), project.archives_folder / "drawn", []
    made = build_demo_archives(drawn, SceneCounts(train=images.train, val=images.val))["files"]
    with serve_folder(drawn) as url:
        for file in (archive.name for archive in archives):
            if file not in made:
                do = f"choose a scale with official data, for example --scale paper fetch {name}"
                raise ArchiveError(f"the demo draws no {file}", do)
            path = project.archives_folder / file
            if path.is_file() and sha256_file(path) != made[file]["sha256"]:
                path.unlink()  # what an earlier version drew; everything in this folder is the project's own
            archive = Archive(name=file, **made[file])
            files.append(fetch_archive(archive, (f"{url}/{file}",), project.archives_folder))
    return files


def _link(files: list[FetchedFile], folder: Path) -> None:
    """Have ``files``, and nothing else, in ``folder``, as links if the disk can link.

    Raises ArchiveError if the folder has something else, which would be lost.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = {file.path.name: file for file in files}
    for path in (path for path in folder.iterdir() if path.name != MARK):
        if not (_is_link(path) or _is_copy(path, known.get(path.name))):
            raise ArchiveError(f"{path} was not made by fetch", "move it away and fetch again")
        path.unlink()
    for file in files:
        try:
            os.link(file.path.resolve(), folder / file.path.name)
        except OSError:
            (folder / file.path.name).symlink_to(file.path.resolve())


def _is_link(path: Path) -> bool:
    """Whether the file has another name as well."""
    return path.is_symlink() or (path.is_file() and path.stat().st_nlink > 1)


def _is_copy(path: Path, file: FetchedFile | None) -> bool:
    """Whether it is a copy of ``file``, as DVC makes one."""
    return file is not None and path.is_file() and sha256_file(path) == file.sha256
