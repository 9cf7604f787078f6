"""The drawn scenes: the same everywhere, learnable, balanced, and worth refining."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointrend.archives.demo import drawing
from pointrend.archives.demo.drawing import ONE, SUBPIXEL, TURN, Canvas, shuffled, thing
from pointrend.archives.demo.scenes import Scene, draw_scene, outlines

WIDTHS = {"voc": 160, "ade20k": 160, "cityscapes": 256}
IGNORED = {"voc": {255}, "ade20k": {0}, "cityscapes": {1, 4}}
DIGESTS = {"voc": "d086f6630b25f49a", "ade20k": "9d4c25caed6aa9ee", "cityscapes": "00039e0b54adccd6"}


@pytest.fixture(scope="module", params=WIDTHS)
def val_scenes(request: pytest.FixtureRequest) -> tuple[str, list[Scene]]:
    dataset = request.param
    return dataset, [draw_scene(dataset, "val", index, 128, WIDTHS[dataset]) for index in range(24)]


def pixels_per_class(dataset: str, scenes: list[Scene]) -> dict[int, int]:
    counts = np.bincount(np.concatenate([scene.label.ravel() for scene in scenes]))
    return {int(label): int(counts[label]) for label in np.flatnonzero(counts) if label not in IGNORED[dataset]}


@pytest.mark.parametrize("dataset", WIDTHS)
def test_scene_has_the_same_pixels_on_every_machine(dataset: str) -> None:
    scene = draw_scene(dataset, "train", 5, 48, 64)
    digest = hashlib.sha256(scene.picture.tobytes() + scene.label.tobytes() + scene.layer.tobytes()).hexdigest()
    assert digest[:16] == DIGESTS[dataset]


def test_scene_follows_from_its_place_alone() -> None:
    alone = draw_scene("voc", "train", 3, 32, 40)
    for index in range(3):
        draw_scene("voc", "train", index, 32, 40)
    again = draw_scene("voc", "train", 3, 32, 40)
    assert np.array_equal(alone.picture, again.picture)
    assert np.array_equal(alone.label, again.label)


def test_scenes_differ() -> None:
    places = [(dataset, split, index) for dataset in WIDTHS for split in ("train", "val", "test") for index in range(4)]
    assert len({draw_scene(*place, 32, 40).picture.tobytes() for place in places}) == len(places)


def test_scene_is_a_bgr_picture_with_its_maps() -> None:
    scene = draw_scene("ade20k", "val", 0, 48, 64)
    assert (scene.picture.shape, scene.picture.dtype) == ((48, 64, 3), np.uint8)
    assert (scene.label.shape, scene.label.dtype) == ((48, 64), np.uint8)
    assert scene.picture.flags.c_contiguous
    sky = draw_scene("cityscapes", "train", 0, 64, 128)
    blue, _, red = sky.picture[sky.label == 23].mean(axis=0)
    assert blue > red + 20


def test_at_least_eight_classes_and_no_constant_answer_pays(val_scenes: tuple[str, list[Scene]]) -> None:
    dataset, scenes = val_scenes
    pixels = pixels_per_class(dataset, scenes)
    assert len(pixels) >= 8
    best_constant = 100 * max(pixels.values()) / sum(pixels.values()) / len(pixels)
    assert best_constant <= 15
    assert min(pixels.values()) > 0.01 * sum(pixels.values()), "a class too rare to be learnt"


def test_every_class_of_val_is_often_seen_in_train(val_scenes: tuple[str, list[Scene]]) -> None:
    dataset, scenes = val_scenes
    train = [draw_scene(dataset, "train", index, 128, WIDTHS[dataset]) for index in range(24)]
    for label in pixels_per_class(dataset, scenes):
        assert sum(bool((scene.label == label).any()) for scene in train) >= 4, label


def test_a_map_of_stride_four_loses_what_refinement_can_win(val_scenes: tuple[str, list[Scene]]) -> None:
    _, scenes = val_scenes
    lost = []
    for scene in scenes:
        coarse = scene.label[2::4, 2::4].repeat(4, axis=0).repeat(4, axis=1)
        for label in np.unique(scene.label):
            found, true = coarse == label, scene.label == label
            lost.append(1 - (found & true).sum() / (found | true).sum())
    assert np.mean(lost) > 0.12


def test_scenes_overlap_and_are_textured(val_scenes: tuple[str, list[Scene]]) -> None:
    _, scenes = val_scenes
    for scene in scenes:
        assert len(np.unique(scene.layer)) >= 5
        inside = ~outlines(scene.layer)
        grey = scene.picture.astype(np.int64).sum(axis=2)
        steps = np.abs(np.diff(grey, axis=1))[inside[:, :-1]]
        assert steps.mean() > 15, "flat colours"


def test_outlines_lie_where_the_right_or_lower_neighbour_differs() -> None:
    layer = np.array([[0, 0, 1], [0, 0, 1], [2, 2, 2]], dtype=np.uint8)
    assert outlines(layer).tolist() == [[False, True, False], [True, True, True], [False, False, False]]


@pytest.mark.parametrize("turn", range(-TURN, 2 * TURN, 7))
def test_sine_and_cosine(turn: int) -> None:
    assert abs(int(drawing.sine(turn)) - ONE * math.sin(2 * math.pi * turn / TURN)) < 2.5
    assert abs(int(drawing.cosine(turn)) - ONE * math.cos(2 * math.pi * turn / TURN)) < 2.5


def test_ellipse_has_its_area_wherever_it_is_turned() -> None:
    canvas = Canvas.of_size(100, 100)
    for turn in (0, 30, 64, 200):
        area = drawing.ellipse(canvas, (400, 400), (240, 120), turn).sum()
        assert area == pytest.approx(math.pi * 30 * 15, rel=0.02)
    assert drawing.ellipse(canvas, (400, 400), (240, 120), 64)[75, 50], "a quarter turn stands it up"


def test_ring_is_an_ellipse_with_a_hole() -> None:
    canvas = Canvas.of_size(60, 60)
    ring = drawing.ring(canvas, (240, 240), (200, 160), 40)
    assert not ring[30, 30]
    assert ring.sum() == pytest.approx(math.pi * (25 * 20 - 20 * 15), rel=0.05)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 160), st.integers(0, 160)), min_size=3, max_size=7))
def test_polygon_holds_the_even_odd_rule(corners: list[tuple[int, int]]) -> None:
    canvas = Canvas.of_size(20, 20)
    drawn: Any = drawing.polygon(canvas, corners)
    edges = list(zip(corners, corners[1:] + corners[:1], strict=True))
    for row in range(0, 20, 3):
        for column in range(0, 20, 3):
            x, y = column * SUBPIXEL + 4, row * SUBPIXEL + 4
            crossings = 0
            for (x0, y0), (x1, y1) in edges:
                if (y0 <= y) != (y1 <= y):
                    crossings += (x0 - x) * abs(y1 - y0) + (x1 - x0) * (y - y0) * (1 if y1 > y0 else -1) > 0
            on_edge = any((x - x0) * (y1 - y0) == (y - y0) * (x1 - x0) for (x0, y0), (x1, y1) in edges)
            assert on_edge or bool(drawn[row, column]) == (crossings % 2 == 1)


def test_stroke_runs_from_end_to_end_and_is_thin() -> None:
    canvas = Canvas.of_size(60, 100)
    drawn: Any = drawing.stroke(canvas, ((80, 80), (300, 80), (500, 400), (720, 400)), 16, 16)
    assert drawn[10, 10]
    assert drawn[50, 90]
    assert not drawn[50, 10]
    assert drawn.any(axis=0)[9:91].all(), "it has no gaps"
    assert drawn.sum(axis=0).max() <= 9


def test_stroke_outside_the_canvas_draws_nothing() -> None:
    canvas = Canvas.of_size(20, 20)
    for corner in ((-200, 80), (80, -200), (400, 80), (80, 400)):
        assert not drawing.stroke(canvas, (corner, corner, corner, corner), 24, 24).any()


def test_drops_flow_together() -> None:
    canvas = Canvas.of_size(40, 60)
    left, right = ((160, 160), 72), ((320, 160), 72)
    apart: Any = drawing.blob(canvas, [left]) | drawing.blob(canvas, [right])
    assert not apart[20, 30]
    assert drawing.blob(canvas, [left, right])[20, 30]


@pytest.mark.parametrize("kind", ["stripes", "waves", "checks", "dots", "shades", "speckle"])
def test_texture_has_both_tones_and_its_period(kind: str) -> None:
    tones = drawing.texture(kind, Canvas.of_size(41, 53), 48, 20, np.random.default_rng(1))
    assert (tones.shape, tones.dtype) == ((41, 53), np.int64)
    assert tones.min() >= 0
    assert tones.max() <= ONE
    assert 0.15 * ONE < tones.mean() < 0.85 * ONE


def test_stripes_repeat_after_the_period() -> None:
    tones = drawing.texture("stripes", Canvas.of_size(8, 64), 64, 0, np.random.default_rng(1))
    assert np.array_equal(tones[:, :-8], tones[:, 8:])
    assert not np.array_equal(tones[:, :-4], tones[:, 4:])


def test_unknown_names_are_refused() -> None:
    rng, canvas = np.random.default_rng(0), Canvas.of_size(8, 8)
    with pytest.raises(ValueError, match="plaid"):
        drawing.texture("plaid", canvas, 8, 0, rng)
    with pytest.raises(ValueError, match="cube"):
        thing(canvas, "cube", rng)


def test_shuffled_keeps_every_item_and_moves_them() -> None:
    rng = np.random.default_rng(0)
    firsts = [shuffled(range(6), rng)[0] for _ in range(600)]
    assert sorted(shuffled(range(6), rng)) == list(range(6))
    assert min(firsts.count(item) for item in range(6)) > 60
