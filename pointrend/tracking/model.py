"""A training as an MLflow model that `mlflow.pyfunc.load_model` can load: code and weights, nothing pickled."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import mlflow.pyfunc
import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

from pointrend.checkout.sources import PACKAGE
from pointrend.evaluation.described import MODEL, describe
from pointrend.files import write_bytes

# What pointrend.load imports; the package itself goes along as code.
REQUIREMENTS = (
    *("mlflow", "torch", "torchvision", "numpy", "opencv-python-headless", "pillow"),
    *("safetensors", "pydantic", "pyyaml", "tqdm"),
)
SIGNATURE = ModelSignature(
    inputs=Schema([TensorSpec(np.dtype(np.uint8), (-1, -1, -1, 3))]),
    outputs=Schema([TensorSpec(np.dtype(np.uint8), (-1, -1, -1))]),
)
EXAMPLE = np.full((1, 8, 8, 3), 128, np.uint8)


@contextmanager
def described_weights(folder: Path) -> Iterator[Path]:
    """A file, while the block lasts, with the weights of the training in ``folder`` that states what it is."""
    with tempfile.TemporaryDirectory(prefix="pointrend-") as temporary:
        path = Path(temporary) / MODEL
        write_bytes(path, describe(folder))
        yield path


def save_model(weights: Path) -> Path:
    """Write an MLflow model beside ``weights``, and return its folder."""
    folder = weights.parent / "mlflow"
    mlflow.pyfunc.save_model(
        folder,
        python_model=str(Path(__file__).with_name("served.py")),
        artifacts={"weights": str(weights)},
        code_paths=[str(PACKAGE)],
        signature=SIGNATURE,
        input_example=EXAMPLE,
        pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
    )
    return folder
