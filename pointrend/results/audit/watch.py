"""The losses of a published training log: as a curve, and compared with those of a training while it runs."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

from pointrend.errors import AuditError
from pointrend.results.audit.curves import Curve, Watch, is_comparable
from pointrend.results.audit.logs import Record, TrainingLog, read_log
from pointrend.settings.project import Project

logger = logging.getLogger(__name__)

# what a published log calls our losses; its values have the weights applied, as ours have
THEIR_NAMES = {"loss": "total", "loss_point": "loss_cls", "loss_coarse": "loss_aux"}


def published_curve(log: TrainingLog) -> Curve:
    """The curve of the training that a log ends with.

    Where iterations were done again, after a restart or in another log joined to the first, the later record counts
    and what the abandoned attempt wrote beyond it is dropped. Records whose losses are not finite are left out.

    Raises:
        AuditError: a record lacks one of the losses.
    """
    kept: list[Record] = []
    for record in log.records:
        while kept and kept[-1].finished >= record.finished:
            kept.pop()
        kept.append(record)
    last = kept[-1]
    kept = [record for record in kept if all(map(math.isfinite, record.losses.values()))]
    missing = next((record for record in kept if not record.losses.keys() >= set(THEIR_NAMES.values())), None)
    if missing is not None:
        what = f"{log.path} line {missing.line} does not have the losses {', '.join(THEIR_NAMES.values())}"
        raise AuditError(what, "audit the log of a PointRend training")
    losses = {ours: [record.losses[theirs] for record in kept] for ours, theirs in THEIR_NAMES.items()}
    return Curve(last.epochs, last.batches, [record.finished for record in kept], losses)


def watch_training(
    project: Project, run: str, epochs: int, iterations_per_epoch: int, start: int
) -> Callable[[Mapping[str, Any]], None] | None:
    """A function that takes the records of a training and warns when its losses leave the published ones for long.

    None where there is nothing to compare them with: no published log was fetched, it cannot be read, or it is of
    another schedule. ``start`` is the iteration that the training resumes from.
    """
    names = project.published_files().get(f"log_{run}", ())
    path = next((path for name in names if (path := project.fetched_file(f"log_{run}", name)).is_file()), None)
    if path is None:
        return None
    try:
        curve = published_curve(read_log(path))
        watch = Watch(curve)
    except (AuditError, ValueError) as problem:
        logger.warning("the losses are not compared with the published log: %s", problem)
        return None
    if not curve.same_schedule(epochs, iterations_per_epoch):
        theirs = f"{curve.epochs} epochs of {curve.iterations_per_epoch}"
        logger.info("the losses are not compared with %s, which has a different schedule: %s", path, theirs)
        return None

    def take(record: Mapping[str, Any]) -> None:
        nonlocal start
        if is_comparable(record["iteration"], start):
            for change in watch.take(record["iteration"], record):
                logger.warning("%s", change)
        start = record["iteration"]

    return take
