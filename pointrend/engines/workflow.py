"""What the engines ask: which runs are wanted, the command to call, and what each stage's result follows from."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pointrend.checkout.code_digest import code_digest
from pointrend.engines.slurm import (
    Resources,
    after,
    jobs_of_earlier_commands,
    train_options,
    train_resources,
    uses_gpus,
)
from pointrend.errors import ParamsError
from pointrend.files import sha256_json
from pointrend.settings.params import named_once, typed_seeds
from pointrend.settings.params_file import nearest
from pointrend.settings.project import Project

SELECTORS = ("scale", "runs", "seeds", "cluster")
OVERRIDES = ("pretrained", "gpus", "nodes")


@dataclass(frozen=True)
class Workflow:
    """A project with the runs and seeds that were asked for."""

    project: Project
    runs: tuple[str, ...]
    seeds: tuple[int, ...]
    cluster: bool = False
    """Whether jobs go to Slurm; its profile says so."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any], root: Path) -> Workflow:
        """Understand ``snakemake --config scale= runs= seeds= pretrained= gpus= nodes=``.

        Raises:
            ParamsError: an unknown key, run or scale, or a seed that is no number; the nearest name is given.
        """
        for key in config:
            if key not in SELECTORS + OVERRIDES:
                do = f"choose from {', '.join(SELECTORS + OVERRIDES)}; everything else stands in params.yaml"
                raise ParamsError(f"--config has no key {key!r}{nearest(key, SELECTORS + OVERRIDES)}", do)
            if config[key] is None:
                raise ParamsError(f"--config {key}= has no value", f"give it one or leave {key}= out")
        overrides = tuple(f"{key}={_yaml(config[key])}" for key in OVERRIDES if key in config)
        scale = config.get("scale")
        project = Project.load(root / "params.yaml", None if scale is None else str(scale), overrides)
        params = project.params
        names = (
            named_once(f"--config runs={config['runs']}", _items(config["runs"])) if "runs" in config else params.runs
        )
        runs = tuple(params.known("run", run, params.runs) for run in names)
        cluster = "cluster" in config and params.known("cluster", str(config["cluster"]), ("slurm",)) == "slurm"
        typed = "seeds" in config
        seeds = typed_seeds(f"--config seeds={config['seeds']}", _items(config["seeds"])) if typed else params.seeds
        wanted = cls(project, runs, seeds, cluster)
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

    @property
    def released(self) -> tuple[str, ...]:
        """The wanted runs whose released weights are scored at this scale."""
        return tuple(run for run in self.runs if run in self.project.released_runs)

    @property
    def audited(self) -> tuple[str, ...]:
        """The wanted runs whose published log and config are audited at this scale."""
        return tuple(run for run in self.runs if run in self.project.audited_runs)

    @property
    def published(self) -> tuple[str, ...]:
        """What is fetched of the wanted runs beside a published number."""
        audited = (f"{kind}_{run}" for run in self.audited for kind in ("log", "cfg"))
        return (*audited, *(f"released_{run}" for run in self.released))

    def command(self) -> str:
        """How a rule's command begins."""
        sets = [word for override in self.project.overrides for word in ("--set", override)]
        return shlex.join(["pointrend", "--scale", self.scale, *sets])

    def whole_command(self) -> str:
        """The command that makes everything for these runs and seeds."""
        params, config = self.project.params, [f"scale={self.scale}"]
        if self.runs != tuple(params.runs):
            config.append(f"runs={','.join(self.runs)}")
        if self.seeds != params.seeds:
            config.append(f"seeds={','.join(map(str, self.seeds))}")
        profile = ["--profile", "slurm"] if self.cluster else []
        return shlex.join(["snakemake", "--cores", "all", *profile, "--config", *config, *self.project.overrides])

    # What each stage's result follows from besides its input files: paths in params.yaml, and code. A change at one of
    # the paths, or in the code, redoes the stage. dvc.yaml names the same paths; paths accumulate along the DAG, so
    # that each engine can tell from params.yaml alone everything that it would run.

    def fetch_paths(self, name: str) -> list[str]:
        """Checksums, and what draws the demo's archives; not the places that archives come from."""
        if name in self.project.params.datasets:
            return [f"datasets.{name}.archives", f"scales.{self.scale}.data", f"scales.{self.scale}.images"]
        if name in self.project.published_files():
            kind, run = name.split("_", 1)
            return [f"published.{run}.{kind}", f"scales.{self.scale}.published"]
        return [f"backbones.{name.removeprefix('backbone_')}.pretrained", f"scales.{self.scale}.pretrained"]

    def prepare_paths(self, dataset: str) -> list[str]:
        """Those of the archives, the counts to be found, and the limit."""
        return [*self.fetch_paths(dataset), f"datasets.{dataset}.images", f"scales.{self.scale}.limit"]

    def train_paths(self, run: str) -> list[str]:
        """Those of the data and of the backbone, and every layer of the recipe."""
        params = self.project.params
        chosen = params.runs[run]
        backbone = [*self.fetch_paths(f"backbone_{chosen.backbone}"), f"backbones.{chosen.backbone}.depth"]
        return [*self.prepare_paths(chosen.dataset), *backbone, *params.recipe_paths(run)]

    def evaluate_paths(self, run: str) -> list[str]:
        """Those of the training, how many pictures are drawn, and how they are segmented."""
        return [*self.train_paths(run), *(f"scales.{self.scale}.{key}" for key in ("pictures", "inference"))]

    def evaluate_released_paths(self, run: str) -> list[str]:
        """Those of the data, the weights, the network, every layer of the recipe, and how many pictures are drawn."""
        params = self.project.params
        chosen = params.runs[run]
        weights = [*self.fetch_paths(f"released_{run}"), f"backbones.{chosen.backbone}.depth"]
        recipe = [*params.recipe_paths(run), *(f"scales.{self.scale}.{key}" for key in ("pictures", "inference"))]
        return [*self.prepare_paths(chosen.dataset), *weights, *recipe]

    def compare_paths(self) -> list[str]:
        """Everything that a stage before it follows from, and which seeds are listed."""
        whole = ("seeds", "recipe", "datasets", "backbones", "runs", "published")
        scale = ("data", "images", "limit", "pretrained", "pictures", "inference", "recipe", "datasets", "published")
        return [*whole, *(f"scales.{self.scale}.{key}" for key in scale)]

    def track_paths(self) -> list[str]:
        """Those of the tables, and whether anything is sent."""
        return [*self.compare_paths(), "operation.tracking"]

    def audit_paths(self, run: str) -> list[str]:
        """Those of the log and the config, and of what they are held against."""
        params = self.project.params
        chosen, scale = params.runs[run], f"scales.{self.scale}"
        counts = [f"{scale}.images", *(f"datasets.{chosen.dataset}.{key}" for key in ("images", "sets"))]
        network = [f"backbones.{chosen.backbone}.depth", f"{scale}.pretrained"]
        fetched = dict.fromkeys([*self.fetch_paths(f"log_{run}"), *self.fetch_paths(f"cfg_{run}")])
        return [*fetched, *counts, *network, *params.recipe_paths(run)]

    def fetch_digest(self, name: str) -> str:
        """Of the paths, replaced checksums, whether backbones are taken, and the code where it draws the archives."""
        pins = [pin.model_dump(mode="json") for pin in self.project.archives_of(name)]
        if name not in self.project.params.datasets:
            return self._digest(self.fetch_paths(name), pins, self.project.pretrained)
        drawn = self.project.scale.data == "drawn"
        return self._digest(self.fetch_paths(name), pins, code_digest("draw") if drawn else "")

    def prepare_digest(self, dataset: str) -> str:
        """Of the paths and the code, which is another one for each dataset."""
        return self._digest(self.prepare_paths(dataset), code_digest("prepare", dataset))

    def train_digest(self, run: str) -> str:
        """Of the paths, the overrides and the code; the data come in through their manifest."""
        return self._digest(self.train_paths(run), self.project.overrides, self._code("train", run))

    def evaluate_digest(self, run: str) -> str:
        """Of the paths, the overrides and the code; the weights come in through train.json."""
        return self._digest(self.evaluate_paths(run), self.project.overrides, self._code("evaluate", run))

    def evaluate_released_digest(self, run: str) -> str:
        """Of the paths, the overrides and the code; the weights come in through the manifest of what was fetched."""
        return self._digest(self.evaluate_released_paths(run), self.project.overrides, self._code("evaluate", run))

    def audit_digest(self, run: str) -> str:
        """Of the paths, the overrides and the code; log and config come in through what was fetched."""
        return self._digest(self.audit_paths(run), self.project.overrides, self._code("audit", run))

    def compare_digest(self) -> str:
        """Of the paths, the overrides, which seeds are listed, and the code."""
        return self._digest(self.compare_paths(), self.project.overrides, self.seeds, code_digest("compare"))

    def report_digest(self) -> str:
        """Of the paths and the code; the rest comes in through results.json."""
        return self._digest(self.compare_paths(), code_digest("report"))

    def track_digest(self) -> str:
        """Of the paths and the code; the rest comes in through results.json and the pages."""
        return self._digest(self.track_paths(), code_digest("track"))

    def compare_command(self) -> str:
        """The command that compares; seeds are named where they are not those of params.yaml."""
        seeds = "" if self.seeds == self.project.params.seeds else f" --seeds {','.join(map(str, self.seeds))}"
        return f"{self.command()} compare{seeds}"

    def _code(self, stage: str, run: str) -> str:
        return code_digest(stage, self.project.params.runs[run].dataset)

    def _digest(self, paths: list[str], *more: Any) -> str:
        key = repr((paths, more))
        if key not in self._digests:
            self._digests[key] = sha256_json([{path: self.project.params.value(path) for path in paths}, *more])
        return self._digests[key]

    @cached_property
    def _digests(self) -> dict[str, str]:
        """Those made so far: the seeds of a run share theirs."""
        return {}

    # What jobs are given.

    @property
    def group(self) -> str | None:
        """Training and scoring of a run are one Slurm job where both are short: asking after a job takes longer."""
        long = any(uses_gpus(self.project.setting(run).recipe) for run in self.runs)
        return "{run}-s{seed}" if self.cluster and not long else None

    def train_memory_mb(self, run: str) -> int:
        """Memory a node: measured 0.9 GB for the demo, about 1.5 GB for a 512x512 picture at full width."""
        recipe = self.project.setting(run).recipe
        pictures = recipe.batch_size * recipe.crop_size[0] * recipe.crop_size[1] / 512**2
        return int(1500 + 1500 * pictures * recipe.width / 64 / recipe.nodes)

    def train_resources(self, run: str) -> Resources:
        """CPUs, GPUs and nodes of a training."""
        return train_resources(self.project.setting(run).recipe)

    def train_options(self, run: str, seed: str) -> str:
        """Options of sbatch for a training, and for its group."""
        return train_options(self.project.setting(run).recipe, self._before("train", run, seed))

    def evaluate_gpus(self, run: str) -> int | None:
        """GPUs that scoring asks for."""
        return 1 if self.project.setting(run).recipe.device != "cpu" else None

    def evaluate_options(self, run: str, seed: str) -> str | None:
        """Options of sbatch for scoring; those of the whole group must be the same."""
        return self.train_options(run, seed) if self.group else self._after("evaluate", run, seed)

    def evaluate_released_options(self, run: str) -> str | None:
        """Options of sbatch for scoring the released weights of a run."""
        return self._after("evaluate_released", run)

    def prepare_options(self, dataset: str) -> str | None:
        """Options of sbatch for the preparation of a dataset."""
        return self._after("prepare", dataset)

    def _after(self, rule: str, *wildcards: str) -> str | None:
        return " ".join(after(self._before(rule, *wildcards))) or None

    def _before(self, rule: str, *wildcards: str) -> tuple[str, ...]:
        jobs = self.earlier_jobs
        alone = jobs.get(f"rule_{rule}_wildcards_{'_'.join(wildcards)}", ())
        grouped = jobs.get(f"rule_{wildcards[0]}-s{wildcards[-1]}_evaluate_train", ())
        return (*alone, *grouped)

    @cached_property
    def earlier_jobs(self) -> dict[str, tuple[str, ...]]:
        """Jobs that a killed command has left with Slurm."""
        return jobs_of_earlier_commands(self.project.root) if self.cluster else {}


def _items(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else str(value).split(",")


def _yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
