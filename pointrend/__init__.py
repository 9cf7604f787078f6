"""Reproduces the six PointRend results that SSSegmentation publishes, from archives to a results table.

``pointrend.load("voc_r50")`` gives a trained network: see docs/python.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pointrend.checkout.sources import import_from_source

if TYPE_CHECKING:
    from pointrend.evaluation.loaded import LoadedModel as LoadedModel
    from pointrend.evaluation.loaded import SegmentedImage as SegmentedImage
    from pointrend.evaluation.loaded import load as load

__all__ = ["LoadedModel", "SegmentedImage", "__version__", "load"]
__version__ = "0.1.0"

import_from_source()


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'pointrend' has no attribute {name!r}")
    from pointrend.evaluation import loaded  # imports torch, which takes seconds

    return getattr(loaded, name)
