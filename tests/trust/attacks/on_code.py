"""The checkout's own code, edited, used, and edited back; or edited and left; or not what seems to be there."""

from __future__ import annotations

import importlib.util
import py_compile
import sys
from pathlib import Path

from pointrend.files import canonical_json
from pointrend.results.run_files import STALE, STALE_SCORE
from pointrend.settings.definition import CODE
from tests.trust.attacks.attack import RIGHT, attacks
from tests.trust.attacks.base import AGAIN, AGAIN_OR_NOT, OF_TRAINING, RUN
from tests.trust.attacks.site import PROGRAMS, Site, Step, edit, restoring

Edit = tuple[str, str, str]
EVALUATE = "evaluate voc_r50"
SEGMENTERS, SCORE = "pointrend/evaluation/segmenters.py", "pointrend/evaluation/score.py"
TRANSFORMS, VOC_CODE = "pointrend/training/transforms.py", "pointrend/datasets/voc.py"
WITHOUT_REFINEMENT = (SEGMENTERS, "label_map(inference.refined,", "label_map(inference.coarse,")
SCORING: dict[str, Edit] = {
    "score without refinement": WITHOUT_REFINEMENT,
    "score the train split": (SCORE, 'setting.dataset), "val")', 'setting.dataset), "train")'),
    "score larger images": (SCORE, "TestTransform(recipe.base_size)", "TestTransform((96, 64))"),
}
UPSIDE_DOWN = (TRANSFORMS, "cv2.flip(image.re", "cv2.flip(image[::-1].re")
TRAINING: dict[str, Edit] = {
    "flip upside down": UPSIDE_DOWN,
    "loss without its weight": ("pointrend/model/pointrend.py", "arch.coarse_loss_weight * loss", "0 * loss"),
}
OWN_AGAIN = tuple(f"own {verb}" for verb in AGAIN)
NO_THINGS = (VOC_CODE, "ignored=[255]", "ignored=[255, *range(1, 21)]")
OWN_EVALUATE = f"own {EVALUATE}"
OTHER_CODE = f"is not the one that the golden numbers were checked with ({CODE})"
PREPARED = "prepared by other code|prepared by different code"


def back(change: Edit, *commands: str) -> Step:
    """Edit, run verbs, edit back."""
    return restoring(change[0], edit(*change), *(f"own {command}" for command in commands))


def same_time(site: Site) -> None:
    """An edit that keeps the file's size and time."""
    old, new = (text.encode() for text in WITHOUT_REFINEMENT[1:])
    site.retimed(SEGMENTERS, lambda data: data.replace(old, new + b" "))
    assert len(old) == len(new) + 1


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


def shadowed(site: Site) -> None:
    """Another copy of the package comes first on PYTHONPATH."""
    site.take("pointrend", "shadow/pointrend")
    site.edit(f"shadow/{SEGMENTERS}", *WITHOUT_REFINEMENT[1:])
    with site.env(PYTHONPATH=site.path("shadow")):
        code, printed = site.process(str(PROGRAMS / "pointrend"), "--quiet", *EVALUATE.split())
    site.ended(EVALUATE, code, printed, 0)


EDITS_WHILE_STARTING = """
from pathlib import Path
from pointrend.checkout.code_digest import code_digest
code_digest("train", "voc")
name, old, new = {edit!r}
Path(name).write_text(Path(name).read_text().replace(old, new))
from pointrend.cli import main
raise SystemExit(main(["--quiet", "train", "voc_r50"]))
"""


def edited_while_starting(site: Site) -> None:
    """The digest is of the code before an edit; what is imported afterwards is not."""
    site.path("starts.py").write_text(EDITS_WHILE_STARTING.format(edit=UPSIDE_DOWN))
    site.drop("checkpoints", RUN)
    site.ended("train voc_r50", *site.process(sys.executable, "starts.py"), 3)


def older_code_json(site: Site) -> None:
    """published/code.json of another release."""
    code = site.json("published/code.json")
    code["evaluate"]["voc"] = "0" * 64
    site.path("published/code.json").write_text(canonical_json(code))


attack = attacks("code", long=True)
LEFT = {"wrong": True, "own": True}
ATTACKS = (
    *(
        attack(f"{name}, edited back", STALE_SCORE, back(change, EVALUATE), wrong=True)
        for name, change in SCORING.items()
    ),
    attack(
        *("score without refinement, left", f"evaluate {OTHER_CODE}", edit(*WITHOUT_REFINEMENT), f"own {EVALUATE}"),
        **LEFT,
    ),
    *(
        attack(f"train: {name}, edited back", STALE, back(change, *AGAIN), wrong=True)
        for name, change in TRAINING.items()
    ),
    attack("train: flip upside down, left", f"train {OTHER_CODE}", edit(*UPSIDE_DOWN), *OWN_AGAIN, **LEFT),
    attack(
        *("train by other code, old train.json", "scores other weights"),
        restoring(tuple(f"{RUN}/{name}" for name in OF_TRAINING), back(UPSIDE_DOWN, *AGAIN)),
        wrong=True,
    ),
    attack("prepare: ignore all things, edited back", PREPARED, back(NO_THINGS, "prepare voc"), f"{EVALUATE} -> 2"),
    attack(
        *("prepare: ignore all things, left", f"prepare {OTHER_CODE}", edit(*NO_THINGS), "own prepare voc", *OWN_AGAIN),
        own=True,
    ),
    attack("train and evaluate ignore all things", PREPARED, back(NO_THINGS, *AGAIN_OR_NOT), touches=False),
    attack(*("an edit of the same size and time, left", f"evaluate {OTHER_CODE}", same_time, OWN_EVALUATE), **LEFT),
    attack(
        *("an edit while the command starts", "was changed while this command was starting|changed while this command"),
        restoring("pointrend", edited_while_starting),
    ),
    attack("bytecode of other code", RIGHT, stale_bytecode, OWN_EVALUATE),
    attack("another package first on PYTHONPATH", STALE_SCORE, shadowed, wrong=True),
    attack("code.json of another release", "the code of evaluate is not the one", older_code_json, long=False),
)
