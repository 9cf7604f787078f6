"""Mistakes in what the trainer hands over, each of which tests/training/test_wiring.py has to see by itself.

    python -m tests.training.mutations [NAME ...]

makes each of them (or those named) in a copy of the code, runs these tests, and says which one failed first. The exit
code is 1 where a mistake survives or its place in the code is no longer found.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.tiny import ROOT

TESTS = "tests/training/test_wiring.py"
COPIED = ("benchmarks", "pointrend", "tests", "params.yaml", "pyproject.toml")
NO_COPY = shutil.ignore_patterns("__pycache__", "golden")
SECONDS = 400
PARAMS = "params.yaml"
POINTREND, POINTS, INPUTS = (f"pointrend/model/{name}.py" for name in ("pointrend", "points", "inputs"))
LOADER, TRANSFORMS, LOOP, SCHEDULE, CHECKPOINTS, DISTRIBUTED, COMMAND = (
    f"pointrend/training/{name}.py"
    for name in ("loader", "transforms", "loop", "schedule", "checkpoints", "distributed", "run")
)
OF_RECIPE = "**of_recipe)"  # the recipe's keys on their way to the network


class Mutation(NamedTuple):
    """One mistake: ``old``, which is in ``file`` exactly once, becomes ``new``."""

    name: str
    file: str
    old: str
    new: str

    def applied(self, root: Path) -> str:
        """The file's text with the mistake in it."""
        text = (root / self.file).read_text()
        if text.count(self.old) != 1:
            raise ValueError(f"{self.name}: {self.old!r} is in {self.file} {text.count(self.old)} times, not once")
        return text.replace(self.old, self.new)


MUTATIONS = [
    Mutation("norms not joined", LOOP, "model = convert_norms(model, device=processes.device)", "pass"),
    Mutation("weights of the losses swapped", POINTREND, OF_RECIPE, "**of_recipe | {'point_loss_weight': setting.recipe.coarse_loss_weight, 'coarse_loss_weight': setting.recipe.point_loss_weight})"),
    Mutation("weight decay 1e-4", LOOP, "weight_decay=recipe.weight_decay", "weight_decay=1e-4"),
    Mutation("momentum 0.85", LOOP, "momentum=recipe.momentum", "momentum=0.85"),
    Mutation("padding is black", INPUTS, "floats.masked_fill_(~_inside(inside.to(device, non_blocking=True), height, width)[..., None], 0)", "pass"),
    Mutation("schedule one shorter", LOOP, "iteration, self.iterations)", "iteration, self.iterations - 1)"),
    Mutation("same augmentation in every epoch", LOADER, "TrainSamples(store, transform, seed, epoch)", "TrainSamples(store, transform, seed, 1)"),
    Mutation("warm-up ratio 0.01", SCHEDULE, "1 - recipe.warmup_ratio", "1 - 0.01"),
    Mutation("class share 1.0", LOOP, "max_class_share=recipe.max_class_share", "max_class_share=1.0"),
    Mutation("scale up to 1.75", LOOP, "scale_range=recipe.scale_range", "scale_range=(0.5, 1.75)"),
    Mutation("importance 0.5", POINTREND, OF_RECIPE, "**of_recipe | {'importance_ratio': 0.5})"),
    Mutation("8192 points", POINTREND, OF_RECIPE, "**of_recipe | {'subdivision_points': 8192})"),
    Mutation("point draws without rank", LOOP, "POINTS, iteration, self.rank)", "POINTS, iteration, 0)"),
    # The network and its weights
    Mutation("depth of every run 50", POINTREND, "setting.depth, **", "50, **"),
    Mutation("one class more", LOOP, "len(classes_of(setting.dataset).names)", "len(classes_of(setting.dataset).names) + 1"),
    Mutation("thinner pyramid", PARAMS, "  fpn_channels: 256\n", "  fpn_channels: 128\n"),
    Mutation("output stride 8", POINTREND, OF_RECIPE, "**of_recipe | {'output_stride': 8})"),
    Mutation("output stride 8 in params.yaml", PARAMS, "output_stride: 32 ", "output_stride: 8 "),
    Mutation("last norms start at zero", POINTREND, OF_RECIPE, "**of_recipe | {'zero_init_last_norm': True})"),
    Mutation("last norms start at zero in params.yaml", PARAMS, "zero_init_last_norm: false", "zero_init_last_norm: true"),
    Mutation("backbone not loaded", LOOP, "if backbone is not None:", "if backbone is ...:"),
    Mutation("backbone not handed over", COMMAND, 'backbone = PretrainedBackbone(path, pin.sha256_prefix or "")', "pass"),
    Mutation("no backbone at paper", PARAMS, "limit: null\n    pretrained: true", "limit: null\n    pretrained: false"),
    Mutation("initialised by 0", LOOP, "torch.manual_seed(seed)", "torch.manual_seed(0)"),
    Mutation("initialised by rank", LOOP, "torch.manual_seed(seed)", "torch.manual_seed(seed + processes.rank)"),
    Mutation("seed of the command lost", COMMAND, "self.seed, data,", "0, data,"),
    Mutation("three refinement steps", POINTREND, OF_RECIPE, "**of_recipe | {'subdivision_steps': 3})"),
    Mutation("oversampled four times", POINTREND, OF_RECIPE, "**of_recipe | {'oversample_ratio': 4})"),
    Mutation("2000 points", POINTREND, OF_RECIPE, "**of_recipe | {'train_points': 2000})"),
    # The losses
    Mutation("weight of the coarse loss", PARAMS, "coarse_loss_weight: 0.4", "coarse_loss_weight: 0.5"),
    Mutation("background ignored", POINTREND, "ignore_index: int = 255", "ignore_index: int = 0"),
    Mutation("labels of points between pixels", POINTS, 'grid_sample(maps, grid, mode="nearest"', 'grid_sample(maps, grid, mode="bilinear"'),
    Mutation("gradient of the point loss alone", LOOP, 'losses["loss"].backward()', 'losses["loss_point"].backward()'),
    # The optimiser
    Mutation("Nesterov", LOOP, "fused=True", "nesterov=True, fused=True"),
    Mutation("dampening", LOOP, "fused=True", "dampening=0.1, fused=True"),
    Mutation("no weight decay on norms and biases", LOOP, "        model.parameters(), lr=", "        [{'params': [p for p in model.parameters() if p.dim() > 1]}, {'params': [p for p in model.parameters() if p.dim() == 1], 'weight_decay': 0}], lr="),
    Mutation("heads in a group of their own", LOOP, "        model.parameters(), lr=", "        [{'params': model.backbone.parameters()}, {'params': [p for n, p in model.named_parameters() if 'backbone' not in n]}], lr="),
    Mutation("backbone frozen", LOOP, "        model.parameters(), lr=", "        [p for n, p in model.named_parameters() if 'backbone' not in n], lr="),
    Mutation("gradients add up", LOOP, "self.optimizer.zero_grad(set_to_none=True)", "pass"),
    Mutation("gradients clipped", LOOP, "        self.optimizer.step()", "        torch.nn.utils.clip_grad_norm_([p for g in self.optimizer.param_groups for p in g['params']], 0.1)\n        self.optimizer.step()"),
    # The schedule
    Mutation("learning rate", PARAMS, "  lr: 0.01\n", "  lr: 0.02\n"),
    Mutation("rate of the next iteration", LOOP, 'group["lr"] = self.learning_rate(iteration)', 'group["lr"] = self.learning_rate(iteration + 1)'),
    Mutation("power of the schedule", PARAMS, "poly_power: 0.9", "poly_power: 1.0"),
    Mutation("no smallest rate", PARAMS, "min_lr_ratio: 0.01", "min_lr_ratio: 0.0"),
    Mutation("smallest rate lost", SCHEDULE, "recipe.lr * recipe.min_lr_ratio", "recipe.lr * 0.001"),
    Mutation("shorter warm-up", PARAMS, "warmup_iterations: 200", "warmup_iterations: 199"),
    Mutation("warm-up of the base rate", SCHEDULE, "return decayed * (1 - (1", "return recipe.lr * (1 - (1"),
    Mutation("half the batch", PARAMS, "batch_size: 16, epochs: 130", "batch_size: 8, epochs: 130"),
    Mutation("fewer epochs", PARAMS, "batch_size: 16, epochs: 60", "batch_size: 16, epochs: 50"),
    Mutation("more epochs", PARAMS, "batch_size: 8, epochs: 220", "batch_size: 8, epochs: 240"),
    Mutation("last epoch left out", LOOP, "self.recipe.epochs + 1)", "self.recipe.epochs)"),
    Mutation("one epoch too many", LOOP, "self.recipe.epochs + 1)", "self.recipe.epochs + 2)"),
    # Samples and their order
    Mutation("first epoch is 0", LOOP, "epoch=epoch,", "epoch=epoch - 1,"),
    Mutation("same order in every epoch", LOADER, "torch_seed(seed, ORDER, epoch)", "torch_seed(seed, ORDER)"),
    Mutation("same order for every seed", LOADER, "torch_seed(seed, ORDER, epoch)", "torch_seed(0, ORDER, epoch)"),
    Mutation("samples of seed 0", LOOP, "                seed=self.seed,", "                seed=0,"),
    Mutation("every process sees the same", LOOP, "rank=self.processes.rank,", "rank=0,"),
    Mutation("every process has a whole batch", LOOP, "share = self.recipe.batch_size // self.processes.count", "share = self.recipe.batch_size"),
    Mutation("dropped before padded", LOADER, "share = -(-n // processes)", "share = n // processes"),
    Mutation("padded with the last one", LOADER, "np.resize(order, share * processes)", 'np.pad(order, (0, share * processes - n), mode="edge")'),
    Mutation("shares not interleaved", LOADER, "[rank::processes]", "[rank * share : (rank + 1) * share]"),
    # Pixels
    Mutation("base size turned", LOOP, "recipe.base_size, recipe.crop_size,", "recipe.base_size[::-1], recipe.crop_size,"),
    Mutation("crop size turned", LOOP, "recipe.base_size, recipe.crop_size,", "recipe.base_size, recipe.crop_size[::-1],"),
    Mutation("base size turned in params.yaml", PARAMS, "base_size: [2048, 1024]", "base_size: [1024, 2048]"),
    Mutation("crop size turned in params.yaml", PARAMS, "crop_size: [512, 1024]", "crop_size: [1024, 512]"),
    Mutation("class share in params.yaml", PARAMS, "max_class_share: 0.75", "max_class_share: 0.8"),
    Mutation("mean in BGR order", INPUTS, "np.array([123.675, 116.28, 103.53]", "np.array([103.53, 116.28, 123.675]"),
    Mutation("deviation of a channel", INPUTS, "57.375]", "57.5]"),
    Mutation("images in BGR order", TRANSFORMS, "cv2.cvtColor(image, cv2.COLOR_BGR2RGB, out)", "out[:] = image"),
    Mutation("padding is background", TRANSFORMS, "np.full(size, IGNORE, dtype=np.uint8)", "np.zeros(size, dtype=np.uint8)"),
    Mutation("padding at the bottom right", TRANSFORMS, "margin = (target - length) // 2", "margin = min(0, (target - length) // 2)"),
    # Processes, precision, resuming
    Mutation("processes train alone", LOOP, "DistributedDataParallel(model) if processes.count > 1 else model", "model"),
    Mutation("our own norm on GPUs", "pointrend/model/norm.py", 'if device.type == "cuda":', "if device.type == 0:"),
    Mutation("two processes", PARAMS, "gpus: 4  ", "gpus: 2  "),
    Mutation("TF32 allowed", LOOP, 'allow_tf32(recipe.precision == "tf32")', "allow_tf32(True)"),
    Mutation("TF32 in params.yaml", PARAMS, "precision: float32 ", "precision: tf32 "),
    Mutation("bfloat16 in params.yaml", PARAMS, "precision: float32 ", "precision: bf16 "),
    Mutation("kernels not chosen", DISTRIBUTED, "cudnn.benchmark = not deterministic", "cudnn.benchmark = False"),
    Mutation("mode not set", LOOP, "        self.model.train()\n        hidden", "        hidden"),
    Mutation("resumed one later", LOOP, "start = self.progress, self.progress.iteration", "start = self.progress, self.progress.iteration + 1"),
    Mutation("checkpoint counts one less", LOOP, "progress = Progress(done, ", "progress = Progress(done - 1, "),
    Mutation("resumed at the epoch's first batch", LOOP, "first_batch=max(start - first, 0)", "first_batch=0"),
    Mutation("resumed with the epoch's first number", LOOP, "enumerate(loader, max(start, first))", "enumerate(loader, first)"),
    Mutation("momentum lost in a checkpoint", CHECKPOINTS, 'momentum = tensors.get(f"momentum.{name}")', "momentum = None"),
]  # fmt: skip


def first_failure(root: Path) -> str | None:
    """The test that fails first in this copy of the code; None where all pass, or where none comes to its end."""
    command = [sys.executable, "-m", "pytest", TESTS, "-n0", "-x", "-rfE", "--tb=no", "-p", "no:cacheprovider"]
    # Bytecode is told from its source by seconds and size, and two mistakes may have the same.
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(root)}
    try:
        ran = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return None
    if ran.returncode > 1:
        raise SystemExit(f"{TESTS} cannot be run:\n{ran.stdout}")
    found = re.search(rf"^(FAILED|ERROR) {re.escape(TESTS)}::(\S+)", ran.stdout, re.MULTILINE)
    return found and f"{found[2]}{', when it was set up' if found[1] == 'ERROR' else ''}"


def with_mistake(mutation: Mutation, root: Path) -> str | None:
    """As above, with the mistake in the copy while the tests run."""
    file = root / mutation.file
    before, wrong = file.read_text(), mutation.applied(root)
    file.write_text(wrong)
    try:
        return first_failure(root)
    finally:
        file.write_text(before)


def main(names: Sequence[str]) -> int:
    """Make the mistakes and print what becomes of each."""
    chosen = [mutation for mutation in MUTATIONS if not names or mutation.name in names]
    if len(chosen) < len(names):
        raise SystemExit(f"choose from: {', '.join(mutation.name for mutation in MUTATIONS)}")
    survived = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in COPIED:
            copy = functools.partial(shutil.copytree, ignore=NO_COPY) if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, Path(folder, name))
        if test := first_failure(Path(folder)):
            raise SystemExit(f"{test} fails without any mistake")
        for mutation in chosen:
            test = with_mistake(mutation, Path(folder))
            survived += test is None
            print(f"{mutation.name}: {f'caught by {test}' if test else 'SURVIVED'}", flush=True)
    return int(survived > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
