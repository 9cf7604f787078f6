"""Prepared data are read only if they have the bytes that were prepared."""

import pytest

from pointrend.datasets.intact import check_split, split_files
from pointrend.errors import CheckFailed
from pointrend.files import read_json, write_json
from tests.tiny import write_tiny_data


@pytest.fixture(params=["raw", "compact"])
def store(tmp_path, request):
    return write_tiny_data(tmp_path, request.param)


def test_what_was_prepared_is_taken(store, caplog):
    caplog.set_level("DEBUG")
    for split in ("train", "val"):
        check_split(store, split)
        assert f"{split} of {store} is as prepared: " in caplog.text


def flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize("name", split_files("train"))
@pytest.mark.parametrize("change", [flip, lambda data: data[:-1], None])
def test_anything_else_is_named(store, name, change):
    data = (store / name).read_bytes()
    (store / name).write_bytes(change(data)) if change else (store / name).unlink()
    problem = "does not have the bytes" if change else "does not exist"
    with pytest.raises(CheckFailed, match=f"^{store / name} {problem}.*; run `pointrend prepare` again"):
        check_split(store, "train")
    check_split(store, "val")


@pytest.mark.parametrize("files", [{}, [], None, {"train.pictures.bin": 1}])
def test_a_manifest_that_names_no_such_file(store, files):
    write_json(store / "manifest.json", {**read_json(store / "manifest.json"), "files": files})
    with pytest.raises(CheckFailed, match=r"does not name train\.pictures\.bin"):
        check_split(store, "train")
    (store / "manifest.json").unlink()
    with pytest.raises(CheckFailed, match=r"manifest\.json does not exist"):
        check_split(store, "train")
