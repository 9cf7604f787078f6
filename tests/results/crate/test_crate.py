"""A crate holds, is the same when it is made again, and every change of it is found."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pointrend.cli import main
from pointrend.engines.performed import performed
from pointrend.errors import CheckFailed
from pointrend.files import sha256_file
from pointrend.results.crate.build import contents, read_crate, write_crate
from pointrend.results.crate.signing import NAMESPACE, signers
from pointrend.settings.project import Project
from tests.results.crate.conftest import read, write
from tests.tiny import ROOT

SIGNED = "manifest-sha256.txt: signed by alice"


def test_both_parties_are_shown(crate, keys, pointrend, capsys):
    assert pointrend("verify", "--crate", crate, "--signed-by", keys / "allowed") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[:3]] == [f"voc_r50 trained {seed}" for seed in (0, 1, 2)]
    assert all(line.endswith(" recounted") for line in lines[:3])
    assert lines[3].startswith("voc_r50 seeds: ")
    assert lines[4].startswith("results/demo/countersigned/")
    assert lines[4].split(": ")[1] == lines[0].split(", ")[1]  # the same machine counts the same pixels
    assert lines[5] == SIGNED
    assert lines[6].endswith("/manifest-sha256.txt: signed by bob")


def test_the_same_files_give_the_same_bytes_and_a_countersignature_changes_none(crate, done, keys, pointrend, tmp_path):
    again = tmp_path / "again.crate.zip"
    assert pointrend("crate", "--out", again, "--sign", keys / "alice") == 0
    first, second = read(crate), read(again)
    assert {name: data for name, data in first.items() if "/countersigned/" not in name} == second
    once_more = tmp_path / "more.crate.zip"
    assert pointrend("crate", "--out", once_more, "--sign", keys / "alice") == 0
    assert once_more.read_bytes() == again.read_bytes()


def test_it_has_the_cards_of_its_trainings_and_the_metadata_of_its_data(crate):
    files = read(crate)
    cards = sorted(name for name in files if name.endswith("/card.md"))
    assert cards == [f"runs/demo/voc_r50-s{seed}/card.md" for seed in (0, 1, 2)]
    miou = json.loads(files["runs/demo/voc_r50-s1/metrics.json"])["miou"]
    assert f"value: {miou}\n" in files[cards[1]].decode()
    (data,) = (json.loads(files[name]) for name in files if name.endswith("/croissant.json"))
    assert data["name"] == "pointrend-voc"


def test_what_a_crate_does_not_have_is_not_called_counted(done, pointrend, tmp_path, capsys):
    project = Project.load(done.path("params.yaml"), "demo")
    crate = tmp_path / "results.crate.zip"
    lines = write_crate(crate, contents(project, performed(project, ())), "", None)
    assert [line.endswith(" NOT RECOUNTED") for line in lines] == [True, True, True, False]
    assert pointrend("countersign", crate, "voc_r50") == 2
    assert "the crate has no counts of voc_r50; name a run whose counts it has" in capsys.readouterr().err


def test_the_three_commands_of_the_page_need_no_code_of_ours(crate, keys, tmp_path):
    shutil.copy(crate, tmp_path)
    (tmp_path / "allowed_signers").write_text((keys / "allowed").read_text().replace("alice", "alice@example.org"))
    (tmp_path / "pointrend.py").write_text("raise ImportError")
    commands = (ROOT / "docs/provenance.md").read_text().split("```\n")[1]
    env = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(tmp_path)}
    ran = subprocess.run(
        ["bash", "-e"], input=commands, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    signed, first, *_ = ran.stdout.splitlines()
    assert signed.startswith('Good "pointrend-crate" signature for alice@example.org')
    assert first.endswith(" recounted")
    for words in ([], ["nothing.zip"]):
        done = subprocess.run([sys.executable, "crate/verify_crate.py", *words], cwd=tmp_path, capture_output=True)
        assert (done.returncode, done.stderr) == (
            1,
            b"Check a crate of results: python3 verify_crate.py results.crate.zip\n",
        )
    assert len((tmp_path / "crate/verify_crate.py").read_text().splitlines()) <= 200


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_a_flipped_byte_in_any_file_is_found(crate, keys, tmp_path):
    files, path = read(crate), tmp_path / "flipped.crate.zip"
    for name, data in files.items():
        if not data or name.endswith(".sig"):
            continue
        write(path, {**files, name: flipped(data, len(data) // 2)})
        with pytest.raises(CheckFailed, match=re.escape(name)):
            read_crate(path)


@pytest.mark.parametrize("at", [2, 29, 30, 100, -32, -30, -2, -1])
def test_a_flipped_byte_in_a_signature_is_found(crate, keys, at):
    files = read(crate)
    for name in (name for name in files if name.endswith(".sig")):
        with pytest.raises(CheckFailed, match=f"{name.removesuffix('.sig')} is not signed"):
            list(signers({**files, name: flipped(files[name], at % len(files[name]))}, keys / "allowed"))


def test_a_manifest_that_is_no_text_is_not_signed(crate, keys):
    files = read(crate)
    others = {"x-manifest-sha256.txt": b"\xff", "x-manifest-sha256.txt.sig": files["manifest-sha256.txt.sig"]}
    with pytest.raises(CheckFailed, match=r"x-manifest-sha256\.txt is not signed"):
        list(signers(files | others, keys / "allowed"))


def test_mlflow_has_the_crate_and_its_sha256(done, tmp_path):
    root = done.copy(tmp_path / "checkout").root
    for _ in range(2):
        assert main(["--params", str(root / "params.yaml"), "--scale", "demo", "--quiet", "track", "sync"]) == 0
    client = MlflowClient(f"sqlite:///{root}/mlflow.db")
    (run,) = client.search_runs(["1"], "tags.`pointrend.kind` = 'results'")
    (crate,) = (root / "mlartifacts/demo" / run.info.run_id).rglob("results.crate.zip")
    assert run.data.tags["pointrend.crate_sha256"] == sha256_file(crate)
    assert len(read_crate(crate).lines) == 4


def test_a_second_score_is_on_the_page_and_in_the_next_crate(crate, done, keys, tmp_path):
    root = done.copy(tmp_path / "checkout").root
    with zipfile.ZipFile(crate) as archive:
        archive.extractall(root, [name for name in archive.namelist() if "/countersigned/" in name])

    def pointrend(*words: str) -> int:
        return main(["--params", str(root / "params.yaml"), "--scale", "demo", "--quiet", *words])

    assert pointrend("report", "--check") == 3
    assert pointrend("report") == pointrend("report", "--check") == 0
    miou = json.loads((root / "results/demo/results.json").read_text())["runs"][0]["miou"]
    page = (root / "results/demo/index.html").read_text()
    assert f"seed 0 scored by two parties: {miou:.2f}% and {miou:.2f}%" in page
    assert page.count("scored by two parties") == 1
    again = tmp_path / "results.crate.zip"
    assert pointrend("crate", "--out", str(again), "--sign", str(keys / "alice")) == 0
    assert pointrend("verify", "--crate", str(again), "--signed-by", str(keys / "allowed")) == 0
    (record,) = (root / "results/demo/countersigned").rglob("voc_r50-s0.json")
    record.write_text("{}")
    assert pointrend("report") == 3


def test_a_third_party_keeps_the_signature_of_the_second(crate, second, keys, pointrend, tmp_path, capsys):
    """Even where both compute the same, and whoever has signed one score may sign another."""
    path = Path(shutil.copy(crate, tmp_path))
    assert pointrend("countersign", path, "voc_r50", "--sign", keys / "carol", root=second) == 0
    assert pointrend("countersign", path, "voc_r50", "--sign", keys / "bob", root=second) == 0  # once more
    capsys.readouterr()
    carol = f'carol namespaces="{NAMESPACE}" {(keys / "carol.pub").read_text()}'
    allowed = tmp_path / "allowed"
    allowed.write_text(carol + (keys / "allowed").read_text())
    assert pointrend("verify", "--crate", path, "--signed-by", allowed) == 0
    assert sorted(re.findall(r"signed by (\w+)", capsys.readouterr().out)) == ["alice", "bob", "carol"]
