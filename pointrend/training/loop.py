"""Training: one step, and the loop around it (RECIPE sections 3, 6, 8 and 10)."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from pointrend.datasets.registry import classes_of
from pointrend.datasets.store import Store
from pointrend.errors import MachineError, TrainingStopped
from pointrend.logs import duration, hides_bars
from pointrend.model.inputs import normalize_batch
from pointrend.model.norm import convert_norms
from pointrend.model.pointrend import Architecture, PointDraws, PointRend, allow_tf32, draw_points
from pointrend.model.weights import load_pretrained_backbone
from pointrend.settings.project import LOSSES
from pointrend.training.checkpoints import Progress, load_checkpoint, save_checkpoint
from pointrend.training.distributed import Processes
from pointrend.training.identity import Identity
from pointrend.training.loader import TrainBatch, refuse_turned, train_loader, worker_failures
from pointrend.training.metrics_log import MetricsLog, Window
from pointrend.training.schedule import iterations_per_epoch, learning_rate, seconds_left
from pointrend.training.streams import POINTS, torch_seed
from pointrend.training.transforms import TrainTransform

if TYPE_CHECKING:
    from pointrend.files import Fence
    from pointrend.settings.params import RunSetting
    from pointrend.settings.recipe import Recipe

log = logging.getLogger(__name__)

# The mIoU in percent of a network on a part of val, or None; from this process's rank, the number of processes that
# share the work, and what sums a tensor over them.
Validate = Callable[[PointRend, int, int, Callable[[Tensor], Tensor]], float | None]


@dataclass(frozen=True)
class PretrainedBackbone:
    """A file with ImageNet weights and the start of its sha256."""

    path: Path
    sha256_prefix: str


class TrainStep:
    """The training step of one model, over all processes.

    It never waits for a GPU: losses stay on the device, and copies to the device are made from pinned memory.
    """

    def __init__(self, model: PointRend, recipe: Recipe, seed: int, iterations: int, processes: Processes) -> None:
        """Take ``model`` to its device; ``iterations`` is the length of the whole training."""
        self.recipe, self.seed, self.iterations = recipe, seed, iterations
        self.device, self.rank = processes.device, processes.rank
        self.layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
        allow_tf32(recipe.precision == "tf32")
        if processes.count > 1:
            model = convert_norms(model, device=processes.device)
        self.model = model.to(self.device).to(memory_format=self.layout)
        self.optimizer = make_optimizer(self.model, recipe)
        replica = DistributedDataParallel(model) if processes.count > 1 else model
        self.network: Callable[..., Any] = _compiled(replica) if recipe.compile else replica

    def __call__(self, iteration: int, batch: TrainBatch) -> tuple[Tensor, Tensor]:
        """Update the weights from the batch of ``iteration``, counted from 0.

        Returns the losses in the order of :data:`LOSSES`, (3,), and whether no pixel had a label, a scalar bool.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(iteration)
        self.optimizer.zero_grad(set_to_none=True)

        generator = torch.Generator().manual_seed(torch_seed(self.seed, POINTS, iteration, self.rank))
        draws = draw_points(self.model.architecture, len(batch.pictures), generator)
        points = PointDraws(*map(self._on_device, draws))
        labels = self._on_device(batch.labels).long()
        images = normalize_batch(self._on_device(batch.pictures), batch.inside).contiguous(memory_format=self.layout)

        # With bf16, convolutions and products are computed in bfloat16; weights, losses and the optimiser stay float32.
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bf16"):
            losses = self.network(images, labels, points)
        losses["loss"].backward()
        self.optimizer.step()
        return torch.stack([losses[name].detach() for name in LOSSES]), losses["valid_pixels"] == 0

    def learning_rate(self, iteration: int) -> float:
        """Learning rate of the step after ``iteration`` finished ones."""
        return learning_rate(self.recipe, iteration, self.iterations)

    def _on_device(self, tensor: Tensor) -> Tensor:
        if self.device.type == "cuda":
            tensor = tensor.pin_memory()  # from pageable memory the copy would wait for the GPU
        return tensor.to(self.device, non_blocking=True)


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """SGD with one group of all parameters: norms and biases decay too, and both heads have the common rate.

    Fused: one pass over a parameter, its gradient and its momentum.
    """
    return torch.optim.SGD(
        model.parameters(), lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay, fused=True
    )


def _compiled(network: nn.Module) -> Callable[..., Any]:
    """The network through torch.compile, which fuses the operations between the convolutions."""
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        do = "install it (Debian: apt-get install g++), name a different one in CXX, or set compile: false"
        raise MachineError(f"compile: true needs a C++ compiler, and {compiler} was not found", do)
    return torch.compile(network)


class Trainer:
    """One training from its first to its last iteration, resumable at any of them."""

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
        """``fingerprint`` distinguishes the checkpoints of different trainings; ``fence`` is the lease on them."""
        self.recipe, self.seed, self.checkpoints, self.processes = setting.recipe, seed, checkpoints, processes
        self.training, self.fence = Identity(setting.run, seed, fingerprint), fence
        recipe = setting.recipe
        self.store = Store(data, "train")
        refuse_turned(self.store, recipe.crop_size)
        self.epoch_iterations = iterations_per_epoch(len(self.store), processes.count, recipe.batch_size)
        self.total = recipe.epochs * self.epoch_iterations
        self.validation_iterations = recipe.validation_epochs * self.epoch_iterations
        self.transform = TrainTransform(
            recipe.base_size, recipe.crop_size, max_class_share=recipe.max_class_share, scale_range=recipe.scale_range
        )
        torch.manual_seed(seed)  # all processes start with the same weights, which follow from the seed alone
        model = PointRend(Architecture.of(setting, len(classes_of(setting.dataset).names)))
        if backbone is not None:
            load_pretrained_backbone(backbone.path, model.backbone, sha256_prefix=backbone.sha256_prefix)
        self.step = TrainStep(model, recipe, seed, self.total, processes)
        self.model, self.optimizer = self.step.model, self.step.optimizer
        found = load_checkpoint(checkpoints, self.model, self.optimizer, self.training)
        self.progress = found or Progress(0, b"", 0.0, 0)

    @worker_failures()
    def run(
        self,
        watch: Callable[[dict[str, Any]], None] | None = None,
        stop: Callable[[], str | None] = lambda: None,
        validate: Validate | None = None,
    ) -> PointRend:
        """Train to the end and return the model; metrics.jsonl grows in the checkpoint folder.

        ``watch`` gets every record on the first process and cannot change the result. ``stop`` is asked after every
        iteration; it returns what asked this process to stop, if anything has. ``validate`` is called after every
        ``validation_epochs`` epochs; its mIoU is recorded and changes nothing.

        Raises:
            TrainingError: a loss is not finite; the message names the images of that batch.
            MachineError: loader processes ran out of shared memory, or gave no batch.
            TrainingStopped: a process was asked to stop, and a checkpoint was written; or the lease was taken over.
        """
        before, start = self.progress, self.progress.iteration
        log.info("training from iteration %d to %d, %d per epoch", start, self.total, self.epoch_iterations)
        path = self.checkpoints / "metrics.jsonl"
        metrics = MetricsLog(path, before.metrics, self.fence) if self.processes.first else None
        window = Window(self.store.ids, self.recipe.batch_size, self.processes, before)
        records: list[dict[str, Any]] = []
        clock = last_saved = asked = time.monotonic()
        self.model.train()
        hidden = hides_bars() or not self.processes.first
        bar = tqdm(desc="train", total=self.total, initial=start, disable=hidden, unit="it")
        try:
            for iteration, batch in self._batches(start, stop):
                waited = time.monotonic() - asked
                window.add(iteration, batch.indices, waited, *self.step(iteration, batch))
                bar.update()
                done, save = iteration + 1, False
                if done % self.recipe.log_every == 0 or done == self.total:
                    record = self._record(done, window)
                    if metrics is not None:
                        metrics.append(record)
                        records.append(record)
                        self._report(records, bar)
                        if watch is not None:
                            watch(record)
                    late = time.monotonic() - last_saved >= 60 * self.recipe.checkpoint_minutes
                    save = bool(self.processes.of_first(late)) or done == self.total
                stopping = self.processes.any(stop() is not None) and done < self.total
                if validate is not None and not stopping and done % self.validation_iterations == 0:
                    self._validate(done, validate, window, metrics)
                if save or stopping:
                    last_saved = time.monotonic()
                    self._save(done, before.seconds + last_saved - clock, metrics, window)
                if stopping:
                    by = stop() or "a signal to another process"
                    raise TrainingStopped(f"stopped by {by} at iteration {done}", "the same command resumes from there")
                asked = time.monotonic()
        finally:
            bar.close()
            if metrics is not None:
                metrics.close()
        return self.model

    def _batches(self, start: int, stop: Callable[[], str | None]) -> Iterator[tuple[int, TrainBatch]]:
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
                stop=lambda: stop() is not None,
            )
            yield from enumerate(loader, max(start, first))

    def _record(self, done: int, window: Window) -> dict[str, Any]:
        """Record for metrics.jsonl of the iterations since the last one, up to the ``done``-th."""
        position = {"iteration": done, "epoch": (done - 1) // self.epoch_iterations + 1}
        return {**position, "lr": self.optimizer.param_groups[0]["lr"], **window.close()}

    def _validate(self, done: int, validate: Validate, window: Window, metrics: MetricsLog | None) -> None:
        """Record the mIoU on a part of val after the ``done``-th iteration, at the end of an epoch."""
        began, cudnn = time.monotonic(), torch.backends.cudnn
        timed, cudnn.benchmark = cudnn.benchmark, False  # every image may have another size
        miou = validate(self.model, self.processes.rank, self.processes.count, self.processes.sum)
        cudnn.benchmark = timed
        self.model.train()
        window.started += time.monotonic() - began  # no time of the iterations
        if miou is not None and metrics is not None:
            epoch = done // self.epoch_iterations
            found = {"iteration": done, "epoch": epoch, "validation_miou": round(miou, 4)}
            metrics.append(found | {"time": round(time.time(), 3)})
            log.info("epoch %d of %d: mIoU %.2f%% on a part of val", epoch, self.recipe.epochs, miou)

    def _report(self, records: Sequence[dict[str, Any]], bar: tqdm[NoReturn]) -> None:
        """Log the last record; show its loss beside the bar or, where there is no bar, ten lines in all."""
        record = records[-1]
        bar.set_postfix(loss=f"{record['loss']:.3f}", refresh=False)
        log.debug("%s", record)
        done, tenth = record["iteration"], self.total / 10
        if bar.disable and done // tenth > (done - self.recipe.log_every) // tenth:
            left = seconds_left(records, self.total)
            rest = f", about {duration(left)} left" if left else ""
            position = f"iteration {done} of {self.total}"
            log.info("%s: loss %.3f, lr %.5f%s", position, record["loss"], record["lr"], rest)

    def _save(self, done: int, seconds: float, metrics: MetricsLog | None, window: Window) -> None:
        losses = window.suspend()
        content = metrics.content() if metrics is not None else b""
        self.progress = progress = Progress(done, content, seconds, window.empty_batches, losses)
        if self.processes.first:
            save_checkpoint(self.checkpoints, self.model, self.optimizer, progress, self.training, self.fence)
