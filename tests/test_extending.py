"""docs/extending.md and the walk of docs/walks.md: a fourth dataset and a third backbone in both engines."""

import hashlib
import json
import re
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from pointrend.archives.loopback import serve_folder
from tests.engines.test_same_dag import of_dvc, of_snakemake
from tests.pages import add_blocks, check, replay, session
from tests.workflow.checkout import Checkout

MODULE = "pointrend/datasets/camvid.py"
COUNTS = {"train": 6, "val": 3}
TINY = {"base_size": [160, 120], "crop_size": [64, 64], "batch_size": 4, "epochs": 2, "width": 4, "threads": 1}
TINY |= {"fpn_channels": 8, "scale_channels": 8, "point_channels": 8, "train_points": 64, "subdivision_points": 128}
RUN = "camvid_r152"
WALK = session("docs/walks.md", "## With your own dataset and backbone")


def write_archive(folder: Path) -> str:
    """Write an archive in CamVid's layout with images of coloured blocks; return its sha256."""
    rng = np.random.default_rng(7)
    with zipfile.ZipFile(folder / "camvid.zip", "w") as archive:
        for split, count in COUNTS.items():
            names = [f"{split}_{index:03d}.png" for index in range(count)]
            lines = [f"/any/CamVid/{split}/{name} /any/CamVid/{split}annot/{name}\n" for name in names]
            archive.writestr(f"camvid/{split}.txt", "".join(lines))
            for name in names:
                mask = np.kron(rng.integers(0, 12, (6, 8), np.uint8), np.ones((60, 60), np.uint8))
                image = np.stack([mask * 20, mask * 7, 255 - mask * 20], axis=-1)
                for folder_name, pixels in ((split, image), (f"{split}annot", mask)):
                    archive.writestr(f"camvid/{folder_name}/{name}", cv2.imencode(".png", pixels)[1].tobytes())
    return hashlib.sha256((folder / "camvid.zip").read_bytes()).hexdigest()


def extended(root: Path, url: str, sha256: str) -> Checkout:
    """A checkout with everything that the page adds, the pilot as small as can be."""
    checkout = Checkout(root)
    add_blocks("docs/extending.md", root)
    params, mirrors = checkout.params(), root / "published/mirrors.json"
    dataset = params["datasets"]["camvid"]
    assert COUNTS.keys() == dataset["images"].keys()
    dataset |= {"images": COUNTS, "recipe": {}}
    dataset["archives"][0]["sha256"] = sha256
    table = json.loads(mirrors.read_text())
    table["files"]["camvid.zip"]["urls"] = [f"{url}/camvid.zip"]
    mirrors.write_text(json.dumps(table))
    pilot = params["scales"]["pilot"]
    pilot |= {"recipe": TINY | {"gpus": 1, "device": "cpu"}, "pretrained": False, "limit": None, "pictures": 1}
    params["scale"] = "pilot"
    checkout.write_params(params)
    return checkout


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("extending")
    sha256 = write_archive(folder)
    with serve_folder(folder) as url:
        yield folder, url, sha256


@pytest.fixture(scope="module")
def walked(served):
    folder, url, sha256 = served
    checkout = extended(folder / "snakemake", url, sha256)
    return checkout, replay(checkout.root, WALK)


def test_a_fourth_dataset_and_a_third_backbone_reach_the_table(walked):
    checkout, _ = walked
    rows = json.loads((checkout.root / "results/pilot/results.json").read_text())["runs"]
    (found,) = (row for row in rows if row["run"] == RUN and row["kind"] == "trained")
    assert found["miou"] > 0
    assert (found["verdict"], found["published_miou"], found["difference"]) == ("not comparable", None, None)
    assert "nothing was published for this run" in found["reasons"]
    assert found["setting"]["depth"] == 152
    page = (checkout.root / "results/pilot/README.md").read_text()
    assert re.search(rf"\| {RUN} .*\| {found['miou']:.2f}% ", page)


def test_the_walk_prints_what_its_page_quotes(walked):
    check(WALK, walked[1], {})


def test_dvc_has_the_same_dag(served):
    folder, url, sha256 = served
    checkout = extended(folder / "dvc", url, sha256)
    checkout.git("init", "--quiet")
    dvc = of_dvc(checkout)
    assert f"pointrend --scale pilot train {RUN} --seed 0" in dvc.outputs
    assert dvc == of_snakemake(checkout)


def test_a_dataset_without_a_module_is_one_clear_line(walked, tmp_path):
    checkout = walked[0].copy(tmp_path / "copy")
    (checkout.root / MODULE).unlink()
    text = checkout.run("pointrend", "prepare", "camvid", expect=2)
    assert text.splitlines() == [
        "error: dataset camvid has no module pointrend/datasets/camvid.py with CLASSES; "
        "write it as docs/extending.md shows"
    ]


def test_the_demo_draws_no_other_dataset(walked):
    text = walked[0].run("pointrend", "--scale", "demo", "fetch", "camvid", expect=2)
    assert "error: the demo draws no camvid.zip; choose a scale with official data" in text
