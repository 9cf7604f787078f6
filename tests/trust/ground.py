"""A checkout that a test may spoil, in one of a few states, and the command line run in it."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import yaml

from pointrend.archives.verification import digest_file
from pointrend.cli import main
from pointrend.files import write_json
from tests.datasets.layouts import Members, archive_members, write_archives
from tests.mirrors import edit_mirrors
from tests.tiny import put
from tests.workflow.checkout import keep_dataset

ROOT = Path(__file__).parents[2]
# what a command may leave although it failed: its log, locks, the part of a download, the course of a training
PASSING = re.compile(r"^logs/|\.lock$|\.part(\.json)?$|/lease/|/starts/|^checkpoints/.*/(metrics.jsonl|attempts.json)$")
# images of train and val in the archives of tests.datasets.layouts
COUNTS = {"voc": (4, 2), "ade20k": (3, 2), "cityscapes": (3, 1)}
STEPS = ("fetch voc", "fetch backbone_r50", "prepare voc", "train voc_r50", "evaluate voc_r50", "compare", "report")


class Place:
    """A checkout in the folder ``root``: its files and its params."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def copy(self, root: Path) -> Self:
        """The same checkout elsewhere, with the same times and links."""
        subprocess.run(["cp", "-a", str(self.root), str(root)], check=True, timeout=60)
        return type(self)(root)

    def path(self, name: str) -> Path:
        return self.root / name

    def json(self, name: str) -> Any:
        return json.loads(self.path(name).read_text())

    def params(self) -> dict[str, Any]:
        return yaml.safe_load(self.path("params.yaml").read_text())

    def write_params(self, params: dict[str, Any], name: str = "params.yaml") -> None:
        self.path(name).write_text(yaml.safe_dump(params, sort_keys=False))

    def edit_params(self, change: Callable[[dict[str, Any]], Any]) -> None:
        params = self.params()
        change(params)
        self.write_params(params)

    def put(self, path: str, value: Any) -> None:
        self.edit_params(lambda params: put(params, path, value))

    def edit_mirrors(self, change: Callable[[dict[str, Any]], Any]) -> None:
        edit_mirrors(change, self.root)

    def set_urls(self, urls: Mapping[str, list[str]] | None) -> None:
        """Offer archives at these URLs; with None, no archive at any."""

        def change(mirrors: dict[str, Any]) -> None:
            for name, addresses in (urls or {name: [] for name in mirrors}).items():
                mirrors.setdefault(name, {"about_gb": 1.0})["urls"] = list(addresses)

        self.edit_mirrors(change)


class Ground(Place):
    """A checkout in which commands run while it is the working folder."""

    def flip(self, name: str) -> None:
        data = bytearray(self.path(name).read_bytes())
        data[len(data) // 2] ^= 1
        self.path(name).write_bytes(data)

    def archives(self, dataset: str, archives: Mapping[str, Members]) -> None:
        """Write archives as if they had been fetched."""
        write_archives(self.path(f"data/demo/archives/{dataset}"), archives)
        self.note_archives(dataset)

    def note_archives(self, dataset: str) -> None:
        """Write the manifest of the archives that are in their folder."""
        folder = self.path(f"data/demo/archives/{dataset}")
        digests = {path.name: (path.stat().st_size, digest_file(path)) for path in sorted(folder.iterdir())}
        files = {name: {"bytes": size, "md5": d.md5, "sha256": d.sha256} for name, (size, d) in digests.items()}
        write_json(folder.with_suffix(".json"), {"name": dataset, "set": "demo", "files": files})

    def tree(self) -> dict[str, str]:
        """sha256 of every file and the target of every link, by name, but for what may pass."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            name = path.relative_to(self.root).as_posix()
            if path.is_symlink():
                found[name] = f"link to {os.readlink(path)}"
            elif path.is_file() and not PASSING.search(name):
                try:
                    found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
                except PermissionError:
                    found[name] = f"unreadable, {path.stat().st_size} bytes"
        return found


def bare(root: Path) -> Ground:
    """Only params.yaml and published/."""
    root.mkdir(parents=True)
    shutil.copy(ROOT / "params.yaml", root / "params.yaml")
    shutil.copytree(ROOT / "published", root / "published")
    return Ground(root)


def with_archives(root: Path, dataset: str) -> Ground:
    """Tiny archives of one dataset, as if they had been fetched for the demo."""
    ground = bare(root)
    ground.put("scales.demo.images", dict(zip(("train", "val"), COUNTS[dataset], strict=True)))
    ground.archives(dataset, archive_members()[dataset])
    return ground


def one_run(root: Path) -> Ground:
    """Params with one run, voc_r50, of a few seconds."""
    ground = bare(root)

    def make_tiny(params: dict[str, Any]) -> None:
        keep_dataset(params, "voc")
        del params["backbones"]["r101"], params["runs"]["voc_r101"], params["published"]["voc_r101"]
        demo = params["scales"]["demo"]
        demo["images"], demo["pictures"] = {"train": 4, "val": 2}, 1
        demo["recipe"] |= {"batch_size": 2, "epochs": 2, "width": 4, "point_channels": 8, "fpn_channels": 8}
        demo["operation"] |= {"log_every": 1, "checkpoint_minutes": 0}

    ground.edit_params(make_tiny)
    return ground


def run(ground: Ground, steps: Sequence[str] = STEPS) -> Ground:
    """Run the DAG by hand, or its first steps."""
    with contextlib.chdir(ground.root):
        for step in steps:
            assert main(["--quiet", *step.split()]) == 0, step
    return ground


def make(state: str, root: Path) -> Ground:
    """A checkout in one of the states: ``bare``, the name of a dataset, ``one run``, ``prepared`` or ``done``."""
    makers: dict[str, Callable[[Path], Ground]] = {
        "bare": bare,
        "one run": one_run,
        "prepared": lambda root: run(one_run(root), STEPS[:3]),
        "done": lambda root: run(one_run(root)),
    }
    return makers[state](root) if state in makers else with_archives(root, state)
