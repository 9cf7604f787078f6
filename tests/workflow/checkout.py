"""A checkout of its own for tests of the workflow: a copy of the project with datasets and trainings made tiny."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import yaml

ROOT = Path(__file__).parents[2]
COPIED = ("Snakefile", "workflow", "published", "pointrend", "README.md", ".gitignore")
DVC = ("dvc.yaml", ".dvcignore", ".dvc/config", ".dvc/.gitignore")


class Checkout:
    """A copy of the project in which commands can be run without touching this one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        copy_parts(root, COPIED)
        (root / ".dvc").mkdir()
        for name in DVC:
            shutil.copy(ROOT / name, root / name)
        params = yaml.safe_load((ROOT / "params.yaml").read_text())
        demo = params["scales"]["demo"]
        demo["images"] = {"train": 8, "val": 4}
        demo["recipe"] |= {"batch_size": 4, "epochs": 2, "width": 4, "point_channels": 8, "fpn_channels": 8}
        demo["operation"] |= {"log_every": 1}
        demo["pictures"] = 0
        params["operation"]["tracking"] = False  # MLflow takes seconds; tests/engines/test_tracking.py has it on
        self.write_params(params)

    def params(self) -> dict:
        return yaml.safe_load((self.root / "params.yaml").read_text())

    def write_params(self, params: dict) -> None:
        (self.root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))

    def run(self, *command: str, expect: int = 0) -> str:
        with self.start(*command) as process:
            output, _ = process.communicate(timeout=400)
        assert process.returncode == expect, output[-5000:]
        return output

    def start(self, *command: str) -> subprocess.Popen[str]:
        programs = Path(sys.executable).parent
        env = {key: value for key, value in os.environ.items() if not key.startswith("POINTREND_")}
        env |= {"PATH": f"{programs}:{env['PATH']}", "PYTHONPATH": str(self.root)}
        env |= {"DVC_SITE_CACHE_DIR": str(self.root.parent / "dvc")}
        both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen([str(programs / command[0]), *command[1:]], cwd=self.root, env=env, **both)

    def copy(self, root: Path) -> Self:
        subprocess.run(["cp", "-a", str(self.root), str(root)], check=True, timeout=60)
        return self.at(root)

    @classmethod
    def at(cls, root: Path) -> Self:
        """A checkout that is there already."""
        checkout = cls.__new__(cls)
        checkout.root = root
        return checkout

    @classmethod
    def of_voc(cls, root: Path) -> Self:
        """One in which nothing has run, with the runs voc_r50 and voc_r101 alone."""
        checkout = cls(root)
        keep_dataset(params := checkout.params(), "voc")
        checkout.write_params(params)
        return checkout

    def commit(self) -> None:
        self.git("init", "--quiet")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "start")

    def git(self, *words: str) -> str:
        """Run git as an author of its own."""
        command = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org", *words]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True, timeout=60).stdout

    def commands(self, engine: str, *words: str) -> set[str]:
        """The commands that ``snakemake`` or ``dvc`` would run, without ``pointrend --scale demo``."""
        dry = {"snakemake": ("snakemake", "--cores", "2", "-n", "-p"), "dvc": ("dvc", "repro", "--dry")}
        output = self.run(*dry[engine], *words)
        return set(re.findall(r"^(?:Shell command:|>) pointrend --scale demo (.*)$", output, re.MULTILINE))

    def planned(self, *config: str) -> Counter[str]:
        """The jobs that snakemake would run, counted by rule."""
        output = self.snakemake(*config, options=("-n", "--quiet", "reason"))
        rules = re.findall(r"^(?:local)?rule (\w+):", output, re.MULTILINE)
        return Counter(rule for rule in rules if rule != "all")

    def snakemake(self, *config: str, options: tuple[str, ...] = ()) -> str:
        return self.run("snakemake", "--cores", "2", *options, *(("--config", *config) if config else ()))


def copy_parts(root: Path, names: Iterable[str]) -> None:
    """Make the folder ``root`` with these files and folders of the project."""
    root.mkdir()
    for name in names:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, root / name)


def keep_dataset(params: dict, kept: str) -> None:
    for mapping in (params["datasets"], *(scale["datasets"] for scale in params["scales"].values())):
        for name in set(mapping) - {kept}:
            del mapping[name]
    params["runs"] = {name: run for name, run in params["runs"].items() if run["dataset"] == kept}
    params["published"] = {name: files for name, files in params["published"].items() if name in params["runs"]}
