from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from pointrend.datasets.registry import classes_of
from pointrend.evaluation.predict import predict_images
from tests.evaluation.networks import ReadsBlue, picture_of, plain


def random_classes(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 21, (height, width), np.uint8)


def write_image(path: Path, classes: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), picture_of(classes))


def predict(images: Path, out: Path, dataset: str = "voc", **more: Any) -> int:
    classes = classes_of(dataset)
    return predict_images(ReadsBlue(len(classes.names)), plain, images, out, classes, "cpu", **more)


def test_label_maps_are_train_ids_at_the_images_own_size(tmp_path):
    sizes = {"a": (8, 12), "b.c": (16, 4)}
    for name, size in sizes.items():
        write_image(tmp_path / "in" / f"{name}.PNG", random_classes(*size))
    (tmp_path / "in/notes.txt").write_text("no image")
    assert predict(tmp_path / "in", tmp_path / "out") == 2
    names = [path.name for path in sorted((tmp_path / "out").iterdir())]
    assert names == ["a.png", "a_color.png", "b.c.png", "b.c_color.png"]
    for name, size in sizes.items():
        with Image.open(tmp_path / "out" / f"{name}.png") as found:
            assert found.mode == "L"
            np.testing.assert_array_equal(np.asarray(found), random_classes(*size))
        with Image.open(tmp_path / "out" / f"{name}_color.png") as found:
            assert found.mode == "P"
            np.testing.assert_array_equal(np.asarray(found), random_classes(*size))
            np.testing.assert_array_equal(
                np.asarray(found.convert("RGB")), classes_of("voc").palette[random_classes(*size)]
            )


def test_one_image_is_enough(tmp_path: Path) -> None:
    write_image(tmp_path / "in/a.png", random_classes(4, 4))
    write_image(tmp_path / "in/b.png", random_classes(4, 4))
    assert predict(tmp_path / "in/b.png", tmp_path / "out") == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["b.png", "b_color.png"]


# Train ids and the values that the server of the benchmark expects: road, sky, bicycle; wall, flag; aeroplane.
@pytest.mark.parametrize(
    ("dataset", "values"),
    [("cityscapes", {0: 7, 10: 23, 18: 33}), ("ade20k", {0: 1, 20: 21, 3: 4}), ("voc", {1: 1, 20: 20, 0: 0})],
)
def test_raw_values_are_those_of_the_benchmarks_servers(tmp_path: Path, dataset: str, values: dict[int, int]) -> None:
    write_image(tmp_path / "in/a.png", np.array([list(values)] * 2, np.uint8))
    predict(tmp_path / "in", tmp_path / "out", dataset, raw_values=True)
    found = cv2.imread(str(tmp_path / "out/a.png"), cv2.IMREAD_UNCHANGED)
    assert found.tolist() == [list(values.values())] * 2
    with Image.open(tmp_path / "out/a_color.png") as colored:
        assert np.asarray(colored).tolist() == [list(values)] * 2


def test_overlays_are_jpegs_with_a_legend_below(tmp_path: Path) -> None:
    write_image(tmp_path / "in/a.bmp", np.full((40, 120), 1, np.uint8))
    predict(tmp_path / "in", tmp_path / "out", overlay=True)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "a_color.png", "a_overlay.jpg"]
    with Image.open(tmp_path / "out/a_overlay.jpg") as found:
        assert (found.format, found.size) == ("JPEG", (120, 40 + 28))
        expected = 0.45 * np.array([200, 90, 10]) + 0.55 * np.array([128, 0, 0])
        np.testing.assert_allclose(np.asarray(found)[20, 30], expected, atol=3)
        np.testing.assert_allclose(np.asarray(found)[53, 14], [128, 0, 0], atol=40)  # the colour of the aeroplane
