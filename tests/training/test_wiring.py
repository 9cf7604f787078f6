"""What reaches the network, the losses and the optimiser of a real training at scale paper, against RECIPE's numbers.

Golden numbers hold every component; here it is what the trainer hands over to them. ``mutations.py`` beside this file
lists the mistakes that these tests must see.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from pointrend.checkout.machine import precision_record
from pointrend.errors import TrainingStopped
from pointrend.files import sha256_file
from pointrend.jobs import run as job
from pointrend.jobs.run import STOP_SIGNALS, StopRequest
from pointrend.model.norm import JoinedBatchNorm
from pointrend.model.pointrend import Architecture, PointRend
from pointrend.model.refinement import refine
from pointrend.model.resnet import ResNetV1c
from pointrend.settings.params import load_params
from pointrend.settings.project import Project
from pointrend.training import loop
from pointrend.training import run as run_module
from pointrend.training.distributed import Processes, join_processes
from pointrend.training.loop import PretrainedBackbone, Trainer
from tests.tiny import ROOT
from tests.training import by_recipe
from tests.training.by_recipe import GPUS, IGNORED, PRETRAINED, RUNS
from tests.training.observed import (
    SEED,
    PaperData,
    Step,
    flags_turned,
    light_features,
    one_of_four,
    paper_trainer,
    steps_of,
    write_data,
)
from tests.training.trainings import two_processes

RANK = 3  # of the four, the one whose share of an epoch ends with what the sampler repeats
# Runs that are seen at the beginning and around the end of the first epoch, too: both sizes of crop.
THOROUGHLY = ("voc_r50", "cityscapes_r50")
SGD = {"momentum": 0.9, "dampening": 0, "weight_decay": 5e-4, "nesterov": False, "maximize": False}
NORMS = (nn.modules.batchnorm._BatchNorm, JoinedBatchNorm)


def norms_of(model: nn.Module) -> list[Any]:
    return [module for module in model.modules() if isinstance(module, NORMS)]


@pytest.fixture(scope="module")
def voc(tmp_path_factory: pytest.TempPathFactory) -> PaperData:
    return write_data(tmp_path_factory.mktemp("voc"), "voc_r50")


@pytest.mark.parametrize("run", RUNS)
def test_the_network_and_its_losses_are_described_as_published(run: str) -> None:
    setting = load_params(ROOT / "params.yaml").at_scale("paper").setting(run)
    assert Architecture.of(setting, RUNS[run].classes) == by_recipe.network(run)


@pytest.mark.parametrize("run", RUNS)
def test_the_command_hands_data_seed_processes_and_backbone_over(
    run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined, handed = [], []

    @contextmanager
    def join(*arguments: object) -> Iterator[Processes]:
        joined.append(arguments)
        yield Processes(RANK, GPUS, torch.device("cpu"))

    class Recorder:
        def __init__(self, *arguments: object, **named: object) -> None:
            handed.append((arguments, named))

        def run(self, *_: object) -> None:
            pass

    @contextmanager
    def unread(data: Path, *_: object) -> Iterator[Path]:
        yield data

    monkeypatch.setattr(job, "join_processes", join)
    monkeypatch.setattr(job, "training_data", unread)
    monkeypatch.setattr(run_module, "Trainer", Recorder)
    project = Project(tmp_path, load_params(ROOT / "params.yaml").at_scale("paper"))
    job._train(run_module.Training(project, project.setting(run), SEED, "fingerprint"), StopRequest())
    assert joined == [(GPUS, "cuda", 0, False)]
    dataset, backbone = run.split("_")
    file, sha256 = PRETRAINED[RUNS[run].depth]
    pretrained = PretrainedBackbone(tmp_path / f"data/paper/archives/backbone_{backbone}" / file, sha256)
    checkpoints = project.checkpoint_folder(run, SEED, "fingerprint")
    processes = Processes(RANK, GPUS, torch.device("cpu"))
    data = tmp_path / "data/paper" / dataset
    arguments = project.setting(run), SEED, data, checkpoints, pretrained, processes
    assert handed == [(arguments, {"fingerprint": "fingerprint", "fence": None})]


def test_a_training_lets_cudnn_choose_its_kernels() -> None:
    with flags_turned(), join_processes(1, "cpu", 0):
        assert torch.backends.cudnn.benchmark
        assert not torch.backends.cudnn.deterministic


def test_a_deterministic_training_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with flags_turned(), join_processes(1, "cpu", 0, deterministic=True):
        assert torch.backends.cudnn.deterministic
        assert torch.is_deterministic_algorithms_warn_only_enabled()
        found = precision_record("float32")
        assert (found["cudnn_benchmark"], found["deterministic"]) == (False, True)
        assert os.environ.pop("CUBLAS_WORKSPACE_CONFIG") == ":4096:8"
    with flags_turned(), join_processes(1, "cpu", 0):
        assert precision_record("float32")["deterministic"] is False


def test_on_gpus_every_norm_is_torchs_synchronised_one(
    voc: PaperData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PointRend, "to", lambda model, *_, **__: model)  # there may be no GPU to go to
    with one_of_four(RANK):
        gpu = Processes(RANK, GPUS, torch.device("cuda"))
        norms = norms_of(paper_trainer("voc_r50", voc.folder, tmp_path, gpu).model)
    assert len(norms) == len(norms_of(PointRend(by_recipe.network("voc_r50"))))
    assert {(type(norm), norm.process_group) for norm in norms} == {(nn.SyncBatchNorm, None)}


@pytest.fixture
def out(tmp_path: Path) -> Iterator[Path]:
    """A folder for whole networks, which is not kept as pytest keeps others."""
    yield tmp_path
    shutil.rmtree(tmp_path)


def test_a_stopped_training_goes_on_with_the_next_iteration_to_the_last(
    voc: PaperData, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PointRend, "features", light_features)
    last, stop = RUNS["voc_r50"].total - 1, StopRequest()
    stop.note(STOP_SIGNALS[0])
    with one_of_four(rank=0) as first:
        stopped = paper_trainer("voc_r50", voc.folder, out, first)
        stopped.progress = loop.Progress(last - 1, b"", 0.0, 0)
        with pytest.raises(TrainingStopped):
            stopped.run(stop=stop)
    with one_of_four(RANK) as other:
        resumed = paper_trainer("voc_r50", voc.folder, out, other)
        assert resumed.progress.iteration == last
        for one, two in zip(stopped.model.parameters(), resumed.model.parameters(), strict=True):
            assert torch.equal(one, two)
            momenta = [
                training.optimizer.state[p]["momentum_buffer"] for training, p in ((stopped, one), (resumed, two))
            ]
            assert torch.equal(*momenta)
        (step,) = steps_of(resumed, 2)  # there is no further one
    assert step.groups[0]["lr"] == pytest.approx(by_recipe.rate(last, last + 1), rel=1e-12)
    assert_samples("voc_r50", voc, last, step)


def assert_samples(run: str, data: PaperData, iteration: int, step: Step) -> None:
    epoch, _ = by_recipe.place(run, iteration)
    drawn = by_recipe.indices(run, iteration, RANK, SEED)
    samples = [by_recipe.sample(run, *data[index], (SEED, epoch, index)) for index in drawn]
    images, labels = (np.stack(parts) for parts in zip(*samples, strict=True))
    assert (step.images.dtype, step.labels.dtype) == (torch.float32, torch.int64)
    np.testing.assert_array_equal(step.labels, labels)
    np.testing.assert_allclose(step.images, images, rtol=0, atol=2e-6)


@dataclass(frozen=True)
class Seen:
    """A training and some of its iterations."""

    run: str
    data: PaperData
    trainer: Trainer
    pretrained: dict[str, Tensor]
    initial: dict[str, Tensor]
    steps: dict[int, Step]  # by the number of iterations before them
    planned: list[int]


@pytest.fixture(scope="module", params=RUNS)
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """Rank 3 of four, in every run; the last iteration is the one to which all of a run's numbers lead."""
    run, folder = request.param, tmp_path_factory.mktemp(request.param)
    published, data = RUNS[run], write_data(folder, run)
    torch.manual_seed(99)
    pretrained = ResNetV1c(published.depth).state_dict()
    torch.save(pretrained, folder / "backbone.pth")
    backbone = PretrainedBackbone(folder / "backbone.pth", sha256_file(folder / "backbone.pth")[:8])
    with one_of_four(RANK) as processes, flags_turned(), pytest.MonkeyPatch.context() as patch:
        trainer = paper_trainer(run, folder, folder / "checkpoints", processes, backbone=backbone)
        initial = {name: value.clone() for name, value in trainer.model.state_dict().items()}
        patch.setattr(PointRend, "features", light_features)
        trainer.model.eval()  # the training has to set its mode itself
        last, end_of_epoch = published.total - 1, published.iterations - 1
        plan = {0: 1, end_of_epoch: 2, last: 1} if run in THOROUGHLY else {last: 1}
        steps: dict[int, Step] = {}
        for start, count in plan.items():
            steps |= dict(enumerate(steps_of(trainer, count, start), start))
    planned = [start + i for start, count in plan.items() for i in range(count)]
    yield Seen(run, data, trainer, pretrained, initial, steps, planned)
    shutil.rmtree(folder)


def test_every_iteration_that_is_looked_for_takes_place(seen: Seen) -> None:
    assert list(seen.steps) == seen.planned


def test_the_network_is_the_published_one(seen: Seen) -> None:
    model = seen.trainer.model
    assert sum(parameter.numel() for parameter in model.parameters()) == RUNS[seen.run].parameters
    assert {(type(norm), norm.eps, norm.momentum) for norm in norms_of(model)} == {(JoinedBatchNorm, 1e-5, 0.1)}
    stages = model.eval().backbone(torch.zeros(1, 3, 64, 64))
    assert [tuple(stage.shape[1:]) for stage in stages] == [(256, 16, 16), (512, 8, 8), (1024, 4, 4), (2048, 2, 2)]


def test_the_backbone_is_the_pretrained_one_and_all_else_follows_from_the_seed(seen: Seen) -> None:
    torch.manual_seed(SEED)
    drawn = PointRend(by_recipe.network(seen.run)).state_dict()
    expected = drawn | {f"backbone.{name}": value for name, value in seen.pretrained.items()}
    assert seen.initial.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(seen.initial[name], value), name


def test_the_schedule_has_the_published_length_and_rates(seen: Seen) -> None:
    trainer, published = seen.trainer, RUNS[seen.run]
    assert (trainer.epoch_iterations, trainer.total) == (published.iterations, published.total)
    for t in (0, 1, 100, 199, 200, 201, 5000, published.total // 2, published.total - 1):
        assert trainer.step.learning_rate(t) == pytest.approx(by_recipe.rate(t, published.total), rel=1e-12), t


def test_the_optimiser_is_plain_sgd_with_one_group_of_everything(seen: Seen) -> None:
    for iteration, step in seen.steps.items():
        (group,) = step.groups
        assert [id(p) for p in group["params"]] == [id(p) for p in seen.trainer.model.parameters()]
        expected = {"lr": by_recipe.rate(iteration, RUNS[seen.run].total), **SGD}
        assert {name: group[name] for name in expected} == pytest.approx(expected, rel=1e-12), iteration


def test_images_and_labels_are_those_of_the_iteration(seen: Seen) -> None:
    for iteration, step in seen.steps.items():
        assert_samples(seen.run, seen.data, iteration, step)


def test_points_are_drawn_from_seed_iteration_and_rank(seen: Seen) -> None:
    for iteration, step in seen.steps.items():
        for found, expected in zip(step.draws, by_recipe.point_draws(seen.run, iteration, RANK, SEED), strict=True):
            assert torch.equal(found, expected), iteration
        _, more, points = step.calls["select_training_points"]
        assert (more["important"], points.shape[1:]) == (1536, (2048, 2))


def test_the_losses_are_weighted_means_over_labelled_pixels(seen: Seen) -> None:
    for step in seen.steps.values():
        (coarse, *_), _, points = step.calls["select_training_points"]
        (logits, labels, _), _, _ = step.calls["cross_entropy"]
        height, width = step.labels.shape[1:]
        columns, rows = (points * torch.tensor([width, height])).long().unbind(-1)
        exact = torch.stack([image[y, x] for image, y, x in zip(step.labels, rows, columns, strict=True)])
        # Between two pixels rounding decides.
        assert (labels != exact).float().mean() < 1e-3
        assert step.losses["loss_point"] == pytest.approx(1.0 * mean_loss(logits, labels), rel=1e-5)
        assert step.losses["loss_coarse"] == pytest.approx(0.4 * mean_loss(coarse, step.labels), rel=1e-5)


def mean_loss(logits: Tensor, labels: Tensor) -> float:
    """Cross-entropy, image by image, of logits resized to their labels."""
    total = 0.0
    for one, of_one in zip(logits.detach().split(1), labels.split(1), strict=True):
        if of_one.dim() == 3:
            one = functional.interpolate(one, of_one.shape[1:], mode="bilinear", align_corners=False)
        total += functional.cross_entropy(one, of_one, ignore_index=IGNORED, reduction="sum").item()
    return total / int((labels != IGNORED).sum())


def test_the_update_is_that_of_sgd_by_the_gradient_of_the_sum(seen: Seen) -> None:
    momenta: list[Any] = [0.0] * 4
    for iteration, step in seen.steps.items():
        lr = by_recipe.rate(iteration, RUNS[seen.run].total)
        for i, (gradient, of_sum) in enumerate(zip(step.gradients, step.of_sum, strict=True)):
            torch.testing.assert_close(gradient, of_sum)
            momenta[i] = 0.9 * momenta[i] + gradient.double() + 5e-4 * step.before[i].double()
            expected = step.before[i].double() - lr * momenta[i]
            torch.testing.assert_close(step.after[i].double(), expected, rtol=1.2e-7, atol=1e-8)


def test_a_training_is_in_single_precision_and_in_training_mode(seen: Seen) -> None:
    assert {(step.training, step.autocast, step.tf32) for step in seen.steps.values()} == {
        (True, False, (False, False))
    }
    assert {parameter.dtype for parameter in seen.trainer.model.parameters()} == {torch.float32}


def test_a_network_refines_twice_at_8196_points(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PointRend, "features", light_features)
    model, image = seen.trainer.model.eval(), seen.steps[RUNS[seen.run].total - 1].images[:1]
    found = model.infer(image)
    height, width = image.shape[2:]
    assert found.refined.shape[1:] == (RUNS[seen.run].classes, height, width)
    assert [cells.shape for cells in found.refined_cells] == [(1, 8196)] * 2
    with torch.no_grad():
        refined = refine(model, *model.features(image))
    assert (refined.size, len(refined.cells)) == ((height, width), 8196)


def test_two_processes_with_a_crop_each_train_one_network(voc: PaperData, out: Path) -> None:
    two_processes(Path(__file__).with_name("one_of_two.py").read_text(), out, voc.folder, out)
    one, other = (load_file(out / f"{rank}.safetensors") for rank in range(2))
    torch.manual_seed(SEED)
    initial = PointRend(by_recipe.network("voc_r50")).state_dict()
    for name, value in initial.items():
        assert torch.equal(one[f"model.{name}"], other[f"model.{name}"]), name
        assert not torch.equal(one[f"model.{name}"], value), name
    for number in range(2):
        for what in ("images", "draws"):
            assert not torch.equal(one[f"{what}.{number}"], other[f"{what}.{number}"])
        for i in range(4):
            mean = (one[f"local.{number}.{i}"] + other[f"local.{number}.{i}"]) / 2
            torch.testing.assert_close(one[f"joint.{number}.{i}"], mean)
