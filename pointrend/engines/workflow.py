"""What the engines ask: which runs are wanted, the command to call, and what each stage's result follows from."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
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
from pointrend.engines.stages import STAGES
from pointrend.errors import ParamsError
from pointrend.files import sha256_json
from pointrend.settings.params import named_once, typed_seeds
from pointrend.settings.params_file import nearest
from pointrend.settings.project import Project

SELECTORS = ("scale", "runs", "seeds", "cluster")
OVERRIDES = ("pretrained", "gpus", "nodes")
TARGETS = ("all", "data", "trained", "evaluated", "released")  # besides them, every run is one
LIKENESS = 0.8  # difflib's cutoff: below it a word is not taken for a misspelt target


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

    def check_targets(self, words: Iterable[str]) -> None:
        """Refuse a misspelt target among the ``words`` typed after `snakemake`, before Snakemake looks for its rule.

        Files, and words that resemble no target of ours, are left to Snakemake.

        Raises:
            ParamsError: one is misspelt, or belongs to another run or scale; the nearest target is named.
        """
        runs = self.project.params.runs
        for word in words:
            if word == "released":
                for run in self.runs:
                    self.project.check_published("released", run)
            if word in runs and word not in self.runs:
                what = f"the target {word} is not one of the wanted runs {', '.join(self.runs)}"
                raise ParamsError(what, "add it to runs=")
            if word in (*TARGETS, *STAGES, *runs) or not re.fullmatch(r"\w[\w-]*", word):
                continue
            if close := nearest(word, [*TARGETS, *runs], LIKENESS):
                raise ParamsError(f"there is no target {word!r}{close}", f"choose from {', '.join([*TARGETS, *runs])}")

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

    def digest(self, stage: str, **names: str) -> str:
        """sha256 of everything that a job follows from besides its input files (:data:`STAGES`).

        ``names`` are the run, the dataset or, for ``fetch``, the name of what is fetched.
        """
        key = (stage, *sorted(names.items()))
        if key not in self._digests:
            self._digests[key] = sha256_json(self._follows(stage, names))
        return self._digests[key]

    @cached_property
    def _digests(self) -> dict[tuple[Any, ...], str]:
        """Digests made so far: the seeds of a run share theirs."""
        return {}

    def _follows(self, stage: str, names: Mapping[str, str]) -> list[Any]:
        project, more = self.project, []
        if stage == "fetch":
            stage, fields = fetch_stage(project, names["name"])
            more += [[pin.model_dump(mode="json") for pin in project.archives_of(names["name"])], project.pretrained]
        else:
            fields = stage_fields(project, **names)
        table = STAGES[stage]
        if "recipe" in table.values:
            more.append(project.overrides)
        if stage == "compare":
            more.append(self.seeds)
        if table.code and not (table.code == "draw" and project.scale.data != "drawn"):
            more.append(code_digest(table.code, fields.get("dataset", "")))
        paths = [path.format(**fields) for path in table.values]
        return [{path: project.params.value(path) for path in paths}, *more]

    def compare_command(self) -> str:
        """The command that compares; seeds are named where they are not those of params.yaml."""
        seeds = "" if self.seeds == self.project.params.seeds else f" --seeds {','.join(map(str, self.seeds))}"
        return f"{self.command()} compare{seeds}"

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


def stage_fields(project: Project, run: str = "", **names: str) -> dict[str, str]:
    """What the names in braces of :data:`STAGES` stand for in one job."""
    chosen = project.params.runs[run] if run else None
    of_run = {"run": run, "dataset": chosen.dataset, "backbone": chosen.backbone} if chosen else {}
    return {"scale": project.params.scale, **of_run, **names}


def fetch_stage(project: Project, name: str) -> tuple[str, dict[str, str]]:
    """The stage that fetches what `fetch` calls ``name``, and its fields."""
    if name in project.params.datasets:
        return "fetch", stage_fields(project, dataset=name)
    kind, _, rest = name.partition("_")
    if kind == "backbone":
        return "fetch_backbone", stage_fields(project, backbone=rest)
    return f"fetch_{kind}", stage_fields(project, run=rest)


def _items(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else str(value).split(",")


def _yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
