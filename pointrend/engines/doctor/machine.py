"""Python, torch, CUDA and disk."""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pointrend.engines.doctor.finding import Finding, ask
from pointrend.settings.project import Project
from pointrend.training.shared_memory import PLACE, ROOM, needed_bytes, whole_bytes

CHECKPOINT_BYTES = 1.5e9
"""Room that the checkpoints and results of one training take: two checkpoints of R-101 with momentum, and the model."""


def check_python() -> Finding:
    """The interpreter, which the package itself needs to be 3.11 or newer."""
    return Finding("python", "ok", f"{platform.python_version()}, {platform.platform()}")


def check_git(root: Path) -> list[Finding]:
    """Whether DVC, which asks for git, can work here; nothing is said where it can."""
    configs = [root / ".dvc" / name for name in ("config", "config.local")]
    said = [path.read_text(encoding="utf-8") for path in configs if path.is_file()]
    without = any(re.search(r"^\s*no_scm\s*=\s*true\s*$", text, re.MULTILINE | re.IGNORECASE) for text in said)
    if without or any((folder / ".git").exists() for folder in (root, *root.parents)):
        return []
    do = "only for dvc: dvc config --local core.no_scm true, or git clone instead of a download"
    return [Finding("git", "note", f"{root} is not a git repository, so dvc refuses to work", do)]


def check_torch() -> Finding:
    """torch, by its metadata: importing it takes seconds."""
    try:
        return Finding("torch", "ok", version("torch"))
    except PackageNotFoundError:
        return Finding("torch", "missing", "not installed", "run: make test, or pip install -r requirements.lock")


def check_cuda(project: Project, cluster: bool) -> Finding:
    """GPUs of this machine, where the current scale trains on them."""
    listed = ask("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader")
    gpus = (listed or "").splitlines()
    recipes = [project.setting(run).recipe for run in project.params.runs]
    wanted = max(recipe.gpus for recipe in recipes)
    if all(recipe.device != "cuda" for recipe in recipes):
        return Finding("cuda", "ok", ", ".join(gpus) or f"no GPU, and scale {project.params.scale} needs none")
    if cluster and len(gpus) < wanted:
        return Finding("cuda", "note", f"{len(gpus)} GPUs here", "jobs get theirs from Slurm: --profile slurm")
    if not gpus:
        do = "run on a machine with GPUs, or take --config scale=demo, which needs none"
        if project.released_runs:
            released = f"snakemake --cores all released --config scale={project.params.scale}"
            do += f"; released weights are scored without one, too: {released}"
        return Finding("cuda", "missing", f"no GPU, and scale {project.params.scale} trains on {wanted}", do)
    if len(gpus) < wanted:
        do = f"--config gpus={len(gpus)}: the batch stays the same"
        return Finding("cuda", "missing", f"{len(gpus)} GPUs, and {wanted} are wanted: {', '.join(gpus)}", do)
    return Finding("cuda", "ok", ", ".join(gpus))


def check_disk(project: Project) -> Finding:
    """Room for what is not there yet: archives, prepared data, checkpoints."""
    needed = _needed_bytes(project)
    free = shutil.disk_usage(project.root).free
    found = f"{free / 1e9:.0f} GB free at {project.root.resolve()}, about {needed / 1e9:.1f} GB needed"
    if free < needed:
        return Finding("disk", "missing", found, "make room, or move the checkout; `pointrend plan` says what takes it")
    return Finding("disk", "ok", found)


def check_tmpdir(project: Project) -> Finding:
    """A folder for temporary files, to which data are copied with stage_to_tmpdir."""
    folder = Path(tempfile.gettempdir())
    free = shutil.disk_usage(folder).free
    found = f"{folder}, {free / 1e9:.0f} GB free"
    staged = any(project.setting(run).recipe.stage_to_tmpdir for run in project.params.runs)
    if staged and not os.environ.get("TMPDIR"):
        return Finding("tmpdir", "note", found, "stage_to_tmpdir copies the data there; TMPDIR names another place")
    return Finding("tmpdir", "ok", found)


def check_shared_memory(project: Project, cluster: bool) -> Finding:
    """Room for the batches of the loader processes."""
    needed = max(needed_bytes(project.setting(run).recipe) for run in project.params.runs)
    whole = whole_bytes()
    if whole is None:
        return Finding("shared memory", "ok", f"no {PLACE}")
    found = f"{PLACE} has {whole / 1e6:.0f} MB, about {needed / 1e6:.0f} MB needed for batches on their way"
    if whole >= needed:
        return Finding("shared memory", "ok", found)
    return Finding("shared memory", "note" if cluster else "missing", found, ROOM)


def check_home() -> Finding:
    """Folders in which Snakemake and DVC keep caches and settings of their own; without one they end in a traceback."""
    places = {"XDG_CACHE_HOME": "~/.cache", "XDG_CONFIG_HOME": "~/.config"}
    for variable, usual in places.items():
        folder = Path(os.path.expanduser(os.environ.get(variable) or usual))
        there = next(path for path in (folder, *folder.parents) if path.exists())
        if not (there.is_dir() and os.access(there, os.W_OK)):
            do = f"Snakemake and DVC write there: set HOME or {variable} to a folder that can be written"
            return Finding("home", "missing", f"{folder} cannot be made or written", do)
    return Finding("home", "ok", os.path.expanduser("~"))


def _needed_bytes(project: Project) -> float:
    trainings = len(project.params.runs) * len(project.params.seeds)
    if project.scale.data == "drawn":
        return 50e6 * trainings
    total = CHECKPOINT_BYTES * trainings
    for name in project.params.datasets:
        total += sum(
            project.about_bytes(archive)
            for archive in project.archives_of(name)
            if not (project.archives_folder / archive.name).exists()
        )
        total += 0 if project.manifest(name).is_file() else project.prepared_bytes(name)
    return total
