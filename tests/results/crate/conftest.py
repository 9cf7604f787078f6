"""A crate of three small trainings, two parties' keys, and a second checkout with the weights and the data alone."""

import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pointrend.cli import main
from pointrend.results.crate.signing import NAMESPACE
from tests.needs import programs
from tests.trust.ground import STEPS, Ground, one_run, run

SEEDS = (0, 1, 2)


@pytest.fixture(scope="session")
def keys(tmp_path_factory) -> Path:
    """A folder with the keys of ``alice``, ``bob`` and ``mallory``, and ``allowed``, which lists the first two."""
    programs("ssh-keygen", package="openssh-client")
    folder = tmp_path_factory.mktemp("keys")
    for name in ("alice", "bob", "carol", "mallory"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True, timeout=60
        )
    public = {name: (folder / f"{name}.pub").read_text() for name in ("alice", "bob")}
    (folder / "allowed").write_text("".join(f'{name} namespaces="{NAMESPACE}" {key}' for name, key in public.items()))
    return folder


@pytest.fixture(scope="session")
def done(tmp_path_factory) -> Ground:
    """A checkout with three trainings, whose scores are comparable because nothing is asked."""
    ground = one_run(tmp_path_factory.mktemp("crate") / "checkout")
    ground.put("seeds", list(SEEDS))
    each = (f"{verb} voc_r50 --seed {seed}" for seed in SEEDS for verb in ("train", "evaluate"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pointrend.results.compare.reasons_against", lambda score, published: [])
        patch.setattr("pointrend.results.run_files.wanted_reasons", lambda *_, **__: [])
        return run(ground, (*STEPS[:3], *each, "compare", "report"))


@pytest.fixture(scope="session")
def second(done, tmp_path_factory) -> Path:
    """A second party's checkout, which has only the weights of seed 0 and the data."""
    root = tmp_path_factory.mktemp("second") / "checkout"
    folder = root / "runs/demo/voc_r50-s0"
    folder.mkdir(parents=True)
    for name in ("params.yaml", "runs/demo/voc_r50-s0/model.safetensors"):
        shutil.copy(done.path(name), root / name)
    for name in ("published", "data/demo/voc"):
        shutil.copytree(done.path(name), root / name)
    return root


@pytest.fixture(scope="session")
def pointrend(done) -> Callable[..., int]:
    """The command line in a checkout, the first party's unless another is named."""

    def pointrend(*words: object, root: Path = done.root) -> int:
        return main(["--params", str(root / "params.yaml"), "--scale", "demo", "--quiet", *map(str, words)])

    return pointrend


@pytest.fixture(scope="session")
def crate(done, second, keys, pointrend, tmp_path_factory) -> Path:
    """A crate that alice has signed and bob has countersigned."""
    path = tmp_path_factory.mktemp("made") / "results.crate.zip"
    assert pointrend("crate", "--out", path, "--sign", keys / "alice") == 0
    assert pointrend("countersign", path, "voc_r50", "--sign", keys / "bob", root=second) == 0
    return path


def read(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path
