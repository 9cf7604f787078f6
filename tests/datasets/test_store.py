"""The prepared form: what is written comes back, whole or not at all."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointrend.datasets.store import COMPACT, RAW, Store, StoreWriter
from pointrend.errors import DatasetError
from pointrend.files import sha256_file, write_json
from tests.datasets.layouts import pixels, values

SIZES = [(3, 5), (4, 4), (7, 2)]
FILES = ["train.index.json", "train.labels.bin", "train.pictures.bin"]


def write(folder: Path, sizes: list[tuple[int, int]] = SIZES) -> StoreWriter:
    with StoreWriter(folder, "train") as writer:
        for index, size in enumerate(sizes):
            writer.add(f"id{index}", pixels(index, *size), values(index, [0, 1, 255], *size))
    return writer


@settings(deadline=None, max_examples=25)
@given(sizes=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=6))
def test_what_is_written_comes_back_read_only(tmp_path_factory, sizes):
    folder = tmp_path_factory.mktemp("store")
    write(folder, sizes)
    store = Store(folder, "train")
    assert (len(store), store.sizes) == (len(sizes), sizes)
    assert store.ids == [f"id{index}" for index in range(len(sizes))]
    for index, size in enumerate(sizes):
        written = pixels(index, *size), values(index, [0, 1, 255], *size)
        for view, expected in zip((store.picture(index), store.label(index)), written, strict=True):
            np.testing.assert_array_equal(view, expected)
            assert view.dtype == np.uint8
            with pytest.raises(ValueError, match="read-only"):
                view[0, 0] = 1


def test_a_pickled_store_maps_the_files_anew(tmp_path):
    write(tmp_path)
    data = pickle.dumps(Store(tmp_path, "train"))
    assert len(data) < 500
    np.testing.assert_array_equal(pickle.loads(data).picture(2), pixels(2, 7, 2))  # noqa: S301 our own bytes


def test_views_that_are_not_contiguous_are_stored_as_they_look(tmp_path):
    with StoreWriter(tmp_path, "train") as writer:
        writer.add("flipped", pixels(0)[:, ::-1], values(0, [0, 1])[::-1])
    np.testing.assert_array_equal(Store(tmp_path, "train").picture(0), pixels(0)[:, ::-1])
    np.testing.assert_array_equal(Store(tmp_path, "train").label(0), values(0, [0, 1])[::-1])


def test_the_records_are_those_of_the_files_and_the_same_each_time(tmp_path):
    records = write(tmp_path / "one").files
    assert records == write(tmp_path / "two").files
    assert sorted(records) == sorted(path.name for path in (tmp_path / "one").iterdir()) == FILES
    for name, record in records.items():
        path = tmp_path / "one" / name
        assert record == {"bytes": path.stat().st_size, "sha256": sha256_file(path)}


def test_files_get_their_names_at_the_end_and_the_index_last(tmp_path, monkeypatch):
    named = []
    rename = os.replace

    def noted(old: Path, new: Path) -> None:
        named.append(new.name)
        rename(old, new)

    monkeypatch.setattr(os, "replace", noted)
    with StoreWriter(tmp_path, "train") as writer:
        writer.add("a", pixels(0), values(0, [0]))
        assert all(path.suffix == ".tmp" for path in tmp_path.iterdir())
    assert (sorted(named), named[-1]) == (FILES, "train.index.json")


def test_an_error_leaves_the_files_of_before(tmp_path):
    before = write(tmp_path).files
    wrong = pytest.raises(DatasetError, match=r"id7: the image is 8x6, its mask 6x8; .* fetch")
    with wrong, StoreWriter(tmp_path, "train") as writer:
        writer.add("id7", pixels(0, 6, 8), values(0, [0], 8, 6))
    found = {path.name: sha256_file(path) for path in tmp_path.iterdir()}
    assert found == {name: record["sha256"] for name, record in before.items()}


def test_leftovers_of_a_killed_writer_are_removed(tmp_path):
    (tmp_path / ".train.pictures.bin.k1ll3d.tmp").write_bytes(b"half")
    (tmp_path / ".val.pictures.bin.k1ll3d.tmp").write_bytes(b"another split's")
    write(tmp_path)
    assert [path.name for path in tmp_path.glob(".*")] == [".val.pictures.bin.k1ll3d.tmp"]


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_an_error(tmp_path, name):
    write(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(DatasetError, match=rf"{name}.*; run `pointrend prepare`"):
        Store(tmp_path, "train")


@pytest.mark.parametrize("name", ["train.pictures.bin", "train.labels.bin"])
@pytest.mark.parametrize("change", [-1, 1])
def test_a_file_of_another_length_is_an_error(tmp_path, name, change):
    write(tmp_path)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[:change] if change < 0 else data + b"x")
    wrong = rf"{name} has {len(data) + change} bytes, not the {len(data)} of its index; run `pointrend prepare`"
    with pytest.raises(DatasetError, match=wrong):
        Store(tmp_path, "train")


@pytest.mark.parametrize(
    ("index", "wrong"),
    [
        ([], "is not an index of images"),
        ({"ids": ["a"]}, r"is not an index of images \(Field required\)"),
        ({"ids": ["a"], "sizes": [[1]]}, "is not an index of images"),
        ({"ids": ["a"], "sizes": [[1, 0]]}, r"is not an index of images \(Input should be greater than 0\)"),
        ({"ids": ["a"], "sizes": [[1, 1.0]]}, "is not an index of images"),
        ({"ids": [1], "sizes": [[1, 1]]}, "is not an index of images"),
        ({"ids": [], "sizes": []}, "is not an index of images"),
        ({"ids": ["a"], "sizes": []}, "has 1 ids and 0 sizes"),
        ({"ids": ["a"], "sizes": [[1, 1]], "ends": []}, "has 1 ids and 0 ends"),
    ],
)
def test_an_index_that_is_none_is_an_error(tmp_path, index, wrong):
    write(tmp_path)
    write_json(tmp_path / "train.index.json", index)
    with pytest.raises(DatasetError, match=rf"train\.index\.json {wrong}.*; run `pointrend prepare` again"):
        Store(tmp_path, "train")


def test_either_form_gives_the_same_images_and_the_same_content(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (9, 11, 3), np.uint8)[:, ::-1]
    writers = {}
    for form in (RAW, COMPACT):
        with StoreWriter(tmp_path / form, "train", form) as writers[form]:
            for index, (height, width) in enumerate([(5, 7), (1, 1), (30, 20)]):
                image = np.full((height, width, 3), 40 * index, np.uint8)
                writers[form].add(f"id{index}", image, np.full((height, width), index, np.uint8))
            writers[form].add("noise", noise, noise[..., 1])
    raw, compact = (Store(tmp_path / form, "train") for form in (RAW, COMPACT))
    assert (raw.form, compact.form) == (RAW, COMPACT)
    assert (raw.ids, raw.sizes) == (compact.ids, compact.sizes)
    for store in (compact, pickle.loads(pickle.dumps(compact))):  # noqa: S301 ours
        for index in range(4):
            for array, expected in ((store.picture(index), raw.picture(index)), (store.label(index), raw.label(index))):
                np.testing.assert_array_equal(array, expected)
                assert not array.flags.writeable
    for name, record in writers[COMPACT].files.items():
        path = tmp_path / COMPACT / name
        assert (record["bytes"], record["sha256"]) == (path.stat().st_size, sha256_file(path))
        assert record["raw_sha256"] == writers[RAW].files[name]["sha256"] != record["sha256"]
