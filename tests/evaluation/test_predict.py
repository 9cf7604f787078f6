from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from pointrend.datasets.registry import classes_of
from pointrend.evaluation.predict import predict_folder
from tests.evaluation.networks import ReadsBlue, picture_of, plain


def random_classes(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 21, (height, width), np.uint8)


def write_image(path: Path, classes: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), picture_of(classes))


def predict(images: Path, out: Path, overlay: bool = False) -> int:
    return predict_folder(ReadsBlue(21), plain, images, out, classes_of("voc"), overlay=overlay, device="cpu")


def test_label_maps_are_train_ids_at_the_images_own_size(tmp_path):
    sizes = {"a": (8, 12), "b.c": (16, 4)}
    for name, size in sizes.items():
        write_image(tmp_path / "in" / f"{name}.PNG", random_classes(*size))
    (tmp_path / "in/notes.txt").write_text("no image")
    assert predict(tmp_path / "in", tmp_path / "out") == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "b.c.png"]
    for name, size in sizes.items():
        with Image.open(tmp_path / "out" / f"{name}.png") as found:
            assert found.mode == "L"
            np.testing.assert_array_equal(np.asarray(found), random_classes(*size))


def test_overlays_are_jpegs_of_the_same_size(tmp_path):
    write_image(tmp_path / "in/a.bmp", np.full((40, 60), 1, np.uint8))
    predict(tmp_path / "in", tmp_path / "out", overlay=True)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "a_overlay.jpg"]
    with Image.open(tmp_path / "out/a_overlay.jpg") as found:
        assert (found.format, found.size) == ("JPEG", (60, 40))
        expected = 0.45 * np.array([200, 90, 10]) + 0.55 * np.array([128, 0, 0])
        np.testing.assert_allclose(np.asarray(found)[20, 30], expected, atol=3)
