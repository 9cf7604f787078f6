"""What was published, as data, and in what a result differs from it.

A result is comparable with the published number where it equals published/definition.json in everything that is
defined there, and was computed by the code of published/code.json, which the golden numbers of the original
implementation were checked with. Everything else is a reason, in words. What is judged are records of results, which
say what was computed; :func:`wanted_reasons` judges what would be computed now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from pointrend.checkout.code_digest import code_digest
from pointrend.errors import ResultsError
from pointrend.files import read_json
from pointrend.settings.archives import OFFICIAL
from pointrend.settings.params import SCORING_KEYS, RunSetting
from pointrend.settings.project import Project
from pointrend.settings.validation import Strict, validated

DEFINITION, CODE = "definition.json", "code.json"
RESTORE = "take the folder published/ from the repository again"
STAGES = ("prepare", "train", "evaluate")
PAPER = "paper"
EXACT = {"NVIDIA_TF32_OVERRIDE": "0", "ONEDNN_DEFAULT_FPMATH_MODE": "STRICT", "DNNL_DEFAULT_FPMATH_MODE": "STRICT"}
"""Variables of the environment that choose the arithmetic whatever the setting says; with these values they do not."""

Record = Mapping[str, Any]


class Free(Strict):
    """A key of the recipe whose value was not published or changes no result, why, and the least value it may have."""

    because: str = Field(min_length=1)
    least: int | None = None


class Backbone(Strict):
    """Depth of a backbone, and how the sha256 of its ImageNet weights begins."""

    depth: int
    sha256_prefix: str = Field(pattern="^[0-9a-f]{8,64}$")


class DatasetDefinition(Strict):
    """A dataset: its archives and their checksums, its full counts, its part of the recipe."""

    archives: dict[str, dict[str, str]]
    images: dict[str, int]
    recipe: dict[str, Any]


class Definition(Strict):
    """The content of published/definition.json, and of published/code.json as ``code``."""

    sources: dict[str, str]
    recipe: dict[str, Any]
    free: dict[str, Free]
    datasets: dict[str, DatasetDefinition]
    backbones: dict[str, Backbone]
    code: dict[str, dict[str, str]]

    def training_reasons(self, record: Record) -> list[str]:
        """Why weights cannot be compared with the published number, from their train.json."""
        setting = record["setting"]
        reasons = [] if setting["scale"] == PAPER else [f"scale {setting['scale']}"]
        reasons += self._archive_set(record)
        if setting["dataset"] not in self.datasets:
            return [*reasons, "no recipe was published for this dataset"]
        if reasons:
            return reasons  # the scale says it all
        return [
            *self._values(setting, setting["recipe"].keys() - {"inference"}),
            *self._data(setting, record["data"], ("train", "val")),
            *self._backbone(setting, record["backbone_sha256"]),
            *_arithmetic(record),
            *self._code(setting, "train", record["code_sha256"]),
        ]

    def scoring_reasons(self, record: Record) -> list[str]:
        """Why a score cannot be compared with the published number, from its evaluate.json.

        How we train says nothing about weights that others trained, so only what the score follows from counts.
        """
        setting = record["setting"]
        if setting["dataset"] not in self.datasets:
            return [*self._archive_set(record), "nothing was published for this dataset"]
        return [
            *self._archive_set(record),
            *self._values(setting, (*SCORING_KEYS, "inference")),
            *self._data(setting, record["data"], ("val",)),
            *self._depth(setting),
            *_arithmetic(record),
            *self._code(setting, "evaluate", record["code_sha256"]),
        ]

    def _archive_set(self, record: Record) -> list[str]:
        found = record["data"]["pins"]
        return [] if found == OFFICIAL else [f"archives {found}"]

    def _recipe(self, dataset: str) -> dict[str, Any]:
        return {**self.recipe, **self.datasets[dataset].recipe}

    def _values(self, setting: Record, keys: Iterable[str]) -> list[str]:
        """Keys of the recipe that have another value than the published one, or of which nothing is known."""
        published, ours, reasons = self._recipe(setting["dataset"]), setting["recipe"], []
        for key in sorted(keys):
            least = self.free[key].least if key in self.free else None
            if key in published:
                if ours[key] != published[key]:
                    reasons.append(f"{key} {ours[key]} (published {published[key]})")
            elif key not in self.free:
                reasons.append(f"{key} {ours[key]} (nothing published)")
            elif least is not None and ours[key] < least:
                reasons.append(f"{key} {ours[key]} (published: at least {least})")
        return reasons

    def _data(self, setting: Record, data: Record, splits: Iterable[str]) -> list[str]:
        published, reasons = self.datasets[setting["dataset"]], []
        if data["pins"] == OFFICIAL:
            for name, digests in published.archives.items():
                found = data["archives"].get(name, {})
                reasons += [
                    f"{name} with {kind} {found.get(kind)} (published {digest})"
                    for kind, digest in digests.items()
                    if found.get(kind) != digest
                ]
        for split in splits:
            if data["images"].get(split) != published.images[split]:
                reasons.append(f"{data['images'].get(split)} images of {split} (published {published.images[split]})")
        return reasons + self._code(setting, "prepare", data["code_sha256"])

    def _depth(self, setting: Record) -> list[str]:
        published = self.backbones.get(setting["backbone"])
        if published is None:
            return [f"backbone {setting['backbone']} (nothing published)"]
        return (
            [] if setting["depth"] == published.depth else [f"depth {setting['depth']} (published {published.depth})"]
        )

    def _backbone(self, setting: Record, sha256: str | None) -> list[str]:
        reasons, published = self._depth(setting), self.backbones.get(setting["backbone"])
        if published is None or not setting["recipe"]["pretrained"]:
            return reasons  # of `pretrained` there is a reason by its own name
        same = sha256 is not None and sha256.startswith(published.sha256_prefix)
        shown = "None" if sha256 is None else sha256[:8]
        return reasons if same else [*reasons, f"backbone weights {shown} (published {published.sha256_prefix})"]

    def _code(self, setting: Record, stage: str, digest: str) -> list[str]:
        if self.code[stage].get(setting["dataset"]) == digest:
            return []
        return [f"the code of {stage} is not the one that the golden numbers were checked with ({CODE})"]


def _arithmetic(record: Record) -> list[str]:
    """Whether less exact arithmetic than that of the setting was in force, in any attempt, which only records say."""
    machines = [record.get("machine"), *(attempt.get("machine") for attempt in record.get("attempts", ()))]
    used = [machine.get("instruction_sets", {}) for machine in machines if machine]
    reasons = [
        f"{name}={found[name]} (which computes less exactly)"
        for name, exact in EXACT.items()
        for found in used
        if found.get(name, exact).upper() != exact
    ]
    return reasons + (["TF32 was allowed"] if record.get("precision", {}).get("tf32") else [])


def load_definition(folder: Path) -> Definition:
    """Read definition.json and code.json in ``folder``, which is published/.

    Raises:
        ResultsError: one of them cannot be read or has another form.
    """
    definition, code = (read_json(folder / name, ResultsError, RESTORE) for name in (DEFINITION, CODE))
    if not isinstance(definition, dict):
        raise ResultsError(f"{folder / DEFINITION} is not a JSON object", RESTORE)
    return validated(Definition, {**definition, "code": code}, f"{folder.name}/{DEFINITION}", RESTORE)


def code_of_stages(datasets: Iterable[str]) -> dict[str, dict[str, str]]:
    """What published/code.json has to hold for the code that is here."""
    return {stage: {dataset: code_digest(stage, dataset) for dataset in datasets} for stage in STAGES}


def wanted_reasons(project: Project, setting: RunSetting, released: bool = False) -> list[str]:
    """Why a training, or a score of released weights, that starts now would not be comparable."""
    definition, dataset = load_definition(project.published_folder), setting.dataset
    archives = project.archives_of(dataset)
    images, limit = project.expected_images(dataset).model_dump(), project.scale.limit
    record = {
        "setting": setting.model_dump(mode="json"),
        "data": {
            "pins": project.archive_set,
            "archives": {pin.name: {"md5": pin.md5, "sha256": pin.sha256} for pin in archives},
            "images": {split: count if limit is None else min(count, limit) for split, count in images.items()},
            "code_sha256": code_digest("prepare", dataset),
        },
        "backbone_sha256": project.params.backbones[setting.backbone].pretrained.sha256_prefix,
    }
    scoring = definition.scoring_reasons({**record, "code_sha256": code_digest("evaluate", dataset)})
    if released:
        return scoring
    training = definition.training_reasons({**record, "code_sha256": code_digest("train", dataset)})
    return list(dict.fromkeys([*training, *scoring])) if setting.scale == PAPER else training
