"""The checkout's own code, edited, used, and edited back; or not what seems to be there."""

import importlib.util
import py_compile
from pathlib import Path

from pointrend.results.run_files import STALE, STALE_SCORE
from tests.trust.attacks.attack import RIGHT, attack
from tests.trust.attacks.base import AGAIN
from tests.trust.attacks.site import Site, Step, edit, restoring

Edit = tuple[str, str, str]
EVALUATE = "evaluate voc_r50"
SEGMENTERS = "pointrend/evaluation/segmenters.py"
WITHOUT_REFINEMENT = (SEGMENTERS, "label_map(inference.refined,", "label_map(inference.coarse,")
UPSIDE_DOWN = ("pointrend/training/transforms.py", "cv2.flip(image.re", "cv2.flip(image[::-1].re")
NO_THINGS = ("pointrend/datasets/voc.py", "ignored=[255]", "ignored=[255, *range(1, 21)]")


def back(change: Edit, *commands: str) -> Step:
    """Edit, run verbs, edit back."""
    return restoring(change[0], edit(*change), *(f"own {command}" for command in commands))


def stale_bytecode(site: Site) -> None:
    """Bytecode of other code with the size and time of the source, as a restored backup leaves it."""
    source, other = site.path(SEGMENTERS), site.path("other.py")
    times = source.stat()
    other.write_text(source.read_text().replace(*WITHOUT_REFINEMENT[1:]))
    cached = Path(importlib.util.cache_from_source(str(source)))
    py_compile.compile(str(other), str(cached), dfile=str(source), doraise=True)
    data = bytearray(cached.read_bytes())
    data[8:16] = int(times.st_mtime).to_bytes(4, "little") + times.st_size.to_bytes(4, "little")
    cached.write_bytes(data)
    other.unlink()


ATTACKS = (
    attack("scoring code, edited back", STALE_SCORE, back(WITHOUT_REFINEMENT, EVALUATE), wrong=True),
    attack("training code, edited back", STALE, back(UPSIDE_DOWN, *AGAIN), wrong=True),
    attack(
        *("preparing code, edited back", "prepared by other code|prepared by different code"),
        *(back(NO_THINGS, "prepare voc"), f"{EVALUATE} -> 2"),
    ),
    attack("bytecode of other code", RIGHT, stale_bytecode, f"own {EVALUATE}"),
)
