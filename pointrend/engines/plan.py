"""The plan of a scale as lines of text: iterations, hours, downloads, disk, next commands; and its jobs for Slurm."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pointrend.engines.estimates import epoch_iterations, sample_times, weights_bytes
from pointrend.engines.slurm import SlurmJobs, evaluate_gpus, sbatch_words, train_memory_mb, train_resources
from pointrend.engines.workflow import Workflow
from pointrend.jobs.launch import launcher
from pointrend.logs import duration
from pointrend.settings.archives import WITH_ACCOUNT, Archive
from pointrend.settings.definition import PAPER, wanted_reasons
from pointrend.settings.project import BYTES_PER_PIXEL, Project
from pointrend.terminal import NOTHING, table

NO_STEPS = "no hours: no step of these trainings was measured on this machine"
SITE = "workflow/profiles/slurm/config.yaml"


def plan(project: Project, steps: Mapping[str, float], source: str, estimate: Iterable[str] = ()) -> Iterator[str]:
    """The plan at the current scale; ``steps`` are milliseconds per step by run, as ``source`` gives them.

    ``estimate`` are the lines of :func:`.gpus.gpu_hours`, if a GPU is named.
    """
    yield f"scale {project.params.scale}, archives {project.archive_set}\n"
    head = ("run", "GPUs", "batch", "epochs", "it/epoch", "iterations", "comparable")
    yield table([head, *(_run_row(project, run) for run in project.params.runs)], "<>>>>><")
    yield ""
    yield from _costs(project, steps, source) if steps else [NO_STEPS]
    runs = [run for run in project.params.runs if not wanted_reasons(project, project.setting(run))]
    if runs and project.params.scale == PAPER:
        from pointrend.engines.outlook import outlook  # takes half a second, and `plan --check` starts every DVC stage

        yield from outlook(project, runs)
    yield from estimate
    yield ""
    if project.scale.data == "drawn":
        yield "archives: drawn by the project itself, a few MB; nothing is downloaded"
    else:
        yield from _archives(project)
        yield from _disk(project)
    yield "\nnext"
    scale = project.params.scale
    commands = {
        f"pointrend --scale {scale} doctor": "check what this machine lacks for it",
        f"snakemake --cores all --config scale={scale}": "run all of it",
    }
    if scale != "demo" and not steps:
        commands[f"pointrend --scale {scale} plan --gpu A100"] = "estimate GPU-hours before anything was measured"
        timed = f"pointrend --scale {scale} plan --step-ms r50=MS"
        commands[timed] = "estimate hours, with MS from `python -m benchmarks step` on the GPU"
    for command, meaning in commands.items():
        yield f"  {command}\n      {meaning}"


def _run_row(project: Project, run: str) -> tuple[object, ...]:
    setting = project.setting(run)
    recipe, each = setting.recipe, epoch_iterations(project, setting)
    reasons = ", ".join(wanted_reasons(project, setting))
    processes = "CPU" if recipe.device == "cpu" and recipe.gpus == 1 else recipe.gpus
    comparable = f"no: {reasons}" if reasons else "yes" if setting.scale == PAPER else "with the original"
    return run, processes, recipe.batch_size, recipe.epochs, each, each * recipe.epochs, comparable


def _costs(project: Project, steps: Mapping[str, float], source: str) -> Iterator[str]:
    samples = sample_times(project)
    rows: list[tuple[str, ...]] = [("run", "step, ms", "wall", "GPU time", "disk, GB", "needs", "loader")]
    for run, step_ms in steps.items():
        setting = project.setting(run)
        recipe, sample_ms = setting.recipe, samples.get(setting.dataset)
        seconds = step_ms * epoch_iterations(project, setting) * recipe.epochs / 1e3
        times = f"{step_ms:.0f}", duration(seconds), duration(seconds * recipe.gpus)
        needs = f"{1e3 * recipe.batch_size / recipe.gpus / step_ms:.3g}/s"
        # Without worker processes the training process also loads.
        loader = f"{1e3 * max(1, recipe.workers) / sample_ms:.0f}/s" if sample_ms else NOTHING
        rows.append((run, *times, f"{weights_bytes(setting) / 1e9:.2f}", needs, loader))
    yield table(rows)
    yield "needs: samples per second that each GPU consumes"
    yield "loader: those that its loader processes supply, measured by `make bench`"
    yield f"steps: {source}"


def _archives(project: Project) -> Iterator[str]:
    rows = [("archives", "download", "state")]
    backbones = map("backbone_{}".format, project.params.backbones)
    for name in (*project.params.datasets, *backbones, *map("released_{}".format, project.released_runs)):
        for archive in project.archives_of(name):
            size = f"{'' if archive.bytes else 'about '}{_gigabytes(project.about_bytes(archive))}"
            rows.append((archive.name, size, _archive_state(project, name, archive)))
    yield table(rows, "<><")


def _archive_state(project: Project, name: str, archive: Archive) -> str:
    if (project.archives_folder / archive.name).exists():
        return "here"
    if project.urls(archive.name):
        return "to download"
    return "needs an account" if name == WITH_ACCOUNT else "no URL; supply the file"


def _disk(project: Project) -> Iterator[str]:
    sizes = {
        name: {form: project.prepared_bytes(name, form) for form in BYTES_PER_PIXEL} for name in project.params.datasets
    }
    total = {form: sum(each[form] for each in sizes.values()) for form in BYTES_PER_PIXEL}
    rows = [(name, *(f"about {_gigabytes(each[form])}" for form in total)) for name, each in sizes.items()]
    together = ("together", *(f"about {_gigabytes(size)}" for size in total.values()))
    yield "\n" + table([("prepared data", *total), *rows, together])
    yield f"chosen: {project.store_form}"
    # DVC copies the archives, which are in data/archives/ as well, and links the rest where it can.
    archives = project.about_bytes()
    copied = _gigabytes(archives + total[project.store_form])
    yield f"\ncache, with DVC alone: about {_gigabytes(archives)} ({copied} without links)"


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.2f} GB"


def slurm_jobs(project: Project) -> Iterator[str]:
    """The sbatch command of every job, and how the processes of every training would be started."""
    params = project.params
    jobs = SlurmJobs(Workflow(project, tuple(params.runs), params.seeds, cluster=True))
    yield f"scale {params.scale}, jobs for Slurm; partition, account and time limits are in {SITE}"
    yield "on this machine: fetch, audit, compare, report, track"
    for dataset in jobs.wanted.datasets:
        yield f"\nprepare {dataset}\n  sbatch --mem=4000 --cpus-per-task=2 --ntasks=1"
    for run in jobs.wanted.runs:
        for seed in jobs.wanted.seeds:
            yield from _training_jobs(jobs, run, str(seed))
    for run in jobs.wanted.released:
        yield f"\nevaluate {run}, released weights\n  {_scoring_job(project, run)}"


def _training_jobs(jobs: SlurmJobs, run: str, seed: str) -> Iterator[str]:
    project = jobs.wanted.project
    recipe = project.setting(run).recipe
    options = sbatch_words(train_resources(recipe), train_memory_mb(recipe), jobs.train_options(run, seed))
    yield f"\n{'train and evaluate' if jobs.group else 'train'} {run}, seed {seed}"
    yield f"  sbatch {' '.join(options)}"
    if recipe.gpus > 1:
        program = ["-m", f"{jobs.wanted.command()} train {run} --seed {seed}"]
        yield f"  {' '.join(launcher(recipe.gpus, recipe.nodes, 'FIRST_NODE', None, program))}"
    if not jobs.group:
        yield f"evaluate {run}, seed {seed}\n  {_scoring_job(project, run)}"


def _scoring_job(project: Project, run: str) -> str:
    gpus = evaluate_gpus(project.setting(run).recipe)
    return f"sbatch --mem=4000 --cpus-per-task=2 {f'--gpus={gpus}' if gpus else '--ntasks=1'}"
