"""Times that say nothing, or the wrong thing."""

from __future__ import annotations

import os
import time

from tests.trust.attacks.attack import RIGHT, attacks
from tests.trust.attacks.base import AGAIN, LR, OTHER_SHA, RUN, VOC
from tests.trust.attacks.site import Site, Step, flip, while_put

IN_TEN_YEARS = time.time() + 10 * 365 * 86400


def all_times(moment: float) -> Step:
    """As rsync -a copies from a machine with a wrong clock."""
    return lambda site: [os.utime(path, (moment, moment)) for path in site.root.rglob("*") if not path.is_symlink()]


def archive_of_same_time(site: Site) -> None:
    """The archive that is linked to is another one of the same size and time."""
    link = site.path("data/archives/official/benchmark.tgz")
    site.take(link.resolve(), link)
    site.retimed("data/archives/official/benchmark.tgz", lambda data: data[:-1] + bytes([data[-1] ^ 1]))
    site.do("fetch voc -> ?")


def score_of_same_time(site: Site) -> None:
    """One digit of metrics.json, at the same time."""
    miou = str(site.json(f"{RUN}/metrics.json")["miou"]).encode()
    site.retimed(f"{RUN}/metrics.json", lambda data: data.replace(b'"miou": ' + miou, b'"miou": 9' + miou[1:], 1))


OTHER_LR = while_put(LR, *AGAIN)
attack = attacks("clocks")
ATTACKS = (
    attack("another lr, all times 1970", "stale: trained", OTHER_LR, all_times(0), wrong=True),
    attack(
        *("another lr, all times in ten years", "stale: trained", OTHER_LR, all_times(IN_TEN_YEARS)),
        **{"wrong": True, "long": True},
    ),
    attack("times in ten years, then all again", RIGHT, all_times(IN_TEN_YEARS), flip(f"{RUN}/metrics.json"), *AGAIN),
    attack(
        *("val labels of the same size and time", "val.labels.bin"),
        *(flip(f"{VOC}/val.labels.bin"), "evaluate voc_r50 -> ?"),
    ),
    attack(
        *("a model of the same size and time", OTHER_SHA),
        *(flip(f"{RUN}/model.safetensors"), "evaluate voc_r50 -> 3"),
    ),
    attack("an archive of the same size and time", "benchmark.tgz is not", archive_of_same_time),
    attack("metrics.json of the same size and time", "is of another scoring|is of a different", score_of_same_time),
)
