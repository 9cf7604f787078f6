"""Telling one engine what the other has done.

Either engine, told to believe what lies on the disk, believes anything. So each is told only where the other one's
own bookkeeping is whole, and where the files are what their manifests say.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pointrend.errors import CheckFailed
from pointrend.files import read_json, sha256_file
from pointrend.project import Project

BIN = Path(sys.executable).parent


def tell_dvc(project: Project) -> None:
    """Have DVC take what Snakemake made as its own.

    Raises:
        CheckFailed: Snakemake would still run something or has no record of how a file was made, or a file is
            missing or not what its manifest says.
    """
    do = f"run snakemake --cores all --config scale={project.params.scale}, then this again"
    planned = _engine(project, "snakemake", "--cores", "1", "-n", "-p", *_config(project))
    commands = re.findall(r"^Shell command: (pointrend .*)$", planned, re.MULTILINE)
    if commands:
        raise CheckFailed(f"snakemake would still run {_listed(commands)}", do)
    unrecorded = re.search(r"^Rules with missing metadata: (.*)$", planned, re.MULTILINE)
    if unrecorded:
        do = "if dvc made the files, run pointrend bridge snakemake instead"
        raise CheckFailed(f"snakemake has no record of how the files of these stages were made: {unrecorded[1]}", do)
    _check_files(project, do)
    _engine(project, "dvc", "commit", "--force")


def tell_snakemake(project: Project) -> None:
    """Have Snakemake take what DVC made as its own.

    Raises:
        CheckFailed: DVC would still run something, or a file is missing or not what its manifest says.
    """
    do = "run dvc repro, then this again"
    if (project.released_runs or project.audited_runs) and not project.params.published_scales:
        what = "dvc has not scored the released weights or audited the published logs that belong to this scale"
        raise CheckFailed(what, f"write published_scales: [{project.params.scale}] into params.yaml, {do}")
    status = json.loads(_engine(project, "dvc", "status", "--json"))
    if status:
        raise CheckFailed(f"dvc would still run {_listed(list(status))}: {_first_reason(status)}", do)
    _check_files(project, do)
    _engine(project, "snakemake", "--cores", "1", "--touch", "--forceall", *_config(project))


def _config(project: Project) -> tuple[str, str]:
    return "--config", f"scale={project.params.scale}"


def _engine(project: Project, *command: str) -> str:
    """Run an engine in the checkout; what it printed."""
    program = str(BIN / command[0])
    ran = subprocess.run([program, *command[1:]], cwd=project.root, capture_output=True, text=True)  # noqa: S603 no shell
    if ran.returncode:
        lines = re.findall(r".*(?:error|exception|busy).*", ran.stderr + ran.stdout, re.IGNORECASE)
        what = f"{' '.join(command)} failed: {lines[0].strip() if lines else f'exit code {ran.returncode}'}"
        raise CheckFailed(what, "run it by hand to see more")
    return ran.stdout if command[0] == "dvc" else ran.stdout + ran.stderr


def _listed(names: list[str]) -> str:
    rest = len(names) - 3
    return ", ".join(names[:3]) + (f" and {rest} more" if rest > 0 else "")


def _first_reason(status: dict[str, list[object]]) -> str:
    """Where the first stage of ``dvc status`` differs, as DVC says it."""
    return json.dumps(next(iter(status.values()))[0]).translate(str.maketrans("", "", '{}"[]'))


def _check_files(project: Project, do: str) -> None:
    """Every file that a manifest lists is there and has the sha256 that stands there."""
    for path, expected, manifest in _manifested(project, do):
        if not path.is_file():
            raise CheckFailed(f"{project.relative(path)} is not there", do)
        if sha256_file(path) != expected:
            what = f"{project.relative(path)} is not the one that {project.relative(manifest)} describes"
            raise CheckFailed(what, f"remove both and {do}")


def _manifested(project: Project, do: str) -> Iterator[tuple[Path, str, Path]]:
    """(file, sha256, manifest) of the archives, the prepared data and the runs."""
    params = project.params
    weights = (*map("backbone_{}".format, params.backbones), *map("released_{}".format, project.released_runs))
    audited = [f"{kind}_{run}" for run in project.audited_runs for kind in ("log", "cfg")]
    for name in (*params.datasets, *weights, *audited):
        manifest = project.fetched(name)
        found = read_json(manifest, CheckFailed, do)
        if found["set"] != project.archive_set:
            what = f"{project.relative(manifest)} is of the archives {found['set']}, not {project.archive_set}"
            raise CheckFailed(what, "correct POINTREND_PINS, or remove the manifest and fetch again")
        yield from (
            (project.fetched_file(name, file), record["sha256"], manifest) for file, record in found["files"].items()
        )
    for dataset in params.datasets:
        manifest = project.manifest(dataset)
        for file, record in read_json(manifest, CheckFailed, do)["files"].items():
            yield manifest.with_name(file), record["sha256"], manifest
    for run in params.runs:
        for seed in params.seeds:
            folder = project.run_folder(run, seed)
            train, metrics = (read_json(folder / name, CheckFailed, do) for name in ("train.json", "metrics.json"))
            yield folder / "model.safetensors", train["model_sha256"], folder / "train.json"
            yield folder / "confusion.parquet", metrics["sha256"], folder / "metrics.json"
    for run in project.released_runs:
        folder = project.released_folder(run)
        metrics = read_json(folder / "metrics.json", CheckFailed, do)
        yield folder / "confusion.parquet", metrics["sha256"], folder / "metrics.json"
    for run in project.audited_runs:
        audit = project.audited_folder(run) / "audit.json"
        yield audit.with_name("curve.json"), read_json(audit, CheckFailed, do)["curve_sha256"], audit
