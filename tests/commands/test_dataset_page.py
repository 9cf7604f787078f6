"""`pointrend describe --pictures`: what the page holds, and that its crops are those of a training."""

import re
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from pointrend.cli import main
from pointrend.commands import dataset_page
from pointrend.datasets.registry import classes_of
from pointrend.model.inputs import MEAN, STD, normalize_batch
from pointrend.settings.project import Project
from tests.tiny import ROOT, TINY, write_tiny_data
from tests.training.trainings import trainer

CLASSES = classes_of("voc")
PIXELS = {**{str(train_id): 5 for train_id in range(21)}, "ignore": 95}
DESCRIPTION = {"splits": {split: {"images": 12, "pixels": PIXELS} for split in ("train", "val")}}


@pytest.fixture
def project(tmp_path):
    project = replace(Project.load(ROOT / "params.yaml", "demo", TINY), root=tmp_path)
    write_tiny_data(project.data_folder("voc"))
    return project


def test_the_page_names_what_it_shows_and_loads_nothing(project):
    page = dataset_page.dataset_page(project, "voc", DESCRIPTION)
    shown = re.findall(r'<img src="data:image/jpeg;base64,[^"]+" alt="(\w+), ', page)
    assert [name.partition("_")[0] for name in shown] == ["train"] * 8 + ["val"] * 8 + ["train"] * 8
    assert (shown[0], shown[15]) == ("train_000", "val_011")
    colours = ["#" + bytes(colour).hex() for colour in CLASSES.palette]
    assert re.findall(r'fill="(.*?)"/></svg>\s+([\w ]+)</th>\s+<td>(.*?)<', page) == [
        *((colour, name, "2.50") for colour, name in zip(colours, CLASSES.names, strict=True)),
        ("#ffffff", "not labelled", "47.50"),
    ]
    assert "samples of epoch 1 with seed 0, in process 0 of 1." in page
    assert "default-src &#39;none&#39;" in page
    assert not re.search(r"https?:|style=|<script", page)


def test_the_crops_are_those_that_the_training_gets(project, tmp_path, monkeypatch):
    drawn = []
    picture = dataset_page._picture
    monkeypatch.setattr(dataset_page, "_picture", lambda *parts: drawn.append(parts) or picture(*parts))
    dataset_page.dataset_page(project, "voc", DESCRIPTION)
    of_training = trainer(project.data_folder("voc"), tmp_path / "checkpoints")
    batches = [batch for _, batch in islice(of_training._batches(0, lambda: None), 2)]
    assert len(drawn[-8:]) == sum(len(batch.indices) for batch in batches)
    inputs = torch.cat([normalize_batch(batch.pictures, batch.inside) for batch in batches]).permute(0, 2, 3, 1)
    labels = torch.cat([batch.labels for batch in batches])
    ids = [of_training.store.ids[index] for batch in batches for index in batch.indices]
    for (name, image, label, _), expected_id, network, expected in zip(drawn[-8:], ids, inputs, labels, strict=True):
        assert name == expected_id
        assert np.array_equal(label, expected)
        # Beside the image the page has whole grey levels.
        np.testing.assert_allclose((image[..., ::-1] - MEAN) / STD, network, atol=0.5 / STD.min())


@pytest.mark.parametrize(("page", "says"), [("params.yaml", "does not end in .html"), ("runs/a.html", "is in runs/")])
def test_no_file_of_the_project_is_overwritten(project, tmp_path, capsys, page, says):
    for name in ("params.yaml", "published"):
        (tmp_path / name).symlink_to(ROOT / name)
    before = (ROOT / "params.yaml").read_bytes()
    params = str(tmp_path / "params.yaml")
    assert main(["--params", params, "--scale", "demo", "describe", "voc", "--pictures", str(tmp_path / page)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
    assert (ROOT / "params.yaml").read_bytes() == before
