"""The state of every training of a scale, for `pointrend status`: from the files on disk and from Slurm's queue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pointrend.engines.estimates import checkpoint_iteration
from pointrend.engines.slurm import QueuedJob, comments, queued_jobs
from pointrend.engines.summary import content, is_scored
from pointrend.errors import ResultsError, WeightsError
from pointrend.files import read_json_lines
from pointrend.jobs.attempts import DONE
from pointrend.jobs.lease import Found, newest, seems_alive
from pointrend.logs import duration
from pointrend.results.chain import METRICS, METRICS_LOG, TRAIN
from pointrend.settings.fingerprints import training_fingerprint
from pointrend.settings.project import Project
from pointrend.terminal import table
from pointrend.training.schedule import seconds_left

SHOWN = ("iteration", "time", "loss")  # keys of a record that are used
VALIDATED = ("iteration", "validation_miou")
STATES = ("done", "running", "waiting", "failed")
OTHERWISE = "trained with other settings, data or code than the present ones"


@dataclass(frozen=True)
class State:
    """One of :data:`STATES`, and what there is to know about it."""

    word: str
    text: str = ""


def status(project: Project) -> Iterator[str]:
    """A line for each run and seed, and how many are in which state."""
    jobs = queued_jobs(project.root.resolve())
    places = [(run, seed) for run in project.params.runs for seed in seeds(project, run)]
    states = [state_of(project, *place, jobs) for place in places]
    found = Counter(state.word for state in states)
    rows = ((*place, state.word, state.text) for place, state in zip(places, states, strict=True))
    yield table([("run", "seed", "state", ""), *rows], "<><<")
    counts = ", ".join(f"{found[word]} {word}" for word in STATES if found[word])
    yield f"\nscale {project.params.scale}: {counts}"


def seeds(project: Project, run: str) -> list[int]:
    """The seeds of params.yaml, and those that were trained or started here."""
    folders = [*project.runs_folder.glob(f"{run}-s*"), *project.checkpoints_folder.glob(f"{run}-s*")]
    names = (folder.name.removeprefix(f"{run}-s") for folder in folders)
    return sorted({*project.params.seeds, *(int(name) for name in names if name.isdecimal())})


def state_of(project: Project, run: str, seed: int, jobs: Mapping[str, Sequence[QueuedJob]]) -> State:
    """The state of one training and its score; ``jobs`` are those in Slurm's queue, by comment."""
    queued = [
        job for rule in ("train", "evaluate") for name in comments(rule, run, str(seed)) for job in jobs.get(name, ())
    ]
    fingerprint = _fingerprint(project, run, seed)
    folder = _started(project.checkpoints_folder / f"{run}-s{seed}", fingerprint)
    record = content(folder / "attempts.json")
    last = record["attempts"][-1] if record else {"ended": DONE}
    lease = newest(folder / "lease")
    if seems_alive(lease) or (not lease.free and any(job.runs(lease.holder.get("job")) for job in queued)):
        return State("running", _progress(folder, lease, last))
    trained = content(project.run_folder(run, seed) / TRAIN).get("fingerprint")
    begins = "scores" if trained and trained == fingerprint else "begins"
    for job in sorted(queued, key=lambda job: job.state != "RUNNING"):
        text = begins if job.state == "RUNNING" else f"{job.state} ({job.reason})"
        return State("running" if job.state == "RUNNING" else "waiting", f"Slurm job {job.number}: {text}")
    if last["ended"] == DONE or (trained and trained in (fingerprint, record["training"]["fingerprint"])):
        return _result(project.run_folder(run, seed), trained, fingerprint)
    if last["ended"] is not None and record["failed"] is None:
        return State("waiting", f"{last['ended']}; the same command resumes from there")
    log = project.relative(project.log_file(f"train-{run}-s{seed}"))
    killed = f"killed on {last['host']}{_iteration(folder, last)}"
    killed += f"; the same command resumes from iteration {checkpoint_iteration(folder)}"
    return State("failed", f"{record['failed'] or killed}; log: {log}")


def _fingerprint(project: Project, run: str, seed: int) -> str | None:
    """That of a training that starts now; None where its data or its backbone do not exist."""
    try:
        return training_fingerprint(project, project.setting(run), seed)
    except (ResultsError, WeightsError):
        return None


def _started(folder: Path, fingerprint: str | None) -> Path:
    """The checkpoints of the training that matters: one that is running, or else of these settings, or the last one."""
    found = sorted(folder.glob("*/"), key=lambda path: path.stat().st_mtime) or [folder / "none"]
    ours = [path for path in found if path.name == str(fingerprint)[:16]]
    return next((path for path in found if seems_alive(newest(path / "lease"))), (ours or found)[-1])


def _progress(folder: Path, lease: Found, attempt: Mapping[str, Any]) -> str:
    """Where a training runs, since when, and how far it has come."""
    where = f"{lease.who}, since {lease.holder['since'][5:16]}" if lease.holder else lease.who
    records = _records(folder, attempt, SHOWN) if attempt.get("lease") == lease.number else []
    if not records:
        return f"{where}, no iteration recorded yet"
    total = attempt.get("iterations")
    left = seconds_left(records, total) if total else None
    rest = f", {duration(left)} left" if left else ""
    return f"{where}{_iteration(folder, attempt)}, loss {records[-1]['loss']:.3f}{_validated(folder)}{rest}"


def _validated(folder: Path) -> str:
    """The last mIoU on a part of val, if there is one."""
    found = _records(folder, {"iteration": 0}, VALIDATED)[-1:]
    return "".join(f", mIoU {record['validation_miou']:.1f}% on part of val" for record in found)


def _iteration(folder: Path, attempt: Mapping[str, Any]) -> str:
    """The last recorded iteration of an attempt, and how many there are where the attempt came so far as to know."""
    records, total = _records(folder, attempt, SHOWN), attempt.get("iterations")
    reached = records[-1]["iteration"] if records else attempt["iteration"]
    return f", iteration {reached}" + (f" of {total}" if total else "")


def _records(folder: Path, attempt: Mapping[str, Any], keys: Sequence[str]) -> list[dict[str, Any]]:
    """The records of metrics.jsonl with numbers for these ``keys`` that an attempt has written."""
    if not (folder / METRICS_LOG).is_file():
        return []
    records = read_json_lines(folder / METRICS_LOG)
    whole = (record for record in records if all(isinstance(record.get(key), int | float) for key in keys))
    return [record for record in whole if record["iteration"] > attempt["iteration"]]


def _result(folder: Path, trained: str | None, fingerprint: str | None) -> State:
    if trained is None:
        return State("waiting")
    note = "" if fingerprint in (None, trained) else f"; {OTHERWISE}"
    if not is_scored(folder):
        return State("waiting", f"trained, not scored yet{note}")
    return State("done", f"mIoU {content(folder / METRICS)['miou']:.2f}%{note}")
