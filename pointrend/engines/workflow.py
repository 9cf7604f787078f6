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
    cluster: bool = False  # whether jobs are sent to Slurm, as its profile sets it

    @classmethod
    def from_config(cls, config: Mapping[str, Any], root: Path) -> Workflow:
        """Understand ``snakemake --config scale= runs= seeds= pretrained= gpus= nodes=``.

        Raises:
            ParamsError: an unknown key, run or scale, or a seed that is no number; the nearest name is given.
        """
        for key in config:
            if key not in SELECTORS + OVERRIDES:
                do = f"choose from {', '.join(SELECTORS + OVERRIDES)}; everything else is set in params.yaml"
                raise ParamsError(f"--config has no key {key!r}{nearest(key, SELECTORS + OVERRIDES)}", do)
            if config[key] is None:
                raise ParamsError(f"--config {key}= has no value", f"give it one or leave {key}= out")
        overrides = tuple(f"{key}={_yaml(config[key])}" for key in OVERRIDES if key in config)
        project = Project.load(root / "params.yaml", str(config["scale"]) if "scale" in config else None, overrides)
        params = project.params
        runs, seeds = tuple(params.runs), params.seeds
        if "runs" in config:
            names = named_once(f"--config runs={config['runs']}", _items(config["runs"]))
            runs = tuple(params.known("run", run, params.runs) for run in names)
        cluster = "cluster" in config and params.known("cluster", str(config["cluster"]), ("slurm",)) == "slurm"
        if "seeds" in config:
            seeds = typed_seeds(f"--config seeds={config['seeds']}", _items(config["seeds"]))
        for run in runs:
            project.setting(run)
        return cls(project, runs, seeds, cluster)

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
        """The first words of every command of a rule."""
        sets = [word for override in self.project.overrides for word in ("--set", override)]
        return shlex.join(["pointrend", "--scale", self.scale, *sets])

    def whole_command(self) -> str:
        """The command that makes everything for these runs and seeds."""
        config = [f"scale={self.scale}"]
        if self.runs != tuple(self.project.params.runs):
            config.append(f"runs={','.join(self.runs)}")
        if self._other_seeds:
            config.append(f"seeds={self._other_seeds}")
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
        """The command of the stage that compares."""
        return f"{self.command()} compare" + (f" --seeds {self._other_seeds}" if self._other_seeds else "")

    @property
    def _other_seeds(self) -> str:
        """The seeds as they are typed; empty if they are those of params.yaml."""
        return "" if self.seeds == self.project.params.seeds else ",".join(map(str, self.seeds))


def stage_fields(project: Project, run: str = "", **names: str) -> dict[str, str]:
    """The values of the names in braces of :data:`STAGES` in one job."""
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
