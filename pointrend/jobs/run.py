"""One training as a job: its lease, attempts and processes, the copy of the data that it reads, and its end.

A signal asks a training to stop: SIGTERM when its machine is needed, SIGUSR1 when a job's time is nearly over. Training
goes on to the end of the iteration, writes a checkpoint, and raises TrainingStopped.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import torch

from pointrend.checkout.code_digest import code_digest
from pointrend.checkout.machine import code_record, keep_freed_memory, machine_record
from pointrend.checkout.numbers import numbers_checked
from pointrend.errors import MachineError, TrainingStopped
from pointrend.files import Fence
from pointrend.jobs.attempts import Attempts
from pointrend.jobs.launch import check_interfaces
from pointrend.jobs.lease import lease
from pointrend.jobs.staging import training_data
from pointrend.jobs.starts import NotedStart
from pointrend.logs import calling_engine, duration, first_process
from pointrend.settings.definition import PAPER
from pointrend.settings.project import Project
from pointrend.training.checkpoints import last_iteration
from pointrend.training.distributed import join_processes
from pointrend.training.loop import Trainer
from pointrend.training.run import Training
from pointrend.training.shared_memory import check_shared_memory

STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
log = logging.getLogger(__name__)

WatchRecords = Callable[[Mapping[str, Any]], None]
# Makes what gets every record of the curve, from the run, its epochs, their iterations, and the first iteration.
MakeWatch = Callable[[Project, str, int, int, int], WatchRecords | None]


class StopRequest:
    """The signal that asked this process to stop, if one has."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __call__(self) -> str | None:
        """Name of the signal."""
        return self.signal.name if self.signal else None

    def note(self, number: int, frame: FrameType | None = None) -> None:
        """Remember a signal; the first one counts."""
        self.signal = self.signal or signal.Signals(number)


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Turn :data:`STOP_SIGNALS` into a request within the block; in the main thread only."""
    request = StopRequest()
    before = {number: signal.signal(number, request.note) for number in STOP_SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_training(training: Training, make_watch: MakeWatch) -> None:
    """Train to the end as one of the processes of ``training``; the first one writes the files.

    Raises:
        TrainingStopped: it was asked to stop; the job is back in Slurm's queue if its time was nearly over.
    """
    with stop_requests() as stop:
        try:
            if first_process():
                _attempt(training, make_watch, stop)
            else:
                _train(training, stop)
        except TrainingStopped as stopped:
            if not first_process():
                sys.exit(stopped.exit_code)  # the first one reports it
            requeue_after(stop.signal)
            raise


def _attempt(training: Training, make_watch: MakeWatch, stop: StopRequest) -> None:
    setting, code = training.setting, code_record(code_digest("train", training.setting.dataset))
    # The trainer of a killed engine keeps running. The next trainer waits for it and finds everything done.
    # The other processes connect to the first one only after it has the lease.
    with lease(training.checkpoints, training.folder, wait=calling_engine() is not None) as held:
        attempts = Attempts(training.checkpoints, training.identity, held)

        def started(trainer: Trainer) -> WatchRecords:
            machine = checked_machine(training, trainer.processes.device)
            attempts.note(machine=machine, iterations=trainer.total)
            first, epochs = trainer.progress.iteration, setting.recipe.epochs
            watch = make_watch(training.project, setting.run, epochs, trainer.epoch_iterations, first)

            def watched(record: Mapping[str, Any]) -> None:
                start.progress()
                if watch is not None:
                    watch(record)

            return watched

        iteration = last_iteration(training.checkpoints, training.identity)
        with attempts.attempt(iteration, code):
            log.info("attempt %d", len(attempts.records))
            start = NotedStart(training, iteration)
            attempts.note(start=start.place._asdict())
            try:
                trainer = _train(training, stop, held, started)
                training.write(trainer, attempts.records, held)
            finally:
                with suppress(OSError):  # on a full disk, say; the first error is the one to report
                    start.progress()
            start.end()
        log.info("%s", _end(training, trainer, attempts.records[-1]))
        log.info("written to %s/", training.folder)


def _end(training: Training, trainer: Trainer, attempt: Mapping[str, Any]) -> str:
    """What was trained, for how long and on what."""
    start, total = attempt["iteration"], trainer.total
    resumed = f", resumed at iteration {start}" if 0 < start < total else ""
    took = f"{duration(trainer.progress.seconds)} on {attempt['machine']['device']} x {trainer.processes.count}"
    what = f"{training.setting.run} seed {training.seed}: {'had been' if start == total else 'was'} trained"
    return f"{what} for {total} iterations, {took}{resumed}"


def checked_machine(training: Training, device: torch.device) -> dict[str, Any]:
    """The record of the machine, and when ``pointrend check`` found its numbers right; a warning if never."""
    machine = machine_record(device)
    checked = numbers_checked(training.project.root, machine)
    if checked is None and training.setting.scale == PAPER:
        log.warning("the numbers that this machine computes were never checked; stop and run: pointrend check")
    return machine | {"numbers_checked": checked}


def _train(
    training: Training,
    stop: StopRequest,
    fence: Fence | None = None,
    started: Callable[[Trainer], WatchRecords | None] = lambda _: None,
) -> Trainer:
    """The trainer on this process, when it has finished."""
    keep_freed_memory()
    recipe, prepared = training.setting.recipe, training.project.data_folder(training.setting.dataset)
    if os.environ.get("LOCAL_RANK", "0") == "0":  # one per machine reports it
        check_shared_memory(recipe)
    if recipe.gpus > 1:
        check_interfaces(recipe.device != "cpu")
    with (
        join_processes(recipe.gpus, recipe.device, recipe.threads, recipe.deterministic) as processes,
        training_data(prepared, processes, recipe.stage_to_tmpdir) as data,
    ):
        trainer = training.trainer(data, processes, fence)
        try:
            trainer.run(started(trainer), stop, training.validate)
        except torch.OutOfMemoryError as problem:
            what = f"not enough memory on {processes.device} for a batch of {recipe.batch_size}"
            raise MachineError(what, "set more gpus, or a different device, in params.yaml") from problem
    return trainer


def requeue_after(request: signal.Signals | None) -> None:
    """Put this Slurm job back into the queue if SIGUSR1 announced that its time is nearly over.

    So a training can take any number of jobs without using up an engine's retries. Where Slurm refuses, the exit code
    makes the engine retry.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job is None or request != signal.SIGUSR1:
        return
    requeue = ["scontrol", "requeue", job]
    try:
        subprocess.run(requeue, capture_output=True, text=True, timeout=60, check=True)  # noqa: S603 no shell, a number
    except (OSError, subprocess.SubprocessError) as error:
        problem = " ".join(str(getattr(error, "stderr", None) or error).split())
        log.warning("cannot put job %s back into the queue: %s", job, problem)
    else:
        log.info("job %s is back in the queue", job)
