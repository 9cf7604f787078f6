"""A dataset is the module ``pointrend/datasets/<name>.py``, named as in params.yaml; docs/extending.md adds one.

The module has ``SOURCE``, which reads its archives, and ``CLASSES``, the meaning of its masks. It is imported by name,
so that no stage's code depends on datasets that it does not read.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from pointrend.errors import DatasetError

if TYPE_CHECKING:
    from pointrend.datasets.classes import DatasetClasses
    from pointrend.datasets.prepare.samples import ArchiveSource


def source_of(name: str) -> type[ArchiveSource]:
    """The class that reads the archives of a dataset. Raises DatasetError where no module has it."""
    return _attribute(name, "SOURCE")


def classes_of(name: str) -> DatasetClasses:
    """Names, colours and label values of a dataset's classes. Raises DatasetError where no module has them."""
    return _attribute(name, "CLASSES")


def _attribute(name: str, attribute: str) -> Any:
    module = f"pointrend.datasets.{name}"
    found = getattr(import_module(module), attribute, None) if find_spec(module) else None
    if found is None:
        raise DatasetError(
            f"dataset {name} has no module pointrend/datasets/{name}.py with {attribute}",
            "write it as docs/extending.md shows",
        )
    return found
