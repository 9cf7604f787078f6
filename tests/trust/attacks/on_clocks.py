"""Times that say nothing, or the wrong thing."""

from __future__ import annotations

import os
import time

from tests.trust.attacks.attack import RIGHT, Attack
from tests.trust.attacks.base import AGAIN, RUN, VOC
from tests.trust.attacks.site import Site

SCORE = "pointrend/evaluation/segmenters.py"
FUTURE = time.time() + 10 * 365 * 86400


def set_times(site: Site, moment: float) -> None:
    for path in site.root.rglob("*"):
        if not path.is_symlink():
            os.utime(path, (moment, moment))


def all_1970(site: Site) -> None:
    """Other training, copied by rsync -a from a machine without a clock."""
    with site.while_put(recipe__lr=0.5):
        site.point(*AGAIN)
    set_times(site, 0)


def all_future(site: Site) -> None:
    with site.while_put(recipe__lr=0.5):
        site.point(*AGAIN)
    set_times(site, FUTURE)


def future_and_again(site: Site) -> None:
    """Files from the future do not keep a stage from being redone."""
    set_times(site, FUTURE)
    site.flip(f"{RUN}/metrics.json")
    site.point(*AGAIN)


def labels_of_same_time(site: Site) -> None:
    site.flip(f"{VOC}/val.labels.bin")
    site.point("evaluate voc_r50", expect=None)


def model_of_same_time(site: Site) -> None:
    site.flip(f"{RUN}/model.safetensors")
    site.point("evaluate voc_r50", expect=3)


def archive_of_same_time(site: Site) -> None:
    """The archive that is linked to is another one of the same size and time."""
    link = site.path("data/archives/official/benchmark.tgz")
    copy = link.resolve().read_bytes()
    times = link.resolve().stat()
    link.unlink()
    link.write_bytes(copy[:-1] + bytes([copy[-1] ^ 1]))
    os.utime(link, ns=(times.st_atime_ns, times.st_mtime_ns))
    site.point("fetch voc", expect=None)


def score_of_same_time(site: Site) -> None:
    """One digit of metrics.json, at the same time."""
    path = site.path(f"{RUN}/metrics.json")
    times = path.stat()
    miou = str(site.json(f"{RUN}/metrics.json")["miou"])
    site.edit(f"{RUN}/metrics.json", f'"miou": {miou}', f'"miou": {"9" + miou[1:]}')
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


ATTACKS = (
    Attack("another lr, all times 1970", "clocks", all_1970, "stale: trained", wrong=True),
    Attack("another lr, all times in ten years", "clocks", all_future, "stale: trained", wrong=True, long=True),
    Attack("times in ten years, then all again", "clocks", future_and_again, RIGHT),
    Attack("val labels of the same size and time", "clocks", labels_of_same_time, "val.labels.bin"),
    Attack("a model of the same size and time", "clocks", model_of_same_time, "has another sha256 than when"),
    Attack("an archive of the same size and time", "clocks", archive_of_same_time, "benchmark.tgz is not"),
    Attack("metrics.json of the same size and time", "clocks", score_of_same_time, "is of another scoring"),
)
