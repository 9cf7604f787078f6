"""The stages of the pipeline. Only this table defines the DAG.

dvc.yaml is generated from it (`make dvc`), and the rules of the Snakefile take their files, commands and digests from
it. A stage is redone when a file that it reads, a value at one of its paths in params.yaml, or its code changes.

Names in braces are filled in: by DVC from its matrix, by Snakemake from wildcards, by :meth:`Stage.filled` in Python.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pointrend.checkout.code_digest import UNITS
from pointrend.settings.params import RECIPE_LAYERS
from pointrend.settings.project import STORE_FILES

ONCE: tuple[str, ...] = ()
EACH_RUN = ("dataset", "backbone", "seed")
EACH_PUBLISHED = ("dataset", "backbone")


@dataclass(frozen=True)
class Stage:
    """One stage; there is one job of it for each combination of ``each``, or a single one."""

    name: str
    each: tuple[str, ...]
    command: str  # what follows `pointrend --scale {scale}`
    job: str  # name of the job's log file
    outs: Mapping[str, str]  # written files by name, the record that is written last first
    values: tuple[str, ...]  # paths in params.yaml, those of the stages before included
    needs: tuple[str, ...] = ()  # stages whose files are read
    reads: tuple[str, ...] = ()  # other files that are read
    code: str = ""  # key in UNITS
    published: bool = False  # exists only at scales that have published files
    metrics: tuple[str, ...] = ()  # outs that `dvc metrics show` prints, always cached
    cached: bool = True  # whether DVC keeps the files in its cache

    @property
    def units(self) -> tuple[str, ...]:
        """Folders and files of the package whose change redoes the stage."""
        return tuple(f"pointrend/{unit}" for unit in UNITS[self.code]) if self.code else ()

    def dependencies(self) -> tuple[str, ...]:
        """All files that the stage reads, its code last."""
        return (*(out for need in self.needs for out in STAGES[need].outs.values()), *self.reads, *self.units)


ARCHIVES = ("datasets.{dataset}.archives", "scales.{scale}.data", "scales.{scale}.images")
DATA = (*ARCHIVES, "datasets.{dataset}.images", "scales.{scale}.limit")
BACKBONE = ("backbones.{backbone}.pretrained", "scales.{scale}.pretrained")
SCORING = ("scales.{scale}.pictures", "scales.{scale}.inference")
TRAINING = (*DATA, *BACKBONE, "backbones.{backbone}.depth", *RECIPE_LAYERS)
RELEASED, LOG, CFG = (("published.{run}." + kind, "scales.{scale}.published") for kind in ("released", "log", "cfg"))
PUBLISHED = (
    *("pointrend_table.json", "definition.json", "code.json", "retrainings.csv"),
    *("independent.json", "demo_original.json"),
)
OF_SCALE = ("published", "data", "images", "limit", "pretrained", "pictures", "inference", "recipe", "datasets")
EVERYTHING = (
    "seeds",
    "recipe",
    "datasets",
    "backbones",
    "runs",
    "published",
    *("scales.{scale}." + key for key in OF_SCALE),
)


def _fetch(stage: str, name: str, each: tuple[str, ...], values: tuple[str, ...], code: str = "") -> Stage:
    outs = {"manifest": f"data/{{scale}}/archives/{name}.json", "files": f"data/{{scale}}/archives/{name}"}
    return Stage(stage, each, f"fetch {name}", f"fetch-{name}", outs, values, code=code, published="{run}" in name)


def _scored(folder: str) -> dict[str, str]:
    files = {"record": "evaluate.json", "metrics": "metrics.json"}
    files |= {"counts": "confusion.parquet", "matrix": "matrix.parquet", "pictures": "pictures"}
    return {key: f"runs/{{scale}}/{folder}/{file}" for key, file in files.items()}


STAGES = {
    stage.name: stage
    for stage in (
        _fetch("fetch", "{dataset}", ("dataset",), ARCHIVES, "draw"),
        _fetch("fetch_backbone", "backbone_{backbone}", ("backbone",), BACKBONE),
        _fetch("fetch_released", "released_{run}", EACH_PUBLISHED, RELEASED),
        _fetch("fetch_log", "log_{run}", EACH_PUBLISHED, LOG),
        _fetch("fetch_cfg", "cfg_{run}", EACH_PUBLISHED, CFG),
        Stage(
            "prepare",
            each=("dataset",),
            command="prepare {dataset}",
            job="prepare-{dataset}",
            needs=("fetch",),
            values=DATA,
            code="prepare",
            outs={file: f"data/{{scale}}/{{dataset}}/{file}" for file in ("manifest.json", *STORE_FILES)},
        ),
        Stage(
            "train",
            each=EACH_RUN,
            command="train {run} --seed {seed}",
            job="train-{run}-s{seed}",
            needs=("prepare", "fetch_backbone"),
            values=TRAINING,
            code="train",
            outs={
                "record": "runs/{scale}/{run}-s{seed}/train.json",
                "model": "runs/{scale}/{run}-s{seed}/model.safetensors",
                "metrics": "runs/{scale}/{run}-s{seed}/metrics.jsonl",
                "curve": "runs/{scale}/{run}-s{seed}/curve.csv",
            },
        ),
        Stage(
            "evaluate",
            each=EACH_RUN,
            command="evaluate {run} --seed {seed}",
            job="evaluate-{run}-s{seed}",
            needs=("train", "prepare"),
            values=(*TRAINING, *SCORING),
            code="evaluate",
            outs=_scored("{run}-s{seed}"),
        ),
        Stage(
            "evaluate_released",
            each=EACH_PUBLISHED,
            command="evaluate {run} --released",
            job="evaluate-{run}-released",
            needs=("fetch_released", "prepare"),
            values=(*DATA, *RELEASED, "backbones.{backbone}.depth", *RECIPE_LAYERS, *SCORING),
            code="evaluate",
            outs=_scored("{run}-released"),
            published=True,
        ),
        Stage(
            "audit",
            each=EACH_PUBLISHED,
            command="audit {run} --record",
            job="audit-{run}",
            needs=("fetch_log", "fetch_cfg"),
            values=(
                *dict.fromkeys((*LOG, *CFG)),
                "scales.{scale}.images",
                "datasets.{dataset}.images",
                "datasets.{dataset}.sets",
                "backbones.{backbone}.depth",
                "scales.{scale}.pretrained",
                *RECIPE_LAYERS,
            ),
            code="audit",
            outs={key: f"runs/{{scale}}/{{run}}-published/{key}.json" for key in ("audit", "curve")},
            published=True,
        ),
        Stage(
            "compare",
            each=ONCE,
            command="compare",
            job="compare",
            # Every run and seed: DVC cannot list them one by one.
            reads=("runs/{scale}", *(f"published/{name}" for name in PUBLISHED)),
            values=EVERYTHING,
            code="compare",
            outs={"results": "results/{scale}/results.json"},
            cached=False,  # the results of scale paper are under version control
        ),
        Stage(
            "report",
            each=ONCE,
            command="report",
            job="report",
            needs=("compare",),
            reads=("runs/{scale}",),
            values=EVERYTHING,
            code="report",
            outs={
                "readme": "results/{scale}/README.md",
                "page": "results/{scale}/index.html",
                "table": "results/{scale}/results.csv",
                "classes": "results/{scale}/classes.csv",
                "miou": "results/{scale}/metrics.json",
            },
            metrics=("miou",),
            cached=False,
        ),
        Stage(
            "track",
            each=ONCE,
            command="track sync",
            job="track",
            needs=("compare", "report"),
            values=(*EVERYTHING, "operation.tracking"),
            code="track",
            outs={"sent": "logs/{scale}/tracked.json"},
            cached=False,  # what was sent where; of this machine alone
        ),
    )
}

# All stages that fetch, in one: Snakemake's rule ``fetch``, whose values :func:`.workflow.fetch_stage` finds.
ANYTHING_FETCHED = _fetch("fetch", "{name}", ("name",), ())
