"""What the engines ask: which runs are wanted, the command to call, and what each stage's result follows from."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pointrend.code_digest import code_digest
from pointrend.errors import ParamsError
from pointrend.files import sha256_json
from pointrend.params_file import nearest
from pointrend.project import Project

SELECTORS = ("scale", "runs", "seeds")
OVERRIDES = ("pretrained", "gpus")


@dataclass(frozen=True)
class Workflow:
    """A project with the runs and seeds that were asked for."""

    project: Project
    runs: tuple[str, ...]
    seeds: tuple[int, ...]

    @classmethod
    def from_config(cls, config: Mapping[str, Any], root: Path) -> Workflow:
        """Understand ``snakemake --config scale= runs= seeds= pretrained= gpus=``.

        Raises:
            ParamsError: an unknown key, run or scale, or a seed that is no number; the nearest name is given.
        """
        for key in config:
            if key not in SELECTORS + OVERRIDES:
                do = f"choose from {', '.join(SELECTORS + OVERRIDES)}; everything else stands in params.yaml"
                raise ParamsError(f"--config has no key {key!r}{nearest(key, SELECTORS + OVERRIDES)}", do)
        overrides = tuple(f"{key}={_yaml(config[key])}" for key in OVERRIDES if key in config)
        scale = config.get("scale")
        project = Project.load(root / "params.yaml", None if scale is None else str(scale), overrides)
        params = project.params
        runs = tuple(params.known("run", run, params.runs) for run in _items(config.get("runs", list(params.runs))))
        wanted = cls(project, runs, _seeds(config.get("seeds", list(params.seeds))))
        for run in runs:
            project.setting(run)
        return wanted

    @property
    def scale(self) -> str:
        """Name of the scale."""
        return self.project.params.scale

    @property
    def datasets(self) -> tuple[str, ...]:
        """Datasets of the wanted runs, each once."""
        return tuple(dict.fromkeys(self.project.params.runs[run].dataset for run in self.runs))

    def command(self) -> str:
        """How a rule's command begins."""
        sets = [word for override in self.project.overrides for word in ("--set", override)]
        return shlex.join(["pointrend", "--scale", self.scale, *sets])

    # What each stage's result follows from besides its input files. A changed digest redoes the stage.

    def fetch_digest(self, name: str) -> str:
        """Checksums and sizes of the files, or for drawn archives the code that draws them; not their places."""
        if self.project.scale.data == "drawn":
            return sha256_json([self._images(), code_digest("draw")])
        return sha256_json([pin.model_dump(exclude={"urls", "about_gb"}) for pin in self.project.archives_of(name)])

    def prepare_digest(self, dataset: str) -> str:
        """Counts to be found, the limit, and the code."""
        expected = self.project.expected_images(dataset).model_dump()
        return sha256_json([expected, self.project.scale.limit, code_digest("prepare")])

    def train_digest(self, run: str) -> str:
        """The run's setting and the code; the data come in through their manifest."""
        return sha256_json([self.project.setting(run).deterministic(), code_digest("train")])

    def evaluate_digest(self, run: str) -> str:
        """What evaluation takes from the setting, and the code; the weights come in through train.json."""
        return sha256_json([self.project.setting(run).recipe.pictures, code_digest("evaluate")])

    def compare_digest(self) -> str:
        """Which runs and seeds are listed, what makes them comparable, and the code."""
        settings = {run: self.project.setting(run).deterministic() for run in self.project.params.runs}
        return sha256_json([settings, list(self.seeds), code_digest("compare")])

    def report_digest(self) -> str:
        """The code alone."""
        return code_digest("report")

    def train_memory_mb(self, run: str) -> int:
        """Memory to ask for: measured 0.9 GB for the demo, about 1.5 GB for a 512x512 picture at full width."""
        recipe = self.project.setting(run).recipe
        pictures = recipe.batch_size * recipe.crop_size[0] * recipe.crop_size[1] / 512**2
        return int(1500 + 1500 * pictures * recipe.width / 64)

    def _images(self) -> Any:
        return self.project.scale.images and self.project.scale.images.model_dump()


def _items(value: Any) -> list[str]:
    return value if isinstance(value, list) else [item.strip() for item in str(value).split(",") if item.strip()]


def _seeds(value: Any) -> tuple[int, ...]:
    items = [str(item) for item in _items(value)]
    if not items or len(set(items)) != len(items) or not all(item.isdecimal() for item in items):
        do = "write for example --config seeds=0,1,2"
        raise ParamsError(f"seeds {value!r} are not different numbers from 0 up", do)
    return tuple(map(int, items))


def _yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
