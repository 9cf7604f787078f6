"""What can go wrong for who makes, checks or countersigns a crate, each in one line."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.results.crate.conftest import read, write


def words(text: str, places: dict[str, Path]) -> list[str]:
    return [word.format(**places) for word in text.split()]


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        ("crate --out {there}", 2, "results.crate.zip already exists; remove it, or name another file with --out"),
        ("crate --out {root}/results/a.zip", 2, "is in results/, which only the stages write to"),
        ("crate voc_r5 --out {new}", 2, "there is no run 'voc_r5' (did you mean 'voc_r50'?)"),
        ("crate --out {new} --sign {keys}/nobody", 2, "the key {keys}/nobody does not exist; make one: ssh-keygen"),
        ("crate --out {new} --sign {locked}", 2, "the key {locked} needs a passphrase; run: ssh-add {locked}"),
        ("crate --out {new} --sign {root}/params.yaml", 2, "ssh-keygen cannot sign with {root}/params.yaml"),
        ("crate --out {new} --scale pilot", 2, "results/pilot/results.json does not exist"),
        ("verify --crate {root}/params.yaml", 2, "params.yaml is not a crate; name a file written by"),
        ("verify --crate {root}/nothing", 2, "nothing is not a crate"),
        ("verify --signed-by {keys}/allowed", 2, "--signed-by needs --crate"),
        ("verify --crate {there} --signed-by {keys}/nobody", 2, "nobody does not exist; write a line"),
        ("verify --crate {there} --signed-by {alone}", 3, "countersigned/"),
        ("verify --crate {unsigned} --signed-by {keys}/allowed", 3, "manifest-sha256.txt is not signed by a party"),
        ("verify --crate {other} --signed-by {keys}/allowed", 3, "manifest-sha256.txt is not signed by a party"),
        ("countersign {root}/params.yaml voc_r50", 2, "is not a crate"),
        ("countersign {there} voc_r50 --sign {keys}/nobody", 2, "the key {keys}/nobody does not exist; make one"),
        ("countersign {there} voc_r5", 2, "there is no run 'voc_r5'"),
        ("countersign {there} voc_r50 --scale paper", 2, "the crate is of scale demo; write: pointrend --scale demo"),
        ("countersign {there} voc_r50 --set crop_size=[96,96]", 0, ""),
        (
            "countersign {there} voc_r50 --set subdivision_points=9",
            2,
            "the crate has a score of voc_r50 with a different setting",
        ),
    ],
)
def test_one_line(crate, done, keys, pointrend, tmp_path, capsys, command, code, says):
    places = {"root": done.root, "keys": keys, "new": tmp_path / "new.zip"}
    for name in ("there", "unsigned", "other"):
        places[name] = tmp_path / name / "results.crate.zip"
        places[name].parent.mkdir()
    shutil.copy(crate, places["there"])
    write(places["unsigned"], {name: data for name, data in read(crate).items() if not name.endswith(".sig")})
    if "{other}" in command:
        assert pointrend("crate", "--out", places["other"], "--sign", keys / "mallory") == 0
    places["locked"], places["alone"] = tmp_path / "locked", tmp_path / "alone"
    if "{locked}" in command:
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "a secret", "-f", str(places["locked"])]
        subprocess.run(make, check=True, timeout=60)
    places["alone"].write_text((keys / "allowed").read_text().splitlines()[0] + "\n")
    capsys.readouterr()
    assert pointrend(*words(command, places)) == code
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == (code > 0)
    assert says.format(**places) in "".join(errors)
    assert not places["new"].exists()


@pytest.mark.parametrize(
    "command", ["crate --out {new} --sign {keys}/alice", "verify --crate {crate} --signed-by {keys}/allowed"]
)
def test_without_ssh_keygen(crate, keys, pointrend, tmp_path, monkeypatch, capsys, command):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert pointrend(*words(command, {"new": tmp_path / "new.zip", "keys": keys, "crate": crate})) == 2
    assert "ssh-keygen was not found; install the OpenSSH client" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (
            lambda root: (root / "runs/demo/voc_r50-s0/model.safetensors").unlink(),
            "the weights of voc_r50 in the crate",
        ),
        (lambda root: (root / "runs/demo/voc_r50-s0/model.safetensors").write_bytes(b"x"), "differs from the weights"),
        (lambda root: (root / "data/demo/voc/manifest.json").unlink(), "manifest.json does not exist; run: pointrend"),
        (lambda root: (root / "data/demo/voc/val.labels.bin").write_bytes(b"x"), "val.labels.bin"),
    ],
)
def test_a_second_party_without_the_same_weights_and_data(crate, second, pointrend, tmp_path, capsys, spoil, says):
    root = tmp_path / "second"
    shutil.copytree(second, root)
    spoil(root)
    assert pointrend("countersign", crate, "voc_r50", root=root) in (2, 3)
    assert says in capsys.readouterr().err
