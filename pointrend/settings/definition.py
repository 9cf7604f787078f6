"""The published definition as data, and how a result differs from it.

A result is comparable with the published number if it equals published/definition.json in everything that is defined
there, and was computed by the code of published/code.json, for which the golden numbers of the original implementation
were checked. At scale demo, published/demo_original.json defines what the original was trained on instead. Every
difference is a reason, in words. Records of results are judged, which state what was computed;
:func:`wanted_reasons` judges what would be computed now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from pointrend.checkout.code_digest import code_digest
from pointrend.errors import ResultsError
from pointrend.files import read_json
from pointrend.settings.archives import DRAWN, OFFICIAL
from pointrend.settings.params import SCORING_KEYS, RunSetting
from pointrend.settings.project import Project
from pointrend.settings.validation import Strict, validated

DEFINITION, CODE, ORIGINAL = "definition.json", "code.json", "demo_original.json"
RESTORE = "restore the folder published/ from the repository"
STAGES = ("prepare", "train", "evaluate")
PAPER, DEMO = "paper", "demo"  # the scales at which a result can be comparable
# Variables of the environment that choose the arithmetic whatever the setting is; with these values they do not.
EXACT = {"NVIDIA_TF32_OVERRIDE": "0", "ONEDNN_DEFAULT_FPMATH_MODE": "STRICT", "DNNL_DEFAULT_FPMATH_MODE": "STRICT"}

Record = Mapping[str, Any]


class Free(Strict):
    """A key of the recipe without a published value: why it does not decide comparability, and its least value."""

    because: str = Field(min_length=1)
    least: int | None = None


class Backbone(Strict):
    """Depth of a backbone, and the beginning of the sha256 of its ImageNet weights."""

    depth: int
    sha256_prefix: str = Field(pattern="^[0-9a-f]{8,64}$")


class DatasetDefinition(Strict):
    """A dataset: its archives and their checksums, its full counts, its part of the recipe."""

    archives: dict[str, dict[str, str]]
    images: dict[str, int]
    recipe: dict[str, Any]


class OriginalTraining(Strict):
    """A training by the original implementation on the demo's images: its mIoU and the IoU of its classes in percent.

    ``losses``: finished iterations, and the means over the 50 iterations before of the total, point and coarse loss.
    """

    seed: int
    miou: float
    iou: dict[str, float]
    losses: tuple[tuple[int, float, float, float], ...]


class DemoOriginal(Strict):
    """The content of published/demo_original.json: what the original was trained on, and its trainings by run.

    ``recipe`` has what differs from the published one.
    """

    about: tuple[str, ...]
    recipe: dict[str, Any]
    datasets: dict[str, DatasetDefinition]
    runs: dict[str, Annotated[tuple[OriginalTraining, ...], Field(min_length=2)]]


class Definition(Strict):
    """The content of published/definition.json, and of published/code.json as ``code``.

    ``whose`` numbers it defines, and the ``scale`` and the set of ``archives`` that they are of.
    """

    whose: str = "published"
    scale: str = PAPER
    archives: str = OFFICIAL
    sources: dict[str, str]
    recipe: dict[str, Any]
    free: dict[str, Free]
    datasets: dict[str, DatasetDefinition]
    backbones: dict[str, Backbone]
    code: dict[str, dict[str, str]]

    def training_reasons(self, record: Record) -> list[str]:
        """Why weights are not comparable with the published number, from their train.json."""
        setting, archives = record["setting"], self._archive_set(record)
        reasons = ([] if setting["scale"] == self.scale else [f"scale {setting['scale']}"]) + archives
        if setting["dataset"] not in self.datasets:
            return [*reasons, "no recipe was published for this dataset"]
        if reasons:
            return reasons  # a scale implies the rest
        weights = self._weights(setting, record["backbone_sha256"])
        return weights + self._reasons(record, "train", setting["recipe"].keys() - {"inference"}, ("train", "val"))

    def scoring_reasons(self, record: Record) -> list[str]:
        """Why a score is not comparable with the published number, from its evaluate.json.

        Only what a score follows from counts: how we train does not matter for weights that others trained.
        """
        setting, archives = record["setting"], self._archive_set(record)
        if setting["dataset"] not in self.datasets:
            return [*archives, "nothing was published for this dataset"]
        return archives + self._reasons(record, "evaluate", (*SCORING_KEYS, "inference"), ("val",))

    def _reasons(self, record: Record, stage: str, keys: Iterable[str], splits: Iterable[str]) -> list[str]:
        setting = record["setting"]
        return [
            *self._values(setting, keys),
            *self._data(setting, record["data"], splits),
            *self._depth(setting),
            *_arithmetic(record),
            *self._code(setting, stage, record["code_sha256"]),
        ]

    def _archive_set(self, record: Record) -> list[str]:
        found = record["data"]["pins"]
        return [] if found == self.archives else [f"archives {found}"]

    def _values(self, setting: Record, keys: Iterable[str]) -> list[str]:
        """Keys of the recipe whose value is not the published one, or of which nothing is known."""
        published = self.recipe | self.datasets[setting["dataset"]].recipe
        ours, reasons = setting["recipe"], []
        for key in sorted(keys):
            least = self.free[key].least if key in self.free else None
            if key in published:
                if ours[key] != published[key]:
                    reasons.append(f"{key} {ours[key]} ({self.whose} {published[key]})")
            elif key not in self.free:
                reasons.append(f"{key} {ours[key]} (nothing published)")
            elif least is not None and ours[key] < least:
                reasons.append(f"{key} {ours[key]} (published: at least {least})")
        return reasons

    def _data(self, setting: Record, data: Record, splits: Iterable[str]) -> list[str]:
        published, found = self.datasets[setting["dataset"]], data["archives"]
        reasons = [
            f"{name} with {kind} {found.get(name, {}).get(kind)} ({self.whose} {digest})"
            for name, digests in published.archives.items()
            for kind, digest in digests.items()
            if data["pins"] == self.archives and found.get(name, {}).get(kind) != digest
        ]
        reasons += [
            f"{data['images'].get(split)} images of {split} ({self.whose} {published.images[split]})"
            for split in splits
            if data["images"].get(split) != published.images[split]
        ]
        return reasons + self._code(setting, "prepare", data["code_sha256"])

    def _depth(self, setting: Record) -> list[str]:
        published = self.backbones.get(setting["backbone"])
        if published is None:
            return [f"backbone {setting['backbone']} (nothing published)"]
        same = setting["depth"] == published.depth
        return [] if same else [f"depth {setting['depth']} (published {published.depth})"]

    def _weights(self, setting: Record, sha256: str | None) -> list[str]:
        published = self.backbones.get(setting["backbone"])
        if published is None or not setting["recipe"]["pretrained"]:
            return []  # each has a reason of its own
        same = str(sha256).startswith(published.sha256_prefix)
        return [] if same else [f"backbone weights {str(sha256)[:8]} (published {published.sha256_prefix})"]

    def _code(self, setting: Record, stage: str, digest: str) -> list[str]:
        reason = f"the code of {stage} is not the one that the golden numbers were checked with ({CODE})"
        return [] if self.code[stage].get(setting["dataset"]) == digest else [reason]


def _arithmetic(record: Record) -> list[str]:
    """Whether less exact arithmetic than that of the setting was used in any attempt; only records state it."""
    machines = [record.get("machine"), *(attempt.get("machine") for attempt in record.get("attempts", ()))]
    used = [machine.get("instruction_sets", {}) for machine in machines if machine]
    reasons = [
        f"{name}={found[name]} (which computes less exactly)"
        for name, exact in EXACT.items()
        for found in used
        if found.get(name, exact).upper() != exact
    ]
    return reasons + (["TF32 was allowed"] if record.get("precision", {}).get("tf32") else [])


def load_definition(folder: Path, scale: str = PAPER) -> Definition:
    """What numbers at this scale can be compared with, from ``folder``, which is published/.

    Raises ResultsError if a file there cannot be read.
    """
    definition, code = (read_json(folder / name, ResultsError, RESTORE) for name in (DEFINITION, CODE))
    if not isinstance(definition, dict):
        raise ResultsError(f"{folder / DEFINITION} is not a JSON object", RESTORE)
    found: Definition = validated(Definition, {**definition, "code": code}, f"{folder.name}/{DEFINITION}", RESTORE)
    if scale != DEMO:
        return found
    original = load_original(folder)
    recipe = {**found.recipe, **original.recipe}
    named = {"whose": "original", "scale": DEMO, "archives": DRAWN}
    return found.model_copy(update={**named, "recipe": recipe, "datasets": original.datasets})


def load_original(folder: Path) -> DemoOriginal:
    """Read demo_original.json in ``folder``, which is published/; raises ResultsError or ParamsError if it cannot."""
    values = read_json(folder / ORIGINAL, ResultsError, RESTORE)
    original: DemoOriginal = validated(DemoOriginal, values, f"{folder.name}/{ORIGINAL}", RESTORE)
    return original


def code_of_stages(datasets: Iterable[str]) -> dict[str, dict[str, str]]:
    """The content of published/code.json for the code of this checkout."""
    return {stage: {dataset: code_digest(stage, dataset) for dataset in datasets} for stage in STAGES}


def wanted_reasons(project: Project, setting: RunSetting, released: bool = False) -> list[str]:
    """Why a training, or a score of released weights, that starts now would not be comparable."""
    definition, dataset = load_definition(project.published_folder, setting.scale), setting.dataset
    archives = {archive.name: archive.checksums for archive in project.archives_of(dataset)}
    if project.archive_set == DRAWN and dataset in definition.datasets:
        archives = definition.datasets[dataset].archives  # nothing is known of archives before they are drawn
    record = {
        "setting": setting.model_dump(mode="json"),
        "data": {
            "pins": project.archive_set,
            "archives": archives,
            "images": project.kept_images(dataset),
            "code_sha256": code_digest("prepare", dataset),
        },
        "backbone_sha256": project.params.backbones[setting.backbone].pretrained.sha256_prefix,
    }
    scoring = definition.scoring_reasons({**record, "code_sha256": code_digest("evaluate", dataset)})
    if released:
        return scoring
    training = definition.training_reasons({**record, "code_sha256": code_digest("train", dataset)})
    return list(dict.fromkeys([*training, *scoring])) if setting.scale == definition.scale else training
