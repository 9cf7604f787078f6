"""From archives to the prepared form: the manifest, the counts, the subset, killed runs, and the description."""

import json
import logging
import os
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from pointrend.commands.describe import describe_text
from pointrend.datasets.prepare.prepare import describe, prepare_dataset
from pointrend.datasets.store import Store
from pointrend.errors import DatasetError
from pointrend.files import canonical_json, sha256_file, sha256_json
from tests.datasets.layouts import ADE, archive_members, encoded, values, write_archives

COUNTS = {"voc": {"train": 4, "val": 2}, "ade20k": {"train": 3, "val": 2}, "cityscapes": {"train": 3, "val": 1}}


def prepare(folder: Path, name: str = "ade20k", out: str = "out", **changes: Any) -> dict[str, Any]:
    """Prepare a dataset in ``folder / out`` from the archives in ``folder``, which are written if missing."""
    members = archive_members()[name]
    paths = {archive: folder / archive for archive in members}
    if not all(path.exists() for path in paths.values()):
        write_archives(folder, members)
    records: Any = {
        archive: {"bytes": path.stat().st_size, "sha256": sha256_file(path), "md5": "0" * 32}
        for archive, path in paths.items()
    }
    arguments = {"expected": COUNTS[name], "enforce": True, "limit": None, "pins": "official", "code_sha256": "c" * 64}
    return prepare_dataset(name, paths, records, folder / out, **arguments | changes)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("name", sorted(COUNTS))
def test_the_manifest_says_what_is_there(tmp_path, name):
    manifest = prepare(tmp_path, name)
    out = tmp_path / "out"
    assert (out / "manifest.json").read_text() == canonical_json(manifest)
    assert (manifest["dataset"], manifest["pins"]) == (name, "official")
    for archive, record in manifest["archives"].items():
        path = tmp_path / archive
        assert record == {"bytes": path.stat().st_size, "md5": "0" * 32, "sha256": sha256_file(path)}
    assert sorted(manifest["archives"]) == sorted(archive_members()[name])
    assert sorted([*manifest["files"], "manifest.json"]) == sorted(path.name for path in out.iterdir())
    for file, record in manifest["files"].items():
        assert record == {"bytes": (out / file).stat().st_size, "sha256": sha256_file(out / file)}
    assert manifest["content"] == sha256_json({file: sha256_file(out / file) for file in manifest["files"]})
    assert manifest["code_sha256"] == "c" * 64
    assert ("label_source" in manifest) == (name == "voc")
    for split, count in COUNTS[name].items():
        store, found = Store(out, split), manifest["splits"][split]
        ids = sha256_json(store.ids)
        assert manifest["counts"][split] == {"found": count, "official": count, "kept": count, "ids_sha256": ids}
        labels = np.concatenate([store.label(index).ravel() for index in range(len(store))])
        counts = np.bincount(labels, minlength=256)
        assert found["images"] == len(store) == count
        assert found["pixels"].pop("ignore") == counts[255] > 0
        assert found["pixels"] == {str(train_id): counts[train_id] for train_id in range(len(found["pixels"]))}
        assert sum(found["pixels"].values()) == counts[:255].sum()


def test_the_same_archives_give_the_same_bytes_with_any_number_of_threads(tmp_path, monkeypatch):
    for cores in (1, 6):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        prepare(tmp_path, "voc", out=str(cores))
    assert contents(tmp_path / "1") == contents(tmp_path / "6")


def test_counts_are_checked_before_the_subset_is_taken(tmp_path):
    manifest = prepare(tmp_path, limit=2)
    ids = ["ADE_train_00000001", "ADE_train_00000002"]
    kept = {"found": 3, "official": 3, "kept": 2, "ids_sha256": sha256_json(ids)}
    assert manifest["counts"]["train"] == kept
    assert manifest["splits"]["train"]["images"] == 2
    assert Store(tmp_path / "out", "train").ids == ids
    wrong = r"ADE20K: train has 3 images, not the official 2; .* fetch it again"
    with pytest.raises(DatasetError, match=wrong):
        prepare(tmp_path, limit=2, expected={"train": 2, "val": 2})


def test_a_wrong_count_is_a_warning_where_it_is_not_enforced(tmp_path, caplog):
    counts = prepare(tmp_path, expected={"train": 20210}, enforce=False, pins="pins-1a2b3c4d")["counts"]
    assert counts["train"].items() >= {"found": 3, "official": 20210, "kept": 3}.items()
    assert counts["val"].items() >= {"found": 2, "official": None, "kept": 2}.items()
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "ADE20K: train has 3 images, not the official 20210"
    ]


def test_a_failure_writes_nothing_and_leaves_an_earlier_prepared_form_as_it_was(tmp_path):
    damaged, before = archive_members()["ade20k"], dict[str, bytes]()
    last_mask = f"{ADE}annotations/validation/ADE_val_00000002.png"
    damaged["ADEChallengeData2016.zip"][last_mask] = encoded(values(0, [1, 200], width=10))
    for _ in range(2):
        write_archives(tmp_path, damaged)
        with pytest.raises(DatasetError, match=r"^ADE_val_00000002: the mask has label value 200"):
            prepare(tmp_path)
        assert contents(tmp_path / "out") == before
        write_archives(tmp_path, archive_members()["ade20k"])
        prepare(tmp_path)
        before = contents(tmp_path / "out")


def test_the_old_manifest_is_gone_before_a_file_is_replaced(tmp_path, monkeypatch):
    prepare(tmp_path)
    whole = contents(tmp_path / "out")
    monkeypatch.setattr("pointrend.datasets.prepare.prepare.write_json", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        prepare(tmp_path, limit=1)
    monkeypatch.undo()
    assert not (tmp_path / "out" / "manifest.json").exists()
    prepare(tmp_path)
    assert contents(tmp_path / "out") == whole


def test_a_description_has_images_pixels_and_sizes(tmp_path):
    splits = prepare(tmp_path, pins="demo")["splits"]
    description = describe(tmp_path / "out")
    assert json.loads(json.dumps(description)) == description
    sizes = {"height": {"min": 6, "median": 6, "max": 6}, "width": {"min": 9, "median": 10, "max": 11}}
    assert description["splits"]["train"] == {"images": 3, "pixels": splits["train"]["pixels"], **sizes}
    assert (description["dataset"], description["pins"]) == ("ade20k", "demo")
    lines = describe_text(description).splitlines()
    assert lines[0] == "ADE20K, archives verified against: demo"
    assert lines[1] == "train: 3 images, height 6 to 6 (median 6), width 9 to 11 (median 10)"
    assert len(lines) == 3 + 2 + 150 + 1
    wall, ignored = splits["train"]["pixels"]["0"], splits["train"]["pixels"]["ignore"]
    assert lines[5].split()[:5] == ["0", "wall", str(wall), f"({100 * wall / 180:.2f}", "%)"]
    assert lines[-1].split()[:2] == ["ignore", str(ignored)]


def test_describing_nothing_is_an_error(tmp_path):
    with pytest.raises(DatasetError, match=r"manifest\.json does not exist; run `pointrend prepare`"):
        describe(tmp_path)


def test_the_compact_form_has_the_content_of_the_raw_one(tmp_path):
    raw, compact = prepare(tmp_path, out="raw"), prepare(tmp_path, out="compact", form="compact")
    assert (raw["form"], compact["form"]) == ("raw", "compact")
    assert compact["content"] == raw["content"]
    assert compact["splits"] == raw["splits"]
    assert describe(tmp_path / "compact") == describe(tmp_path / "raw")
