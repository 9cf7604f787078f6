"""The benchmarks: timing, the record that `pointrend plan` reads, the table on the page, and the plain loader."""

import json
import sys

import cv2
import numpy as np
import pytest
import torch

from benchmarks.__main__ import BENCHES
from benchmarks.drawn import draw_picture
from benchmarks.figures import FAST, PLAIN, Figure, Growth, Timing, interleaved, record_of, save, table
from benchmarks.plain_loader import plain_sample
from benchmarks.step import PARAMS, batch
from pointrend.datasets.registry import classes_of
from pointrend.model.inputs import normalize_batch
from pointrend.training.transforms import TrainTransform
from tests.tiny import ROOT
from tests.training.test_transforms import RecordedDraws, blocks


def test_candidates_take_turns_and_their_memory_is_measured_separately():
    calls: list[str] = []
    big, small = lambda: calls.append("a") or b"x" * 60_000_000, lambda: calls.append("b")
    found = interleaved({"a": big, "b": small}, repeats=3)
    assert ("".join(calls), found["a"].runs) == ("ab" + "ab" + "ba" + "ab", 3)
    if sys.platform == "linux":
        assert found["a"].peak_mb > 50 > found["b"].peak_mb
    else:
        assert found["a"].peak_mb is None


def test_the_record_is_written_and_its_table_replaced(tmp_path):
    timings = {PLAIN: Timing(2.0, 2.0, 12.0, 5), FAST: Timing(0.5, 0.25, None, 5)}
    figure, growth = Figure("it", "image", 4, timings), Growth("speed", "per second", "workers", {"1": 1.0, "2": 1500})
    alone = Figure("alone", "step", 1, {FAST: timings[FAST]})
    record = record_of("loader", [figure, alone, growth], torch.device("cpu"))
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- bench:loader:begin -->\nold\n<!-- bench:loader:end -->\nafter\n")
    for _ in range(2):
        save(record, tmp_path, page)
    (path,) = tmp_path.glob(f"loader_*_{record['date']}.json")
    assert json.loads(path.read_text()) == record
    assert record["machine"]["name"] == record["machine"]["processor"]
    assert page.read_text() == f"before\n<!-- bench:loader:begin -->\n{table(record)}<!-- bench:loader:end -->\nafter\n"
    printed = table(record)
    assert "| it, per image | 500 | 125 | 4.0 | 8.0 | 12 MB, – |\n| alone, per step | – | 500 | – | – | – |" in printed
    assert "| speed, per second, over workers | 1 | 2 |\n|-|-|-|\n|  | 1 | 1500 |" in printed


def test_every_benchmark_has_a_module_and_a_table_on_the_page():
    for name in BENCHES:
        assert (ROOT / "benchmarks" / f"{name}.py").is_file()
        assert f"<!-- bench:{name}:begin -->" in (ROOT / "docs" / "performance.md").read_text()


def test_the_measured_batch_is_that_of_the_recipe():
    found = batch(PARAMS.setting("cityscapes_r50"), 2)
    assert (found.pictures.shape, found.labels.shape) == ((2, 512, 1024, 3), (2, 512, 1024))
    assert int(found.labels.max()) == 18


@pytest.mark.parametrize("seed", range(8))
def test_plain_samples_are_ours(tmp_path, seed):
    classes, files = classes_of("ade20k"), (tmp_path / "image.png", tmp_path / "mask.png")
    image, mask = draw_picture(seed, 60, 90), blocks(seed, 60, 90, [0, 1, 5, 150])
    for path, pixels in zip(files, (image, mask), strict=True):
        cv2.imwrite(str(path), pixels)
    draws = RecordedDraws(seed), RecordedDraws(seed)
    floats, label = plain_sample(*files, classes, (160, 40), (48, 48), draws[0])
    expected = TrainTransform((160, 40), (48, 48))(image, classes.train_ids[mask], draws[1])
    assert draws[0].list == draws[1].list
    np.testing.assert_array_equal(label.numpy(), expected.label)
    seen = normalize_batch(torch.from_numpy(expected.image[None]), torch.tensor([expected.inside]))[0]
    np.testing.assert_allclose(floats.numpy(), seen.numpy(), rtol=0, atol=2e-6)
