"""The network as built: names, shapes, sizes, strides and initialisation."""

import functools
import math

import pytest
import torch
from torch import nn
from torchvision.models import resnet50
from torchvision.models.resnet import Bottleneck

from pointrend.errors import ParamsError
from pointrend.model.pointrend import Architecture, PointRend
from pointrend.model.resnet import ResNetV1c
from pointrend.model.weights import from_upstream, to_upstream
from tests.golden_files import published_state

CLASSES = {"voc": 21, "ade20k": 150, "cityscapes": 19}
RUNS = [f"r{depth}_{dataset}" for dataset in CLASSES for depth in (50, 101)]


@functools.cache
def hollow_model(run: str) -> PointRend:
    """The network of a published run, without storage for its weights."""
    backbone, dataset = run.split("_")
    with torch.device("meta"):
        return PointRend(Architecture(num_classes=CLASSES[dataset], depth=int(backbone.removeprefix("r"))))


@pytest.mark.parametrize("run", RUNS)
def test_state_dict_has_the_published_names_shapes_and_types(run):
    ours = to_upstream(hollow_model(run).state_dict())
    expected = published_state(run)
    assert set(ours) == set(expected)
    for name, entry in expected.items():
        assert list(ours[name].shape) == entry["shape"], name
        assert str(ours[name].dtype) == f"torch.{entry['dtype']}", name
    parameters = set(to_upstream(dict(hollow_model(run).named_parameters())))
    assert parameters == {name for name, entry in expected.items() if entry["kind"] == "parameter"}
    assert list(from_upstream(ours)) == list(hollow_model(run).state_dict())


@pytest.mark.parametrize(
    ("output_stride", "dilate"), [(32, [False, False, False]), (16, [False, False, True]), (8, [False, True, True])]
)
def test_strides_and_dilations_are_those_of_torchvision(output_stride, dilate):
    with torch.device("meta"):
        networks = ResNetV1c(50, output_stride=output_stride), resnet50(replace_stride_with_dilation=dilate)
    ours, theirs = (
        {
            name: (module.stride, module.dilation, module.padding)
            for name, module in network.named_modules()
            if isinstance(module, nn.Conv2d) and name.startswith("layer")
        }
        for network in networks
    )
    assert ours == theirs


@pytest.mark.parametrize(("output_stride", "strides"), [(32, (4, 8, 16, 32)), (16, (4, 8, 16, 16)), (8, (4, 8, 8, 8))])
def test_sizes_of_stages_and_logits(output_stride, strides):
    model = PointRend(Architecture(5, depth=50, width=4, fpn_channels=8, output_stride=output_stride)).eval()
    stages = model.backbone(torch.rand(2, 3, 65, 96))
    assert [tuple(stage.shape) for stage in stages] == [
        (2, channels, math.ceil(65 / stride), math.ceil(96 / stride))
        for channels, stride in zip((16, 32, 64, 128), strides, strict=True)
    ]
    inference = model.infer(torch.rand(1, 3, 45, 66))
    assert inference.coarse.shape == (1, 5, 12, 17)
    assert inference.refined.shape == (1, 5, 48, 68)


def test_widths_follow_the_architecture():
    narrow = Architecture(7, depth=101, width=16, fpn_channels=24, scale_channels=12, point_channels=20)
    shapes = {name: list(value.shape) for name, value in PointRend(narrow).state_dict().items()}
    assert shapes["backbone.stem.0.weight"] == [8, 3, 3, 3]
    assert shapes["backbone.layer3.22.conv3.weight"] == [256, 64, 1, 1]
    assert shapes["fpn.lateral.3.0.weight"] == [24, 512, 1, 1]
    assert shapes["coarse_head.scales.3.4.0.weight"] == [12, 12, 3, 3]
    assert shapes["point_head.layers.0.0.weight"] == [20, 31, 1]
    assert shapes["point_head.layers.2.0.weight"] == [20, 27, 1]


def test_initialisation_is_that_of_torch():
    torch.manual_seed(0)
    model = PointRend(Architecture(50, depth=50, width=16))
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d):
            bound = 1 / math.sqrt(module.weight[0].numel())
            assert 0.9 * bound < module.weight.abs().max() <= bound, name
            assert module.bias is None or 0.5 * bound < module.bias.abs().max() <= bound
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert (module.eps, module.momentum) == (1e-5, 0.1)
            assert (module.weight == 1).all()
            assert (module.bias == 0).all()


def test_last_norms_can_start_at_zero():
    model = PointRend(Architecture(5, depth=50, width=16, zero_init_last_norm=True))
    last = {id(module.bn3) for module in model.modules() if isinstance(module, Bottleneck)}
    assert len(last) == 3 + 4 + 6 + 3
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert (module.weight == (0 if id(module) in last else 1)).all()


def test_an_unknown_depth_or_output_stride_is_refused():
    with pytest.raises(ParamsError, match=r"ResNet-34 is not supported; choose one of \[50, 101, 152\]"):
        Architecture(21, depth=34)
    with pytest.raises(ParamsError, match="output stride 4"):
        Architecture(21, depth=50, output_stride=4)
