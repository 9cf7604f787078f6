"""Weights files: what is written is read back, and nothing that does not fit is ever taken."""

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pointrend.errors import WeightsError
from pointrend.files import sha256_file
from pointrend.model.pointrend import Architecture, PointRend
from pointrend.model.resnet import ResNetV1c
from pointrend.model.weights import (
    load_pretrained_backbone,
    load_released,
    load_weights,
    save_upstream,
    save_weights,
    to_upstream,
)

State = dict[str, Any]
Change = Callable[[State], Any]
Load = Callable[[Path, PointRend], None]
save_released = functools.partial(save_upstream, epoch=60)
FORMATS = [(save_weights, load_weights), (save_released, load_released)]


def thin(num_classes: int = 4, depth: int = 50, seed: int = 0) -> PointRend:
    torch.manual_seed(seed)
    model = PointRend(Architecture(num_classes, depth, width=4, fpn_channels=8, scale_channels=4, point_channels=8))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean)
    return model


def same(one: nn.Module, other: nn.Module) -> bool:
    states = one.state_dict(), other.state_dict()
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def refused(load: Callable[[], None], model: nn.Module, *messages: str) -> None:
    """``load`` raises one line with all of ``messages`` and leaves the model as it was."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(WeightsError) as caught:
        load()
    for message in messages:
        assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def drop(name: str) -> Change:
    return lambda state: state.pop(name)


def put(name: str, value: Any) -> Change:
    return lambda state: state.update({name: value})


def prefix_all(state: State) -> None:
    for name in list(state):
        state[f"module.{name}"] = state.pop(name)


WRONG_SHAPE = ["decoder.1.weight: float32 [4, 12] instead of float32 [4, 12, 1]"]
NOT_FINITE = ["NaN or infinity in decoder.1.bias"]
FAULTS = {
    "a weight missing": (drop("fcs.1.0.weight"), ["1 missing (fcs.1.0.weight)"]),
    "a counter missing": (drop("fcs.0.1.num_batches_tracked"), ["1 missing (fcs.0.1.num_batches_tracked)"]),
    "one too many": (put("fcs.3.0.weight", torch.zeros(1)), ["1 unexpected (fcs.3.0.weight)"]),
    "a wrong shape": (put("decoder.1.weight", torch.zeros(4, 12)), WRONG_SHAPE),
    "a wrong type": (put("decoder.1.bias", torch.zeros(4).half()), ["decoder.1.bias: float16 [4] instead of float32"]),
    "no tensor": (put("decoder.1.bias", "here"), ["decoder.1.bias: str instead of float32 [4]"]),
    "NaN": (put("decoder.1.bias", torch.tensor([0, 0, 0, float("nan")])), NOT_FINITE),
    "infinity": (put("decoder.1.bias", torch.tensor([0, 0, 0, float("inf")])), NOT_FINITE),
    "other names": (prefix_all, ["442 missing (backbone_net.stem.0.weight,", "442 unexpected (module.", ", ...)"]),
}
BACKBONE_FAULTS = {
    "a weight missing": (drop("layer4.2.bn3.running_var"), ["1 missing (layer4.2.bn3.running_var)"]),
    "one too many": (put("conv1.weight", torch.zeros(4, 3, 7, 7)), ["1 unexpected (conv1.weight)"]),
    "other names": (prefix_all, ["275 missing", "277 unexpected"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_released_weights_that_do_not_fit_are_refused(tmp_path, fault):
    change, messages = FAULTS[fault]
    path, model = tmp_path / "released.pth", thin()
    state = to_upstream(thin(seed=1).state_dict())
    change(state)
    torch.save({"model": state}, path)
    refused(lambda: load_released(path, model), model, str(path), *messages)


@pytest.mark.parametrize(("save", "load"), FORMATS)
def test_weights_of_another_run_are_refused(tmp_path, save, load):
    path, model = tmp_path / "weights", thin()
    for other, message in (
        (thin(num_classes=6), "is for 6 classes, this model has 4"),
        (thin(depth=101), "306 unexpected (backbone"),
        (thin().double(), "float64 [2, 3, 3, 3] instead of float32"),
    ):
        save(other, path)
        refused(lambda: load(path, model), model, message)


@pytest.mark.parametrize("content", [{"weights": {}}, {"model": [1, 2]}, [1, 2], "text"])
def test_a_checkpoint_without_a_model_is_refused(tmp_path, content):
    path, model = tmp_path / "released.pth", thin()
    torch.save(content, path)
    refused(lambda: load_released(path, model), model, 'no state dict under "model"')


@pytest.mark.parametrize(
    "load", [load_released, load_weights, functools.partial(load_pretrained_backbone, sha256_prefix="")]
)
def test_a_missing_file_and_a_page_in_its_place_are_named(tmp_path, load):
    path, model = tmp_path / "weights", thin()
    refused(lambda: load(path, model), model, f"{path} does not exist; fetch or train it first")
    path.write_text("<!doctype html><title>Not found</title>")
    refused(lambda: load(path, model), model, "not a readable weights file")


@pytest.mark.parametrize("load", [load_released, load_weights])
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_are_refused(tmp_path, load, data):
    path, model, whole = tmp_path / "weights", trained(), written(load)
    cut = data.draw(st.integers(0, len(whole) - 1), label="bytes left")
    path.write_bytes(data.draw(st.sampled_from([whole[:cut], whole[len(whole) - cut :], b"<html>" + whole[:cut]])))
    with pytest.raises(WeightsError, match="not a readable weights file"):
        load(path, model)


@functools.cache
def trained() -> PointRend:
    return thin()


@functools.cache
def written(load: Load) -> bytes:
    save = next(save for save, other in FORMATS if other is load)
    with tempfile.TemporaryDirectory() as folder:
        save(trained(), Path(folder) / "weights")
        return (Path(folder) / "weights").read_bytes()


@pytest.mark.parametrize(("save", "load"), FORMATS)
def test_our_weights_survive_both_formats(tmp_path, save, load):
    path, source, target = tmp_path / "weights", thin(seed=1), thin()
    save(source, path)
    load(path, target)
    assert same(source, target)


def test_the_upstream_format_has_its_names_and_the_epoch_and_may_have_more(tmp_path):
    path, source, target = tmp_path / "ours.pth", thin(seed=1), thin()
    save_released(source, path)
    content = torch.load(path, weights_only=True)
    assert content["cur_epoch"] == 60
    assert set(content["model"]) == set(to_upstream(source.state_dict()))
    torch.save({**content, "optimizer": {"state": {}}}, path)
    load_released(path, target)
    assert same(source, target)


@pytest.mark.parametrize("save", [save_weights, save_released])
def test_equal_weights_give_equal_bytes(tmp_path, save):
    written = set()
    for model in (thin(), thin(), thin().to(memory_format=torch.channels_last)):
        save(model, tmp_path / "weights")
        written.add((tmp_path / "weights").read_bytes())
    assert len(written) == 1


@pytest.mark.parametrize("save", [save_weights, save_released])
def test_weights_that_are_not_finite_are_not_written(tmp_path, save):
    model = thin()
    nn.init.constant_(model.point_head.classifier.bias, float("nan"))
    with pytest.raises(WeightsError, match=r"not finite in point_head\.classifier\.bias"):
        save(model, tmp_path / "broken")
    assert list(tmp_path.iterdir()) == []


def imagenet_state(seed: int = 1) -> dict[str, Tensor]:
    """What a pretrained file holds: no counters of seen batches, but the classifier of ImageNet."""
    torch.manual_seed(seed)
    state = ResNetV1c(50, width=4).state_dict()
    state = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    return state | {"fc.weight": torch.zeros(1000, 128), "fc.bias": torch.zeros(1000)}


def pretrained(path: Path, content: Any) -> str:
    """Write a pretrained file and return the start of its sha256."""
    torch.save(content, path)
    return sha256_file(path)[:8]


@pytest.mark.parametrize("wrapper", [None, "model", "state_dict"])
@pytest.mark.parametrize("counters", [False, True])
def test_a_pretrained_backbone_loads(tmp_path, wrapper, counters):
    path, backbone, state = tmp_path / "resnet50_v1c.pth", ResNetV1c(50, width=4), imagenet_state()
    if counters:
        state |= {name: torch.tensor(7) for name in backbone.state_dict() if name.endswith("num_batches_tracked")}
    prefix = pretrained(path, {wrapper: state} if wrapper else state)
    load_pretrained_backbone(path, backbone, prefix)
    for name, value in backbone.state_dict().items():
        if name.endswith("num_batches_tracked"):
            assert value.item() == (7 if counters else 0)
        else:
            assert torch.equal(value, state[name])


@pytest.mark.parametrize("fault", BACKBONE_FAULTS)
def test_a_backbone_that_does_not_fit_is_refused(tmp_path, fault):
    change, messages = BACKBONE_FAULTS[fault]
    path, backbone, state = tmp_path / "resnet50_v1c.pth", ResNetV1c(50, width=4), imagenet_state()
    change(state)
    prefix = pretrained(path, state)
    refused(lambda: load_pretrained_backbone(path, backbone, prefix), backbone, str(path), *messages)


@pytest.mark.parametrize("content", [b"<html>", None])
def test_a_backbone_with_another_hash_is_refused_unread(tmp_path, content):
    path, backbone = tmp_path / "resnet50_v1c.pth", ResNetV1c(50, width=4)
    pretrained(path, imagenet_state())
    path.write_bytes(content or path.read_bytes())
    what = f"the sha256 of {path} begins with {sha256_file(path)[:8]}, not with 2cccc1ad; delete it and fetch it again"
    refused(lambda: load_pretrained_backbone(path, backbone, "2cccc1ad"), backbone, what)


def test_a_backbone_file_without_a_state_dict_is_refused(tmp_path):
    path, backbone = tmp_path / "resnet50_v1c.pth", ResNetV1c(50, width=4)
    prefix = pretrained(path, {"model": [1, 2]})
    refused(lambda: load_pretrained_backbone(path, backbone, prefix), backbone, "contains no state dict")
