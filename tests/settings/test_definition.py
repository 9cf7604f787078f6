"""What is comparable: everything that published/ defines, and nothing else."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from pointrend.files import canonical_json, write_json
from pointrend.settings.definition import CODE, code_of_stages, load_definition, wanted_reasons
from pointrend.settings.project import Project
from pointrend.settings.recipe import Recipe
from tests.tiny import put

ROOT = Path(__file__).parents[2]
RUNS = ("voc_r50", "voc_r101", "ade20k_r50", "ade20k_r101", "cityscapes_r50", "cityscapes_r101")
# Keys that change no result, or that upstream does not state:
FREE = {
    *("gpus", "nodes", "device", "threads", "channels_last", "compile", "deterministic"),
    *("workers", "store", "stage_to_tmpdir", "checkpoint_minutes", "log_every", "pictures"),
    *("validation_epochs", "validation_images"),
}


def reasons(folder: Path, changes: dict[str, Any], released: bool = False) -> list[str]:
    """Why voc_r50 of a params.yaml with these values, by dotted path, is not comparable."""
    changed = yaml.safe_load((ROOT / "params.yaml").read_text())
    for path, value in changes.items():
        put(changed, path, value)
    (folder / "params.yaml").write_text(yaml.safe_dump(changed))
    shutil.copytree(ROOT / "published", folder / "published", dirs_exist_ok=True)
    project = Project.load(folder / "params.yaml", "paper")
    return wanted_reasons(project, project.setting("voc_r50"), released)


def test_code_json_is_of_the_code_that_is_here():
    """Where this fails, check the golden numbers and write it anew: make code."""
    found = (ROOT / "published" / CODE).read_text()
    assert found == canonical_json(code_of_stages(("voc", "ade20k", "cityscapes")))


def test_every_key_is_published_or_free_for_a_reason():
    definition = load_definition(ROOT / "published")
    assert definition.free.keys() == FREE
    for dataset in definition.datasets.values():
        assert definition.recipe.keys() | dataset.recipe.keys() == Recipe.model_fields.keys() - FREE
        assert not definition.recipe.keys() & dataset.recipe.keys()


def test_the_demo_has_the_archives_that_the_original_was_trained_on() -> None:
    definition, project = load_definition(ROOT / "published", "demo"), Project.load(ROOT / "params.yaml", "demo")
    voc = definition.datasets["voc"]
    data = {"pins": "demo", "images": voc.images, "code_sha256": definition.code["prepare"]["voc"]}
    setting = project.setting("voc_r50").model_dump(mode="json")
    record = {"setting": setting, "backbone_sha256": None, "code_sha256": definition.code["train"]["voc"]}

    def found(**other: str) -> list[str]:
        archives = {name: {"sha256": other.get("sha256", known["sha256"])} for name, known in voc.archives.items()}
        return definition.training_reasons({**record, "data": {**data, "archives": archives, **other}})

    assert found() == []
    assert found(sha256="0" * 64)[1].startswith(f"benchmark.tgz with sha256 {'0' * 64} (original 9e734c86")
    assert found(pins="official") == ["archives official"]


OTHER_SETS = [
    ({"scales.paper.limit": 200}, "200 images of train (published 10582)", False),
    ({"scales.paper.limit": 1}, "1 images of val (published 1449)", True),
    ({"scales.paper.images": {"train": 10, "val": 1449}}, "10 images of train (published 10582)", False),
    ({"scales.paper.images": {"train": 10582, "val": 9}}, "9 images of val (published 1449)", True),
    ({"datasets.voc.images": {"train": 10582, "val": 1448}}, "1448 images of val (published 1449)", True),
    ({"datasets.voc.archives.0.md5": "0" * 32}, f"VOCtrainval_11-May-2012.tar with md5 {'0' * 32}", True),
    ({"datasets.voc.archives.0.md5": None}, "VOCtrainval_11-May-2012.tar with md5 None", True),
    ({"datasets.voc.archives": []}, "benchmark.tgz with md5 None", True),
    ({"backbones.r50.depth": 101}, "depth 101 (published 50)", True),
    ({"backbones.r50.pretrained.sha256_prefix": "0" * 8}, "backbone weights 00000000 (published 2cccc1ad)", False),
    ({"backbones.r50.pretrained.sha256_prefix": None}, "backbone weights None (published 2cccc1ad)", False),
    ({"scales.paper.pretrained": False}, "pretrained False (published True)", False),
    ({"scales.paper.inference": "fast"}, "inference fast (published exact)", True),
    ({"recipe.subdivision_steps": 0}, "subdivision_steps 0 (published 2)", True),
    ({"recipe.subdivision_points": 8192}, "subdivision_points 8192 (published 8196)", True),
    ({"datasets.voc.recipe.base_size": [256, 64]}, "base_size [256, 64] (published [2048, 512])", True),
    ({"recipe.precision": "tf32"}, "precision tf32 (published float32)", False),
    ({"runs.voc_r50.lr": 0.02}, "lr 0.02 (published 0.01)", False),
    ({"recipe.gpus": 1}, "gpus 1 (published: at least 2)", False),
]


@pytest.mark.parametrize(("changes", "reason", "of_released"), OTHER_SETS)
def test_what_differs_from_the_definition_is_named(changes, reason, of_released, tmp_path):
    for released, expected in ((False, True), (True, of_released)):
        found = reasons(tmp_path, changes, released)
        assert any(one.startswith(reason) for one in found) is expected


@pytest.mark.parametrize("scale", ["paper", "demo"])
@pytest.mark.parametrize("run", RUNS)
def test_every_key_of_the_published_recipe_counts(run: str, scale: str) -> None:
    """Each key alone, set to another value that is allowed; the demo's recipe is that of the original's trainings."""
    definition = load_definition(ROOT / "published", scale)
    published = {**definition.recipe, **definition.datasets[run.split("_")[0]].recipe}
    project = Project.load(ROOT / "params.yaml", scale)
    setting = project.setting(run)
    assert wanted_reasons(project, setting) == []
    for key in published:
        changed = setting.model_copy(update={"recipe": setting.recipe.model_copy(update={key: other(published[key])})})
        found = wanted_reasons(project, changed)
        assert len(found) == 1, (key, found)
        assert found[0].startswith(f"{key} "), (key, found)


def other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return tuple(number + 1 for number in value) if isinstance(value, list) else "another"


@pytest.mark.parametrize("changes", [{"recipe.gpus": 2, "recipe.nodes": 2}, {"operation.workers": 9}, {"seeds": [5]}])
def test_what_is_free_is_comparable(changes, tmp_path):
    assert reasons(tmp_path, changes) == []


@pytest.mark.parametrize("stage", ["prepare", "train", "evaluate"])
def test_other_code_is_named(stage, tmp_path):
    """The code is that of the records: it may be other code than the one that is here."""
    published = shutil.copytree(ROOT / "published", tmp_path / "published")
    code = json.loads((published / CODE).read_text())
    code[stage]["voc"] = "0" * 64
    write_json(published / CODE, code)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    project = Project.load(tmp_path / "params.yaml", "paper")
    reason = f"the code of {stage} is not the one that the golden numbers were checked with (code.json)"
    assert wanted_reasons(project, project.setting("voc_r50")) == [reason]
    assert wanted_reasons(project, project.setting("ade20k_r50")) == []
    assert wanted_reasons(project, project.setting("voc_r50"), released=True) == ([] if stage == "train" else [reason])


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, None),
        ({"machine": {"instruction_sets": {"NVIDIA_TF32_OVERRIDE": "0"}}}, None),
        ({"machine": {"instruction_sets": {"ONEDNN_DEFAULT_FPMATH_MODE": "strict"}}}, None),
        ({"machine": {"instruction_sets": {"NVIDIA_TF32_OVERRIDE": "1"}}}, "NVIDIA_TF32_OVERRIDE=1 (which computes"),
        ({"machine": {"instruction_sets": {"DNNL_DEFAULT_FPMATH_MODE": "bf16"}}}, "DNNL_DEFAULT_FPMATH_MODE=bf16 ("),
        ({"attempts": [{"machine": {"instruction_sets": {"NVIDIA_TF32_OVERRIDE": "1"}}}, {}]}, "NVIDIA_TF32_OVERRIDE"),
        ({"precision": {"tf32": True}}, "TF32 was allowed"),
    ],
)
def test_arithmetic_that_the_environment_chose_is_named(more, reason):
    """Of a training and of a score; the records say it, whatever the setting asked for."""
    definition = load_definition(ROOT / "published")
    project = Project.load(ROOT / "params.yaml", "paper")
    data = {"pins": "official", "archives": definition.datasets["voc"].archives}
    data |= {"images": definition.datasets["voc"].images, "code_sha256": definition.code["prepare"]["voc"]}
    record = {"setting": project.setting("voc_r50").model_dump(mode="json"), "data": data, **more}
    record["backbone_sha256"] = definition.backbones["r50"].sha256_prefix + 56 * "0"
    for stage, judged in (("train", definition.training_reasons), ("evaluate", definition.scoring_reasons)):
        found = judged({**record, "code_sha256": definition.code[stage]["voc"]})
        assert len(found) == (reason is not None)
        assert not reason or found[0].startswith(reason)


def test_the_definition_is_the_published_one():
    """Typed from docs/recipe.md, so that nothing that rewrites published/ passes unseen."""
    definition = load_definition(ROOT / "published")
    assert {name: dataset.images for name, dataset in definition.datasets.items()} == {
        "voc": {"train": 10582, "val": 1449},
        "ade20k": {"train": 20210, "val": 2000},
        "cityscapes": {"train": 2975, "val": 500},
    }
    assert {name: dataset.archives for name, dataset in definition.datasets.items()} == {
        "voc": {
            "VOCtrainval_11-May-2012.tar": {"md5": "6cd6e144f989b92b3379bac3b3de84fd"},
            "benchmark.tgz": {"md5": "82b4d87ceb2ed10f6038a1cba92111cb"},
        },
        "ade20k": {"ADEChallengeData2016.zip": {"md5": "7328b3957e407ddae1d3cbf487f149ef"}},
        "cityscapes": {
            "leftImg8bit_trainvaltest.zip": {"md5": "0a6e97e94b616a514066c9e2adb0c97f"},
            "gtFine_trainvaltest.zip": {"md5": "4237c19de34c8a376e9ba46b495d6f66"},
        },
    }
    backbones = {name: (backbone.depth, backbone.sha256_prefix) for name, backbone in definition.backbones.items()}
    assert backbones == {"r50": (50, "2cccc1ad"), "r101": (101, "e67eebb6")}
