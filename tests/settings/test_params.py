"""params.yaml: the published recipe, the layers, and one-line errors."""

import json
from pathlib import Path

import pytest
import yaml

from pointrend.errors import ParamsError
from pointrend.files import canonical_json
from pointrend.settings.definition import wanted_reasons
from pointrend.settings.params import Params, load_params, schema
from pointrend.settings.project import Project
from pointrend.settings.recipe import Recipe
from pointrend.training.schedule import iterations_per_epoch

ROOT = Path(__file__).parents[2]
RUNS = ("voc_r50", "voc_r101", "ade20k_r50", "ade20k_r101", "cityscapes_r50", "cityscapes_r101")
VOC_R50 = "voc_r50: {dataset: voc, backbone: r50, lr: null}"
TOTALS = {"voc": 39660, "ade20k": 164190, "cityscapes": 81840}


@pytest.fixture
def text():
    return (ROOT / "params.yaml").read_text()


def params_from(tmp_path: Path, text: str) -> Params:
    (tmp_path / "params.yaml").write_text(text)
    return load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize("run", RUNS)
def test_paper_scale_is_the_published_recipe(run):
    project = Project.load(ROOT / "params.yaml", "paper")
    setting = project.setting(run)
    assert wanted_reasons(project, setting) == []
    assert wanted_reasons(project, setting, released=True) == []
    assert setting.recipe.output_stride == 32
    assert setting.recipe.subdivision_points == 8196
    images = project.params.datasets[setting.dataset].images.train
    for gpus in (1, 2, 4, 8):
        total = setting.recipe.epochs * iterations_per_epoch(images, gpus, setting.recipe.batch_size)
        assert total == (81620 if setting.dataset == "cityscapes" and gpus == 1 else TOTALS[setting.dataset])


def test_schema_file_is_up_to_date():
    assert (ROOT / "workflow/schemas/params.schema.json").read_text() == canonical_json(schema())


def test_a_value_of_a_run_wins_at_every_scale(tmp_path, text):
    params = params_from(tmp_path, text.replace(VOC_R50, VOC_R50.replace("null", "0.5")))
    for scale in ("demo", "pilot", "paper"):
        assert params.at_scale(scale).setting("voc_r50").recipe.lr == 0.5
    assert params.at_scale("paper").setting("voc_r101").recipe.lr == 0.01
    assert params.at_scale("demo").setting("voc_r101").recipe.lr == 0.06


def test_an_override_wins_over_everything():
    params = load_params(ROOT / "params.yaml")
    assert params.setting("voc_r50", ("lr=0.125", "crop_size=[32, 32]")).recipe.crop_size == (32, 32)


def test_keys_that_change_no_result_stay_out_of_the_fingerprint():
    params = load_params(ROOT / "params.yaml")
    overrides = ("workers=7", "log_every=3", "validation_epochs=1", "pictures=1", "inference=bf16")
    same = params.setting("voc_r50", overrides)
    assert same.deterministic() == params.setting("voc_r50").deterministic()
    for key in Recipe.keys_of("recipe") | Recipe.keys_of("machine"):
        assert key in json.dumps(same.deterministic())


DATASETS_OF_SCALE = "datasets: {voc: {}, ade20k: {}, cityscapes: {}}"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (VOC_R50, VOC_R50.replace("null", "-0.1"), "runs.voc_r50.lr: Input should be greater than 0 (got -0.1)"),
        ("voc_r50: {dataset: voc", "voc_r50: {dataset: vok", "there is no 'vok' (did you mean 'voc'?)"),
        (VOC_R50, VOC_R50.replace("lr: null", "workers: 2"), "runs.voc_r50: unknown key 'workers'"),
        (VOC_R50, "", "runs: must be every dataset with every backbone, voc_r50, voc_r101"),
        ("pretrained: false\n", "pretrained: true\n", "scales.demo: data: drawn needs pretrained: false"),
        ("images: {train: 96, val: 24}", "images: null", "scales.demo: data: drawn needs images"),
        ("    limit: null\n", "", "scales.demo.limit: Field required"),
        (DATASETS_OF_SCALE, "datasets: {voc: {}}", "scales.pilot.datasets: list every dataset"),
        ("published_scales: []", "published_scales: [paper]", "published_scales: must be [] or [demo], as"),
        ("published_scales: []", "published_scales: [demo]", "published_scales: scale demo has no published"),
        ("output_stride: 32", "output_stride: 4", "output_stride: Input should be 8, 16 or 32"),
        ("voc_r50:\n    log", "voc_r5:\n    log", "published: there is no 'voc_r5' (did you mean 'voc_r50'?)"),
        ("[log, cfg, released]", "[logs]", "scales.paper.published.0: Input should be 'log', 'cfg' or 'released'"),
    ],
)
def test_wrong_params_are_one_line(tmp_path, text, old, new, words):
    assert old in text
    with pytest.raises(ParamsError) as caught:
        params_from(tmp_path, text.replace(old, new, 1))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_params_yaml_has_no_value_twice(text):
    """What a layer repeats from the layer below is noise that will drift."""
    raw = yaml.safe_load(text)
    for scale in raw["scales"].values():
        for key, value in scale.get("recipe", {}).items():
            assert raw["recipe"].get(key) != value
