"""Turn a dataset's archives into the prepared form: a few large files and a manifest, under data/<scale>/<dataset>/.

Counts, sizes and label values are checked on the way.

examples:
  pointrend prepare voc
"""

from __future__ import annotations

import argparse

from pointrend.checkout.code_digest import code_digest
from pointrend.commands.arguments import add_dataset
from pointrend.errors import ArchiveError
from pointrend.logs import log_to_file
from pointrend.settings.archives import OFFICIAL
from pointrend.settings.project import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this verb."""
    add_dataset(parser)


def run(project: Project, arguments: argparse.Namespace) -> None:
    """Prepare one dataset at the current scale."""
    from pointrend.datasets.prepare.prepare import prepare_dataset

    name = project.params.known("dataset", arguments.dataset, project.params.datasets)
    log_to_file(project.log_file(f"prepare-{name}"))
    do = f"run: pointrend --scale {project.params.scale} fetch {name}"
    records = project.fetched_records(name, ArchiveError)
    archives = {file: project.fetched_file(name, file) for file in records}
    for path in archives.values():
        if not path.is_file():
            raise ArchiveError(f"archive {path} is not there", do)
    prepare_dataset(
        name,
        archives,
        records,
        project.data_folder(name),
        expected=project.expected_images(name).model_dump(),
        enforce=not project.pins,
        limit=project.scale.limit,
        pins=project.archive_set,
        form=project.store_form,
        code_sha256=code_digest("prepare", name),
        # What has the official checksum is taken as the original took it.
        inspect=project.archive_set != OFFICIAL,
    )
