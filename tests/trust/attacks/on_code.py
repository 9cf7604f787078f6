"""The checkout's own code, edited, used, and edited back; or edited and left; or not what seems to be there."""

from __future__ import annotations

import importlib.util
import os
import py_compile
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pointrend.files import canonical_json
from pointrend.results.run_files import STALE, STALE_SCORE
from pointrend.settings.definition import CODE
from tests.trust.attacks.attack import RIGHT, Attack
from tests.trust.attacks.base import AGAIN, RUN
from tests.trust.attacks.site import PROGRAMS, Site

SEGMENTERS = "pointrend/evaluation/segmenters.py"
WITHOUT_REFINEMENT = (SEGMENTERS, "label_map(inference.refined,", "label_map(inference.coarse,")
SCORING = {
    "score without refinement": WITHOUT_REFINEMENT,
    "score the train split": (
        "pointrend/evaluation/score.py",
        'setting.dataset), "val")',
        'setting.dataset), "train")',
    ),
    "score larger images": (
        "pointrend/evaluation/score.py",
        "TestTransform(recipe.base_size)",
        "TestTransform((96, 64))",
    ),
}
TRAINING = {
    "flip upside down": ("pointrend/training/transforms.py", "cv2.flip(image.re", "cv2.flip(image[::-1].re"),
    "loss without its weight": ("pointrend/model/pointrend.py", "arch.coarse_loss_weight * loss", "0 * loss"),
}
PREPARING = {"ignore all things": ("pointrend/datasets/voc.py", "ignored=[255]", "ignored=[255, *range(1, 21)]")}
OTHER_CODE = f"is not the one that the golden numbers were checked with ({CODE})"

Edit = tuple[str, str, str]


def back(edit: Edit, *commands: str) -> Callable[[Site], Any]:
    """Edit, run verbs, edit back."""

    def steps(site: Site) -> None:
        with site.restored(edit[0]):
            site.edit(*edit)
            site.own(*commands)

    return steps


def left(edit: Edit, *commands: str) -> Callable[[Site], Any]:
    """Edit and run verbs."""

    def steps(site: Site) -> None:
        site.edit(*edit)
        site.own(*commands)

    return steps


def same_time(site: Site) -> None:
    """An edit that keeps the file's size and time."""
    path = site.path(SEGMENTERS)
    before = path.stat()
    site.edit(SEGMENTERS, "label_map(inference.refined,", "label_map(inference.coarse, ")
    assert path.stat().st_size == before.st_size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    site.own("evaluate voc_r50")


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
    site.own("evaluate voc_r50")


def shadowed(site: Site) -> None:
    """Another copy of the package comes first on PYTHONPATH."""
    shutil.copytree(site.path("pointrend"), site.path("shadow/pointrend"))
    site.edit(f"shadow/{SEGMENTERS}", *WITHOUT_REFINEMENT[1:])
    with site.env(PYTHONPATH=site.path("shadow")):
        code, printed = site.process(str(PROGRAMS / "pointrend"), "--quiet", "evaluate", "voc_r50")
    site.ended("evaluate voc_r50", code, printed, 0)


def changed_class_list(site: Site) -> None:
    """The order of two classes in the code that reads labels, for train and evaluate alone."""
    edit = PREPARING["ignore all things"]
    with site.restored(edit[0]):
        site.edit(*edit)
        site.own(*AGAIN, expect=None)


def prepared_anew(site: Site) -> None:
    """Labels made by other code; the code is put back before they are used."""
    back(PREPARING["ignore all things"], "prepare voc")(site)
    site.point("evaluate voc_r50", expect=2)


def all_by_other_code(site: Site) -> None:
    left(PREPARING["ignore all things"], "prepare voc", *AGAIN)(site)


def trained_anew(edit: Edit) -> Callable[[Site], Any]:
    return back(edit, *AGAIN)


def restored_run(site: Site) -> None:
    """Train with other code; put back what came of it before, but the score."""
    names = [f"{RUN}/{name}" for name in ("train.json", "model.safetensors", "metrics.jsonl", "curve.csv")]
    with site.restored(*names):
        trained_anew(TRAINING["flip upside down"])(site)


def edited_while_starting(site: Site) -> None:
    """The digest is of the code before an edit; what is imported afterwards is not."""
    with site.restored("pointrend"):
        site.path("starts.py").write_text(EDITS_WHILE_STARTING.format(edit=TRAINING["flip upside down"]))
        site.drop("checkpoints", RUN)
        code, printed = site.process(sys.executable, "starts.py")
        site.ended("train voc_r50", code, printed, 3)


EDITS_WHILE_STARTING = """
from pathlib import Path
code_digest("train", "voc")
name, old, new = {edit!r}
Path(name).write_text(Path(name).read_text().replace(old, new))
from pointrend.cli import main
raise SystemExit(main(["--quiet", "train", "voc_r50"]))
"""


def older_code_json(site: Site) -> None:
    """published/code.json of another release."""
    code = site.json("published/code.json")
    code["evaluate"]["voc"] = "0" * 64
    site.path("published/code.json").write_text(canonical_json(code))


IN_PROCESSES = (
    *(
        Attack(f"{name}, edited back", "code", back(edit, "evaluate voc_r50"), STALE_SCORE, wrong=True)
        for name, edit in SCORING.items()
    ),
    Attack(
        "score without refinement, left",
        "code",
        left(WITHOUT_REFINEMENT, "evaluate voc_r50"),
        f"evaluate {OTHER_CODE}",
        wrong=True,
        own=True,
    ),
    *(
        Attack(f"train: {name}, edited back", "code", trained_anew(edit), STALE, wrong=True)
        for name, edit in TRAINING.items()
    ),
    Attack(
        "train: flip upside down, left",
        "code",
        left(TRAINING["flip upside down"], *AGAIN),
        f"train {OTHER_CODE}",
        wrong=True,
        own=True,
    ),
    Attack("train by other code, old train.json", "code", restored_run, "scores other weights", wrong=True),
    Attack("prepare: ignore all things, edited back", "code", prepared_anew, "prepared by other code"),
    Attack("prepare: ignore all things, left", "code", all_by_other_code, f"prepare {OTHER_CODE}", own=True),
    Attack("train and evaluate ignore all things", "code", changed_class_list, "prepared by other code", touches=False),
    Attack(
        "an edit of the same size and time, left", "code", same_time, f"evaluate {OTHER_CODE}", wrong=True, own=True
    ),
    Attack(
        "an edit while the command starts", "code", edited_while_starting, "was changed while this command was starting"
    ),
    Attack("bytecode of other code", "code", stale_bytecode, RIGHT),
    Attack("another package first on PYTHONPATH", "code", shadowed, STALE_SCORE, wrong=True),
)
ATTACKS = (
    *(replace(attack, long=True) for attack in IN_PROCESSES),
    Attack("code.json of another release", "code", older_code_json, "the code of evaluate is not the one"),
)
