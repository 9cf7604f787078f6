"""The MLflow model of a training: images in, label maps out. MLflow runs this file when it loads the model."""

from __future__ import annotations

from typing import Any

import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext


class LabelMaps(PythonModel):
    """Segments images of one size: uint8 RGB (N, H, W, 3) to train ids, uint8 (N, H, W)."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the weights file, which describes its network."""
        import pointrend

        self.model = pointrend.load(context.artifacts["weights"])

    def predict(self, context: PythonModelContext, model_input: np.ndarray, params: Any = None) -> Any:
        """The label maps of ``model_input``."""
        return np.stack([self.model.segment(image).labels for image in model_input])


set_model(LabelMaps())
