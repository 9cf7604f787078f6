"""params.yaml as checked, typed values.

:func:`load_params` reads the file, :meth:`Params.setting` resolves the setting of one run. How a run differs from the
published one is judged by :mod:`pointrend.settings.definition`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, create_model, model_validator

from pointrend.errors import ParamsError
from pointrend.files import sha256_json
from pointrend.settings.archives import PUBLISHED_KINDS, Archive
from pointrend.settings.params_file import nearest, parse_override, read_yaml
from pointrend.settings.recipe import Count, FileName, Inference, Name, PositiveInt, Recipe
from pointrend.settings.validation import Strict, validated

_PLAIN: TypeAdapter[Any] = TypeAdapter(Any)
MOST_SEED = 2**32 - 1
Seed = Annotated[int, Field(ge=0, le=MOST_SEED)]
# What a score of given weights follows from; the rest of the recipe is about training.
SCORING_KEYS = (
    *("base_size", "output_stride", "width", "fpn_channels", "scale_channels", "point_channels"),
    *("subdivision_steps", "subdivision_points"),
)


def _partial(name: str, layer: str, **more: Any) -> Any:
    """The recipe's keys of one layer, all optional, to be merged into a whole recipe."""
    fields: dict[str, Any] = dict(more)
    for key in (key for key in Recipe.model_fields if key in Recipe.keys_of_layer(layer)):
        field = Recipe.model_fields[key]
        kind: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
        fields[key] = (kind | None, Field(None, description=field.description))
    return create_model(name, __base__=Strict, __doc__=f"Any keys of the {layer}.", **fields)


RecipePart: Any = _partial("RecipePart", "recipe")
OperationPart: Any = _partial("OperationPart", "operation")
TRACKING = "whether track sync and track follow send anything to MLflow (docs/tracking.md)"
Operation: Any = _partial("Operation", "operation", tracking=(bool, Field(description=TRACKING)))
RunPart: Any = _partial("RunPart", "recipe", dataset=(Name, ...), backbone=(Name, ...))


class Images(Strict):
    """Images in each split."""

    train: PositiveInt
    val: PositiveInt


class Sigma(Strict):
    """Standard deviation of the mIoU over seeds, from evidence other than ours; see docs/verdicts.md."""

    points: Annotated[float, Field(gt=0, le=100)]
    degrees: Count = Field(0, description="degrees of freedom of the evidence; 0: assumed")
    source: Annotated[str, Field(min_length=1)]


class DatasetParams(Strict):
    """A dataset: its archives, its full counts, and the recipe's numbers that belong to it."""

    images: Images
    sigma: Sigma
    about_megapixels: Annotated[float, Field(gt=0, le=10_000)]
    sets: Annotated[str, Field(pattern="^[A-Za-z0-9_]+/[A-Za-z0-9_]+$")]
    recipe: RecipePart
    archives: tuple[Archive, ...]


class BackboneParams(Strict):
    """A backbone: its depth, its name in the tables, its ImageNet weights."""

    depth: Literal[50, 101, 152]
    label: Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9 ._+-]*$", max_length=64)]
    pretrained: Archive


class PublishedFiles(Strict):
    """Names of the files that are offered beside a published number. In ``cfg`` the run's own config comes first."""

    log: Annotated[tuple[FileName, ...], Field(min_length=1, max_length=1)]
    cfg: Annotated[tuple[FileName, ...], Field(min_length=1)]
    released: Annotated[tuple[FileName, ...], Field(min_length=1, max_length=1)]


class ScaleParams(Strict):
    """How much of the recipe a scale runs, and on what. Nothing has a default: DVC needs every path to exist."""

    published: tuple[Literal["log", "cfg", "released"], ...]
    data: Literal["drawn", "official"]
    images: Images | None
    limit: PositiveInt | None
    pretrained: bool
    pictures: Count
    inference: Inference
    recipe: RecipePart
    operation: OperationPart
    datasets: dict[Name, RecipePart]

    @model_validator(mode="after")
    def _drawn_needs_counts(self) -> ScaleParams:
        if self.data == "drawn" and self.images is None:
            raise ValueError("data: drawn needs images: {train: N, val: N}")
        if self.data == "drawn" and self.pretrained:
            raise ValueError("data: drawn needs pretrained: false; nothing is downloaded for it")
        return self


class RunSetting(Strict):
    """Everything that holds for one run at one scale."""

    run: str
    scale: str
    dataset: str
    backbone: str
    depth: int
    recipe: Recipe

    def deterministic(self) -> dict[str, Any]:
        """What can change the weights: the part of the setting that enters the fingerprint."""
        left_out = Recipe.keys_of("operation") | Recipe.keys_of("scoring")
        kept = {key: value for key, value in self.recipe.model_dump(mode="json").items() if key not in left_out}
        return {"run": self.run, "dataset": self.dataset, "depth": self.depth, "recipe": kept}

    def fingerprint(self, seed: int, data: str, backbone: str | None, code: str) -> str:
        """What trained weights follow from, as one sha256: this setting, the seed, and the hashes of the rest."""
        parts = {"setting": self.deterministic(), "seed": seed, "data": data, "backbone": backbone, "code": code}
        return sha256_json(parts)

    def scoring_fingerprint(self, weights: str, data: str, code: str) -> str:
        """What a score of given weights follows from, as one sha256, as above."""
        recipe = self.recipe.model_dump(mode="json", include={*SCORING_KEYS, "inference"})
        network = {"dataset": self.dataset, "depth": self.depth, "recipe": recipe}
        return sha256_json({"setting": network, "weights": weights, "data": data, "code": code})


# Paths in params.yaml that a recipe is made from; the last one that names a key wins.
RECIPE_LAYERS = (
    "recipe",
    "datasets.{dataset}.recipe",
    "scales.{scale}.recipe",
    "scales.{scale}.datasets.{dataset}",
    "runs.{run}",
)


class Params(Strict):
    """The whole of params.yaml."""

    scale: Name
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    published_scales: tuple[Name, ...] = Field(
        description="where DVC has stages for what is published: [], or the one in `scale`"
    )
    recipe: RecipePart
    operation: Operation
    datasets: dict[Name, DatasetParams]
    backbones: dict[Name, BackboneParams]
    published: dict[Name, PublishedFiles]
    runs: dict[Name, RunPart]
    scales: dict[Name, ScaleParams]

    @model_validator(mode="after")
    def _names_exist(self) -> Params:
        _check_name("scale", self.scale, self.scales)
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds: list each seed once")
        if self.published_scales not in ((), (self.scale,)):
            raise ValueError(f"published_scales: must be [] or [{self.scale}], as scale is {self.scale}")
        for name in self.published_scales:
            if missing := [kind for kind in PUBLISHED_KINDS if kind not in self.scales[name].published]:
                raise ValueError(f"published_scales: scale {name} has no published {', '.join(missing)}")
        for name, run in self.runs.items():
            _check_name(f"runs.{name}.dataset", run.dataset, self.datasets)
            _check_name(f"runs.{name}.backbone", run.backbone, self.backbones)
        for name, scale in self.scales.items():
            for dataset in scale.datasets:
                _check_name(f"scales.{name}.datasets", dataset, self.datasets)
            if len(scale.datasets) < len(self.datasets):
                raise ValueError(f"scales.{name}.datasets: list every dataset, at least with {{}}")
        return self

    @model_validator(mode="after")
    def _runs_are_pairs(self) -> Params:
        # DVC cannot look up a run's dataset, so it makes the runs from both lists; see dvc.yaml.
        pairs = {f"{pair[0]}_{pair[1]}": pair for pair in itertools.product(self.datasets, self.backbones)}
        if {name: (run.dataset, run.backbone) for name, run in self.runs.items()} != pairs:
            raise ValueError(f"runs: must be every dataset with every backbone, {', '.join(pairs)}")
        for run in self.published:
            _check_name("published", run, self.runs)
        return self

    def at_scale(self, scale: str | None) -> Params:
        """The same params with another scale; None keeps it. Raises ParamsError for an unknown scale."""
        return self if scale is None else self.model_copy(update={"scale": self.known("scale", scale, self.scales)})

    @staticmethod
    def known(kind: str, name: str, names: Any) -> str:
        """``name`` if it is one of ``names``; else raises ParamsError, which suggests the nearest one."""
        if name not in names:
            raise ParamsError(f"there is no {kind} {name!r}{nearest(name, names)}", f"choose from {', '.join(names)}")
        return name

    def setting(self, run: str, overrides: tuple[str, ...] = ()) -> RunSetting:
        """Resolve one run at the current scale; ``overrides`` are KEY=VALUE texts and win over everything.

        Raises ParamsError for an unknown run or key, or values that do not fit together.
        """
        self.known("run", run, self.runs)
        scale = self.scales[self.scale]
        dataset = self.runs[run].dataset
        layers = [path.format(dataset=dataset, scale=self.scale, run=run) for path in RECIPE_LAYERS]
        values: dict[str, Any] = {key: getattr(scale, key) for key in Recipe.keys_of_layer("scale")}
        for path in (*layers, "operation", f"scales.{self.scale}.operation"):
            values |= {key: value for key, value in self.value(path).items() if value is not None}
        backbone = values.pop("backbone")
        del values["tracking"], values["dataset"]  # no part of the recipe
        for override in overrides:
            key, value = parse_override(override)
            self.known("key", key, Recipe.model_fields)
            values[key] = value
        do = "correct it where it was set, in params.yaml, with --set or --config"
        recipe = validated(Recipe, values, f"run {run} at scale {self.scale}", do)
        depth = self.backbones[backbone].depth
        return RunSetting(run=run, scale=self.scale, dataset=dataset, backbone=backbone, depth=depth, recipe=recipe)

    def value(self, path: str) -> Any:
        """The values of params.yaml at a dotted path; keys that it leaves out are left out."""
        found: Any = self
        for key in path.split("."):
            found = found[key] if isinstance(found, dict) else getattr(found, key)
        return _PLAIN.dump_python(found, mode="json", exclude_unset=True)


def load_params(path: Path) -> Params:
    """Read and check params.yaml.

    Raises ParamsError, one line, if the file is missing, is not a YAML mapping, or has a wrong key or value.
    """
    return validated(Params, read_yaml(path), str(path))


def typed_seed(text: str) -> int:
    """A seed as it is typed; raises ValueError if it is not a whole number or too large."""
    if not (text.isascii() and text.isdecimal()) or int(text) > MOST_SEED:
        raise ValueError(f"{text!r} is not a whole number from 0 to {MOST_SEED}")
    return int(text)


def typed_seeds(where: str, words: Iterable[str]) -> tuple[int, ...]:
    """Distinct seeds as they are typed, at least one; else raises ParamsError, which begins with ``where``."""
    try:
        seeds = [typed_seed(word) for word in named_once(where, words)]
    except ValueError as problem:
        raise ParamsError(f"{where}: {problem}", "write for example 0,1,2") from problem
    return tuple(map(int, named_once(where, map(str, seeds))))


def named_once(where: str, words: Iterable[str]) -> list[str]:
    """Distinct words without surrounding blanks, at least one; else raises ParamsError, which begins with ``where``."""
    names = [word.strip() for word in words if word.strip()]
    if not names:
        raise ParamsError(f"{where} names nothing", "name at least one")
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ParamsError(f"{where} names {name} twice", "name each once")
    return names


def schema() -> dict[str, Any]:
    """JSON schema of params.yaml, which is stored in workflow/schemas/params.schema.json."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Params.model_json_schema()}


def _check_name(where: str, name: str, names: Any) -> None:
    if name not in names:
        raise ValueError(f"{where}: there is no {name!r}{nearest(name, names)}")
