"""`pointrend verify` where released weights were scored: every file of that chain, spoilt in turn."""

import contextlib
import json
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pointrend.files import sha256_file, write_json
from pointrend.results.compare import read_results, sealed
from tests import released
from tests.commands.conftest import offering
from tests.mirrors import read_mirrors
from tests.released import FIRST_NAME, THIN, paper, read_params, write_params

SCORED = Path("runs/paper/voc_r50-released")
RESULTS = Path("results/paper/results.json")
SEEN = Path("published/released.lock.json")
FETCHED = Path("data/paper/archives/released_voc_r50.json")
DOES_NOT_FOLLOW = "difference of voc_r50 (released) does not follow from"
FILES = (
    *(SCORED / name for name in ("metrics.json", "matrix.parquet", "pictures/val0.png")),
    *(SEEN, FETCHED, Path(f"data/paper/archives/released_voc_r50/{FIRST_NAME}"), RESULTS, Path("README.md")),
)


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    root = tmp_path_factory.mktemp("scored")
    with pytest.MonkeyPatch.context() as patch, offering(root, patch) as folder:
        released.prepare(folder, released.noise_masks(2), **THIN)
        released.offer_weights(folder / FIRST_NAME, released.thin_state())
        assert paper("fetch released_voc_r50") == paper("evaluate voc_r50 --released") == 0
        assert paper("compare") == paper("report") == 0
    return root


@pytest.fixture(autouse=True)
def _own_copy(scored, tmp_path, monkeypatch):
    subprocess.run(["cp", "-a", f"{scored}/.", str(tmp_path)], check=True, timeout=60)
    monkeypatch.chdir(tmp_path)


def verify(capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capsys.readouterr()
    code = paper("verify")
    printed = capsys.readouterr()
    return code, printed.out + printed.err


@contextlib.contextmanager
def restored(*paths: Path) -> Iterator[None]:
    """Let the block change these files."""
    whole = {path: path.read_bytes() for path in paths}
    yield
    for path, content in whole.items():
        path.write_bytes(content)


def change_row(change: Callable[[dict[str, Any]], None]) -> None:
    """Change the row of the released weights and seal the results again."""
    results = read_results(RESULTS)
    (row,) = (row for row in results["runs"] if (row["run"], row["kind"]) == ("voc_r50", "released"))
    change(row)
    write_json(RESULTS, sealed(results))


def test_one_byte_of_any_file_is_noticed_and_the_file_named(capsys):
    code, printed = verify(capsys)
    assert code == 0
    assert "1 mIoU recomputed" in printed
    for path in FILES:
        whole = path.read_bytes()
        # In README.md, verify checks only the part between the markers.
        place = whole.index(b"| PASCAL VOC") if path.name == "README.md" else len(whole) // 2
        with restored(path):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            code, printed = verify(capsys)
        assert (code, printed.count("\n")) == (3, 1), (path, printed)
        assert str(path) in printed.partition("; ")[0]
    assert verify(capsys)[0] == 0


def test_another_file_than_the_first_download_does_not_pass(capsys):
    notes = json.loads(SEEN.read_text())
    notes[FIRST_NAME]["sha256"] = "0" * 64
    write_json(SEEN, notes)
    code, printed = verify(capsys)
    assert code == 3
    assert f"{SEEN} does not have the {FIRST_NAME} that was scored" in printed
    SEEN.unlink()
    assert f"{SEEN} does not exist; restore it" in verify(capsys)[1]


OTHER_RESULTS: list[tuple[Callable[[dict[str, Any]], dict[str, Any]], str]] = [
    (lambda row: {"miou": 1.0}, "results.json: miou of voc_r50 (released) does not follow from"),
    (lambda row: {"verdict": "matches", "difference": 0.0}, DOES_NOT_FOLLOW),
    (lambda row: {"verdict": "matches", "difference": row["miou"] - row["published_miou"]}, DOES_NOT_FOLLOW),
    (lambda row: {"verdict": "unverified", "reasons": ["x"]}, "voc_r50 (released) is unverified: x"),
]


def test_results_that_were_changed_and_sealed_again_do_not_pass(capsys):
    for change, words in OTHER_RESULTS:
        with restored(RESULTS):
            change_row(lambda row, change=change: row.update(change(row)))
            code, printed = verify(capsys)
        assert (code, words in printed) == (3, True), printed


def test_other_code_is_a_note_and_another_setting_fails(monkeypatch, capsys):
    params = read_params()
    params["runs"]["voc_r50"]["lr"] = 0.5
    write_params(params)
    assert "other" not in verify(capsys)[1]  # how we train says nothing about a release
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("pointrend.results.verify.code_digest", lambda stage, dataset: "0" * 64)
        code, printed = verify(capsys)
    assert code == 0
    assert f"note: {SCORED}/evaluate.json: scored by different code than this checkout has\n" in printed
    params["runs"]["voc_r50"]["subdivision_points"] = 16
    write_params(params)
    code, printed = verify(capsys)
    assert code == 3
    assert f"{SCORED}: stale: scored with other weights, another setting, data or code" in printed


def compared() -> dict[str, Any]:
    assert paper("compare") == 0
    return next(row for row in read_results(RESULTS)["runs"] if row["kind"] == "released")


def set_for_the_run(key: str, value: float) -> None:
    params = read_params()
    params["runs"]["voc_r50"][key] = value
    write_params(params)


def test_a_score_goes_stale_with_what_it_follows_from_alone():
    params, manifest = Path("params.yaml"), Path("data/paper/voc/manifest.json")
    before = compared()
    with restored(params):
        set_for_the_run("lr", 0.5)
        after = compared()
    assert all(after[key] == before[key] for key in ("miou", "hashes", "reasons"))
    weights = json.loads(FETCHED.read_text())
    weights["files"][FIRST_NAME]["sha256"] = "0" * 64
    data = json.loads(manifest.read_text()) | {"content": "0" * 64}
    for change in (
        lambda: set_for_the_run("subdivision_points", 16),
        lambda: write_json(FETCHED, weights),
        lambda: write_json(manifest, data),
    ):
        with restored(params, FETCHED, manifest):
            change()
            row = compared()
        assert (row["verdict"], row["miou"]) == ("not run", None)
        assert row["reasons"][0].startswith("stale: scored with other weights")


def test_a_crate_has_the_score_and_its_rows_that_were_not_run(capsys, tmp_path):
    capsys.readouterr()
    assert paper("crate --out released.crate.zip") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("voc_r50 released: not comparable, mIoU ")
    assert first.endswith(" recounted")
    assert second.startswith("released.crate.zip: ")
    graph = json.loads(zipfile.ZipFile("released.crate.zip").read("ro-crate-metadata.json"))["@graph"]
    (weights,) = (one for one in graph if one.get("name", "").endswith(f"released_voc_r50/{FIRST_NAME}"))
    assert (weights["sha256"], weights["url"]) == (
        sha256_file(FETCHED.with_suffix("") / FIRST_NAME),
        read_mirrors()[FIRST_NAME]["urls"],
    )
    assert paper("countersign released.crate.zip voc_r50") == 0
