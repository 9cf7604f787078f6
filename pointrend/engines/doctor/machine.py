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
from pointrend.engines.estimates import weights_bytes
from pointrend.settings.project import Project
from pointrend.training.shared_memory import PLACE, ROOM, needed_bytes, whole_bytes

DRAWN_BYTES = 50e6  # disk per training of the demo, its data included


def check_python() -> Finding:
    """The interpreter; the package cannot be installed below 3.11."""
    return Finding("python", "ok", f"{platform.python_version()}, {platform.platform()}")


def check_git(root: Path) -> list[Finding]:
    """Whether DVC, which needs git, can work here; no finding where it can."""
    configs = [root / ".dvc" / name for name in ("config", "config.local")]
    texts = [path.read_text(encoding="utf-8") for path in configs if path.is_file()]
    without = any(re.search(r"^\s*no_scm\s*=\s*true\s*$", text, re.MULTILINE | re.IGNORECASE) for text in texts)
    if without or any((folder / ".git").exists() for folder in (root, *root.parents)):
        return []
    do = "only if you use dvc: dvc config --local core.no_scm true, or git clone instead of a download"
    return [Finding("git", "note", f"{root} is not a git repository, so dvc refuses to work", do)]


def check_torch() -> Finding:
    """torch, by its metadata: importing it takes seconds."""
    try:
        return Finding("torch", "ok", version("torch"))
    except PackageNotFoundError:
        return Finding("torch", "missing", "not installed", "run: make install")


def check_cuda(project: Project, cluster: bool) -> Finding:
    """GPUs of this machine, where the current scale trains on them."""
    listed = ask("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader")
    gpus, scale = (listed or "").splitlines(), project.params.scale
    recipes = [project.setting(run).recipe for run in project.params.runs]
    wanted = max(recipe.gpus for recipe in recipes)
    if all(recipe.device != "cuda" for recipe in recipes):
        return Finding("cuda", "ok", ", ".join(gpus) or f"no GPU, and scale {scale} needs none")
    if cluster and len(gpus) < wanted:
        return Finding("cuda", "note", f"{len(gpus)} GPUs here", "jobs get theirs from Slurm: --profile slurm")
    if not gpus:
        do = "run on a machine with GPUs, or use --config scale=demo, which needs none"
        if project.released_runs:
            do += "; released weights can be scored without a GPU: "
            do += f"snakemake --cores all released --config scale={scale}"
        return Finding("cuda", "missing", f"no GPU, and scale {scale} trains on {wanted}", do)
    if len(gpus) < wanted:
        do = f"use --config gpus={len(gpus)}; the batch size stays the same"
        return Finding("cuda", "missing", f"{len(gpus)} of {wanted} GPUs: {', '.join(gpus)}", do)
    return Finding("cuda", "ok", ", ".join(gpus))


def check_disk(project: Project) -> Finding:
    """Disk space for everything that does not exist yet: archives, prepared data, checkpoints."""
    needed, free = _needed_bytes(project), shutil.disk_usage(project.root).free
    found = f"{free / 1e9:.0f} GB free at {project.root.resolve()}, about {needed / 1e9:.1f} GB needed"
    if free < needed:
        return Finding("disk", "missing", found, "free space, or move the checkout; `pointrend plan` lists the needs")
    return Finding("disk", "ok", found)


def check_tmpdir(project: Project) -> Finding:
    """The folder for temporary files, into which stage_to_tmpdir copies the data."""
    folder = Path(tempfile.gettempdir())
    free = shutil.disk_usage(folder).free
    found = f"{folder}, {free / 1e9:.0f} GB free"
    staged = any(project.setting(run).recipe.stage_to_tmpdir for run in project.params.runs)
    if staged and not os.environ.get("TMPDIR"):
        return Finding("tmpdir", "note", found, "stage_to_tmpdir copies the data there; TMPDIR selects the folder")
    return Finding("tmpdir", "ok", found)


def check_shared_memory(project: Project, cluster: bool) -> Finding:
    """Shared memory for the batches of the loader processes."""
    needed = max(needed_bytes(project.setting(run).recipe) for run in project.params.runs)
    whole = whole_bytes()
    if whole is None:
        return Finding("shared memory", "ok", f"no {PLACE}")
    found = f"{PLACE} has {whole / 1e6:.0f} MB, about {needed / 1e6:.0f} MB needed for batches on their way"
    if whole >= needed:
        return Finding("shared memory", "ok", found)
    return Finding("shared memory", "note" if cluster else "missing", found, ROOM)


def check_home() -> Finding:
    """The cache and settings folders of Snakemake and DVC, which end in a traceback without them."""
    for variable, usual in {"XDG_CACHE_HOME": "~/.cache", "XDG_CONFIG_HOME": "~/.config"}.items():
        folder = Path(os.path.expanduser(os.environ.get(variable) or usual))
        parent = next(path for path in (folder, *folder.parents) if path.exists())
        if not (parent.is_dir() and os.access(parent, os.W_OK)):
            do = f"Snakemake and DVC need it: set HOME or {variable} to a writable folder"
            return Finding("home", "missing", f"{folder} cannot be created or written", do)
    return Finding("home", "ok", os.path.expanduser("~"))


def _needed_bytes(project: Project) -> float:
    runs, seeds = project.params.runs, len(project.params.seeds)
    if project.scale.data == "drawn":
        return DRAWN_BYTES * len(runs) * seeds
    datasets = project.params.datasets
    archives = [archive for name in datasets for archive in project.archives_of(name)]
    absent = [archive for archive in archives if not (project.archives_folder / archive.name).exists()]
    unprepared = [name for name in datasets if not project.manifest(name).is_file()]
    weights = sum(weights_bytes(project.setting(run)) for run in runs) * seeds
    return weights + sum(map(project.about_bytes, absent)) + sum(map(project.prepared_bytes, unprepared))
