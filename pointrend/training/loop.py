"""The training loop (RECIPE sections 3, 6, 8 and 10)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from pointrend.datasets.registry import classes_of
from pointrend.datasets.store import Store
from pointrend.jobs.preemption import StopRequest, stopped
from pointrend.logs import hides_bars
from pointrend.model.build import architecture
from pointrend.model.inputs import normalize_batch
from pointrend.model.norm import convert_norms
from pointrend.model.pointrend import PointRend, draw_points
from pointrend.model.weights import load_pretrained_backbone
from pointrend.training.checkpoints import Progress, load_checkpoint, save_checkpoint
from pointrend.training.distributed import Processes
from pointrend.training.identity import Identity
from pointrend.training.loader import TrainBatch, refuse_turned, train_loader, worker_failures
from pointrend.training.metrics_log import MetricsLog
from pointrend.training.optimizer import make_optimizer
from pointrend.training.schedule import iterations_per_epoch, learning_rate, total_iterations
from pointrend.training.step import TrainStep, memory_format
from pointrend.training.transforms import TrainTransform
from pointrend.training.window import Window

if TYPE_CHECKING:
    from pointrend.files import Fence
    from pointrend.settings.params import RunSetting

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PretrainedBackbone:
    """A file with ImageNet weights and the start of its sha256."""

    path: Path
    sha256_prefix: str


class Trainer:
    """One run from its first to its last iteration, resumable at any of them."""

    def __init__(
        self,
        setting: RunSetting,
        seed: int,
        data: Path,
        checkpoints: Path,
        backbone: PretrainedBackbone | None,
        processes: Processes,
        *,
        fingerprint: str = "",
        fence: Fence | None = None,
    ) -> None:
        """``fingerprint`` tells the checkpoints of one training from another's; ``fence`` is the lease on them."""
        self.recipe, self.seed, self.checkpoints, self.processes = setting.recipe, seed, checkpoints, processes
        self.training, self.fence = Identity(setting.run, seed, fingerprint), fence
        recipe = setting.recipe
        self.store = Store(data, "train")
        refuse_turned(self.store, recipe.crop_size)
        self.epoch_iterations = iterations_per_epoch(len(self.store), processes.count, recipe.batch_size)
        self.total = total_iterations(len(self.store), processes.count, recipe.batch_size, recipe.epochs)
        self.transform = TrainTransform(
            recipe.base_size, recipe.crop_size, max_class_share=recipe.max_class_share, scale_range=recipe.scale_range
        )
        self.model = self._make_model(setting, backbone)
        self.optimizer = make_optimizer(
            self.model, lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )
        found = load_checkpoint(checkpoints, self.model, self.optimizer, self.training)
        self.progress = found or Progress(0, b"", 0.0, 0)
        self.step = TrainStep(self.model, self.optimizer, recipe, processes)

    @worker_failures()
    def run(self, watch: Callable[[dict[str, Any]], None] | None = None, stop: StopRequest | None = None) -> PointRend:
        """Train to the end and return the model; metrics.jsonl grows in the checkpoint folder.

        ``watch`` is shown every record on the first process; nothing that it does enters the result.

        Raises:
            TrainingError: a loss is not finite; the message names the pictures of that batch.
            MachineError: loader processes find no room, or give nothing.
            TrainingStopped: a process was asked to stop; there is a checkpoint of the iteration that it was at. Or the
                lease was taken over.
        """
        before, start = self.progress, self.progress.iteration
        log.info("training from iteration %d to %d, %d an epoch", start, self.total, self.epoch_iterations)
        path = self.checkpoints / "metrics.jsonl"
        metrics = MetricsLog(path, before.metrics, self.fence) if self.processes.first else None
        window = Window(self.store.ids, self.recipe.batch_size, self.processes, before)
        clock = last_saved = time.monotonic()
        self.model.train()
        hidden = hides_bars() or not self.processes.first
        bar = tqdm(desc="train", total=self.total, initial=start, disable=hidden, unit="it")
        try:
            for (iteration, batch), waited in _timed(self._batches(start, stop)):
                window.add(iteration, batch.indices, waited, *self._step(iteration, batch))
                bar.update()
                done, save = iteration + 1, False
                if done % self.recipe.log_every == 0 or done == self.total:
                    record = self._record(done, window)
                    if metrics is not None:
                        metrics.append(record)
                        self._report(record, bar)
                        if watch is not None:
                            watch(record)
                    late = time.monotonic() - last_saved >= 60 * self.recipe.checkpoint_minutes
                    save = self.processes.agree(late) or done == self.total
                stopping = self.processes.any(bool(stop)) and done < self.total
                if save or stopping:
                    last_saved = time.monotonic()
                    self._save(done, before.seconds + last_saved - clock, metrics, window)
                if stopping:
                    raise stopped(stop, done)
        finally:
            bar.close()
            if metrics is not None:
                metrics.close()
        return self.model

    def learning_rate(self, iteration: int) -> float:
        """Learning rate of the step after ``iteration`` finished ones (RECIPE section 10)."""
        recipe = self.recipe
        return learning_rate(
            iteration,
            self.total,
            lr=recipe.lr,
            power=recipe.poly_power,
            min_lr_ratio=recipe.min_lr_ratio,
            warmup_iterations=recipe.warmup_iterations,
            warmup_ratio=recipe.warmup_ratio,
        )

    def _make_model(self, setting: RunSetting, backbone: PretrainedBackbone | None) -> PointRend:
        # Every process starts from the same numbers: the initialisation follows from the seed alone.
        torch.manual_seed(self.seed)
        model = PointRend(architecture(setting, len(classes_of(setting.dataset).names)))
        if backbone is not None:
            load_pretrained_backbone(backbone.path, model.backbone, sha256_prefix=backbone.sha256_prefix)
        if self.processes.count > 1:
            model = convert_norms(model, device=self.processes.device)
        return model.to(self.processes.device).to(memory_format=memory_format(self.recipe))

    def _batches(self, start: int, stop: StopRequest | None = None) -> Iterator[tuple[int, TrainBatch]]:
        """(iteration, batch) from iteration ``start`` to the end, through as many epochs as that takes."""
        share = self.recipe.batch_size // self.processes.count
        for epoch in range(start // self.epoch_iterations + 1, self.recipe.epochs + 1):
            first = (epoch - 1) * self.epoch_iterations
            loader = train_loader(
                self.store,
                self.transform,
                batch_size_per_process=share,
                processes=self.processes.count,
                rank=self.processes.rank,
                seed=self.seed,
                epoch=epoch,
                first_batch=max(start - first, 0),
                workers=self.recipe.workers,
                pin_memory=self.processes.device.type == "cuda",
                stop=lambda: bool(stop),
            )
            yield from enumerate(loader, max(start, first))

    def _step(self, iteration: int, batch: TrainBatch) -> tuple[Tensor, Tensor]:
        """One optimiser step; the three losses (3,) and whether a loss had nothing to be a mean over."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(iteration)
        generator = torch.Generator().manual_seed(step_seed(self.seed, iteration, self.processes.rank))
        draws = draw_points(self.model.architecture, len(batch.pictures), generator)
        images = normalize_batch(self.step.moved(batch.pictures), batch.inside)
        return self.step(images, self.step.moved(batch.labels).long(), draws)

    def _record(self, done: int, window: Window) -> dict[str, Any]:
        """What metrics.jsonl says of the iterations since the last record, the ``done``-th one included."""
        place = {"iteration": done, "epoch": (done - 1) // self.epoch_iterations + 1}
        return {**place, "lr": self.learning_rate(done - 1), **window.close()}

    def _report(self, record: dict[str, Any], bar: tqdm[NoReturn]) -> None:
        """Every record to the log file, its loss beside the bar; ten lines in all to a screen that has no bar."""
        bar.set_postfix(loss=f"{record['loss']:.3f}", refresh=False)
        log.debug("%s", record)
        done, tenth = record["iteration"], self.total / 10
        if bar.disable and done // tenth > (done - self.recipe.log_every) // tenth:
            minutes = (self.total - done) * self.recipe.batch_size / record["images_per_second"] / 60
            place = f"iteration {done} of {self.total}"
            log.info("%s: loss %.3f, lr %.5f, about %.0f min left", place, record["loss"], record["lr"], minutes)

    def _save(self, done: int, seconds: float, metrics: MetricsLog | None, window: Window) -> None:
        losses = window.suspend()
        content = metrics.content() if metrics is not None else b""
        self.progress = progress = Progress(done, content, seconds, window.empty_batches, losses)
        if self.processes.first:
            save_checkpoint(self.checkpoints, self.model, self.optimizer, progress, self.training, self.fence)


def step_seed(seed: int, iteration: int, rank: int) -> int:
    """Seed of the point draws of one iteration on one process: it follows from these three alone."""
    return int(np.random.SeedSequence([seed, iteration, rank]).generate_state(1, np.uint64)[0] >> 1)


def _timed(batches: Iterator[Any]) -> Iterator[tuple[Any, float]]:
    """Items of ``batches``, each with the seconds that it was waited for."""
    while True:
        asked = time.monotonic()
        try:
            item = next(batches)
        except StopIteration:
            return
        yield item, time.monotonic() - asked
