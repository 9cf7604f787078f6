"""Download, resume and verify archives into data/archives/.

NAME is a dataset of params.yaml or backbone_<name>. Files that already lie at hand are taken from the folder or URL in
POINTREND_ARCHIVES. Cityscapes needs CITYSCAPES_USERNAME and CITYSCAPES_PASSWORD, or its archives put there by hand.

example: pointrend --scale paper fetch voc
"""

from __future__ import annotations

import argparse

from pointrend.files import write_json
from pointrend.logs import log_to_file
from pointrend.params import ArchivePin, Params
from pointrend.project import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    parser.add_argument("name", metavar="NAME", help="voc, ade20k, cityscapes, backbone_r50, backbone_r101, ...")


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Fetch, then write the manifest that the stages after it depend on."""
    name = fetchable(project.params, arguments.name)
    log_to_file(project.log_file(f"fetch-{name}"))
    folder = project.archives_folder
    folder.mkdir(parents=True, exist_ok=True)
    files = _draw_and_fetch(project, name) if project.scale.data == "drawn" else _fetch(project, name)
    write_json(project.fetched(name), {"name": name, "set": project.archive_set, "files": files})


def fetchable(params: Params, name: str) -> str:
    """``name`` if it can be fetched.

    Raises:
        ParamsError: it cannot; the nearest name that can is given.
    """
    return params.known("archive to fetch", name, [*params.datasets, *(f"backbone_{b}" for b in params.backbones)])


def archives_of(project: Project, name: str) -> tuple[ArchivePin, ...]:
    """The files that ``fetch name`` gets, with the checksums that hold here."""
    if name in project.params.datasets:
        pins = project.params.datasets[name].archives
    else:
        pins = (project.params.backbones[name.removeprefix("backbone_")].pretrained,)
    return tuple(project.pinned(pin) for pin in pins)
