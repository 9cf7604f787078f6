"""Weights in files: our own format, SSSegmentation's checkpoints, and the pretrained backbones.

Every loader checks all names, shapes, types and values before it touches the model, and raises
:class:`~pointrend.errors.WeightsError` otherwise. Nothing but tensors and plain containers is ever unpickled.
"""

from __future__ import annotations

import re
import shlex
import warnings
import zipfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import safetensors.torch
import torch
from torch import Tensor, nn

from pointrend.errors import WeightsError
from pointrend.files import Fence, atomic_path, sha256_file, write_bytes

Key = TypeVar("Key")
Value = TypeVar("Value")

# Beginnings of our state dict names and of SSSegmentation's (RECIPE section 11). The rest of a name is the same.
UPSTREAM_PREFIXES = {
    "backbone.": "backbone_net.",
    "fpn.lateral.": "fpn_neck.lateral_convs.",
    "fpn.output.": "fpn_neck.fpn_convs.",
    "coarse_head.scales.": "scale_heads.",
    "coarse_head.classifier.": "auxiliary_decoder.1.",
    "point_head.layers.": "fcs.",
    "point_head.classifier.": "decoder.1.",
}
# Names, ours and SSSegmentation's, of a tensor with one value per class.
CLASSIFIER_BIASES = ("point_head.classifier.bias", "decoder.1.bias")
# ImageNet's classifier, which comes with a pretrained backbone and is not used.
BACKBONE_EXTRAS = frozenset({"fc.weight", "fc.bias"})
NAMES_SHOWN, KEYS_SHOWN = 3, 8
LETTERS_SHOWN = 100  # characters shown of a name that a file gives
# A program for users who trust a checkpoint: it unpickles the whole file, which this project never does.
TENSORS_ALONE = (
    "import sys, torch; old, new = sys.argv[1:]; "
    'found = torch.load(old, map_location="cpu", weights_only=False)["model"]; '
    'torch.save({"model": {k: torch.as_tensor(v) for k, v in found.items()}}, new)'
)


def to_upstream(state: Mapping[str, Value]) -> dict[str, Value]:
    """A state dict of ours under SSSegmentation's names."""
    return {_renamed(name, UPSTREAM_PREFIXES): value for name, value in state.items()}


def from_upstream(state: Mapping[str, Value]) -> dict[str, Value]:
    """A state dict of SSSegmentation under our names."""
    prefixes = {theirs: ours for ours, theirs in UPSTREAM_PREFIXES.items()}
    return {_renamed(name, prefixes): value for name, value in state.items()}


def load_released(path: Path, model: nn.Module) -> None:
    """Load a checkpoint of SSSegmentation (``.pth``, the weights under "model") into a ``PointRend``."""
    found = _released_state(path)
    _check(path, found, expected=to_upstream(model.state_dict()))
    model.load_state_dict(from_upstream(found))


def save_upstream(model: nn.Module, path: Path, epoch: int) -> None:
    """Write a ``PointRend`` in the format of SSSegmentation's checkpoints, as of the end of epoch ``epoch``."""
    state = _portable(model)
    # Given a path instead of a stream, torch writes the temporary file's name into the archive.
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        torch.save({"model": to_upstream(state), "cur_epoch": epoch}, stream)


def load_pretrained_backbone(path: Path, backbone: nn.Module, sha256_prefix: str) -> None:
    """Load an ImageNet ResNet v1c into a ``ResNetV1c``; its sha256 must begin with ``sha256_prefix``.

    The weights may be wrapped in "model" or "state_dict". Only ImageNet's classifier may be left over, and
    only the counters of seen batches may be absent; they then keep their value.
    """
    digest = _read(path, sha256_file)
    if not digest.startswith(sha256_prefix):
        what = f"the sha256 of {path} begins with {digest[: len(sha256_prefix)]}, not with {sha256_prefix}"
        raise WeightsError(what, "delete it and fetch it again")
    content = _read(path, _load_pth)
    for wrapper in ("model", "state_dict"):
        if isinstance(content, dict) and wrapper in content:
            content = content[wrapper]
    if not isinstance(content, dict):
        raise WeightsError(f"{path} contains no state dict", "use a ResNet v1c checkpoint")
    expected = backbone.state_dict()
    counters = [name for name in expected if name.endswith(".num_batches_tracked")]
    found = {name: value for name, value in content.items() if name not in BACKBONE_EXTRAS}
    _check(path, found, expected, may_be_absent=counters)
    backbone.load_state_dict(expected | found)


def save_weights(model: nn.Module, path: Path, fence: Fence | None = None) -> None:
    """Write a model's state dict as safetensors; equal weights give equal bytes."""
    write_bytes(path, safetensors.torch.save(_portable(model)), fence)


def load_weights(path: Path, model: nn.Module) -> None:
    """Load a file of :func:`save_weights` into a model of the same architecture."""
    found = _read(path, safetensors.torch.load_file)
    _check(path, found, model.state_dict())
    model.load_state_dict(found)


def fitting(path: Path, models: Mapping[Key, nn.Module]) -> list[Key]:
    """Which of the models, on any device, have the names, shapes and types of a weights file of either format."""
    ours = path.suffix == ".safetensors"
    found = _read(path, safetensors.torch.load_file) if ours else _released_state(path)
    forms = {name: _form(value) for name, value in found.items()}

    def expected(model: nn.Module) -> dict[str, str]:
        state = model.state_dict()
        return {name: _dense_form(value) for name, value in (state if ours else to_upstream(state)).items()}

    return [key for key, model in models.items() if expected(model) == forms]


def _released_state(path: Path) -> dict[str, Any]:
    content = _read(path, _load_pth)
    found = content.get("model") if isinstance(content, dict) else None
    if not isinstance(found, dict):
        what = f'{path} has no state dict under "model"'
        if isinstance(content, dict):
            what += f" (it has {_listed([str(key)[:LETTERS_SHOWN] for key in content], KEYS_SHOWN) or 'nothing'})"
        raise WeightsError(what, "use a checkpoint of SSSegmentation")
    return found


def _renamed(name: str, prefixes: Mapping[str, str]) -> str:
    for prefix, replacement in prefixes.items():
        if name.startswith(prefix):
            return replacement + name.removeprefix(prefix)
    raise WeightsError(f"{name} is not a weight of PointRend", "use the state dict of a PointRend")


def _load_pth(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tensors that are refused anyway
        return torch.load(path, map_location="cpu", weights_only=True)


def _read(path: Path, reader: Callable[[Path], Any]) -> Any:
    try:
        return reader(path)
    except FileNotFoundError:
        raise WeightsError(f"{path} does not exist", "fetch or train it first") from None
    except Exception as problem:  # A damaged file makes the readers raise nearly anything.
        if held := _refused(path, problem):
            what = f"{path} is not a readable weights file: it holds {held}; only tensors and plain containers are read"
            words = ("python", "-c", TENSORS_ALONE, str(path), str(path.with_suffix(".tensors.pth")))
            do = f"if you trust its source (this runs any code in it), save the tensors alone: {shlex.join(words)}"
            raise WeightsError(what, do) from problem
        cause = "a TorchScript program" if "TorchScript" in str(problem) else type(problem).__name__
        do = "use the .safetensors or .pth file of this run, or fetch it again"
        raise WeightsError(f"{path} is not a readable weights file ({cause})", do) from problem


def _refused(path: Path, problem: Exception) -> str | None:
    """Content of an undamaged .pth that is never unpickled, according to torch's message."""
    if found := re.search(r"GLOBAL (\S+)", str(problem)):
        return found[1][:LETTERS_SHOWN]
    if type(problem).__name__ == "UnpicklingError" and zipfile.is_zipfile(path):
        operand = "Unsupported operand" in str(problem)
        return "a pickle of another protocol than torch's own" if operand else "objects that torch refuses"
    return None


def _portable(model: nn.Module) -> dict[str, Tensor]:
    # contiguous() would leave the strides of 1x1 kernels as they are, and a checkpoint records strides.
    plain = torch.contiguous_format
    state = {name: value.cpu().clone(memory_format=plain) for name, value in model.state_dict().items()}
    if broken := _not_finite(state):
        what = f"the weights are not finite in {_listed(broken)}"
        raise WeightsError(what, "nothing was written; find in the training log where the training diverged")
    return state


def _check(
    path: Path, found: Mapping[str, Any], expected: Mapping[str, Tensor], may_be_absent: Collection[str] = ()
) -> None:
    common = [name for name in expected if name in found]
    forms = {name: (_form(found[name]), _form(expected[name])) for name in common}
    different = {
        name: f"{name}: {ours} instead of {wanted}" for name, (ours, wanted) in forms.items() if ours != wanted
    }
    for name in CLASSIFIER_BIASES:
        if name in different and isinstance(found[name], Tensor):
            theirs, ours = found[name].numel(), expected[name].numel()
            if theirs != ours:
                what = f"{path} is for {theirs} classes, this model has {ours} ({different[name]})"
                raise WeightsError(what, "use the weights of a run on the same dataset")
    complaints = {
        "missing": [name for name in expected if name not in found and name not in may_be_absent],
        "unexpected": [str(name) for name in found if name not in expected],
        "different": list(different.values()),
    }
    if any(complaints.values()):
        parts = [f"{len(names)} {kind} ({_listed(names)})" for kind, names in complaints.items() if names]
        raise WeightsError(f"{path} does not fit this model: {', '.join(parts)}", "use weights made for the same run")
    if broken := _not_finite({name: found[name] for name in common}):
        raise WeightsError(f"{path} holds NaN or infinity in {_listed(broken)}", "use a different file")


def _form(value: Any) -> str:
    if not isinstance(value, Tensor):
        return type(value).__name__
    # Sparse tensors and those without data have a dtype and a shape, but no values to check; nested ones have no shape.
    if value.is_nested:
        return f"{value.dtype} nested"
    kind = "" if value.layout == torch.strided and value.device.type != "meta" else f" {value.layout} {value.device}"
    return _dense_form(value) + kind


def _dense_form(value: Tensor) -> str:
    return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"


def _not_finite(state: Mapping[str, Tensor]) -> list[str]:
    return [name for name, value in state.items() if not value.isfinite().all()]


def _listed(names: list[str], most: int = NAMES_SHOWN) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
