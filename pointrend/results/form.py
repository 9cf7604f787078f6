"""The form of results.json: which values the pages and the verification count on, and of which kind each is.

A file with a right hash may still be from another version, or made by hand; it must end in one line, not in a page that
is half written.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Interval = tuple[float, float]
Name = Annotated[str, Field(pattern="^[A-Za-z][A-Za-z0-9_]*$")]
"""Of what becomes part of a path or a link."""
PictureName = Annotated[str, Field(pattern=r"^[^/\\\x00-\x1f]+$")]


class _Form(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class _Recipe(_Form):
    output_stride: int


class _Setting(_Form):
    dataset: str
    recipe: _Recipe


class _Scores(_Form):
    miou: float | None
    boundary_iou: float | None


class _Measures(_Form):
    all_accuracy: float | None
    boundary_iou: float | None
    coarse: _Scores
    n_images: int


class _Picture(_Form):
    id: str
    index: int
    miou: float | None
    shown_as: list[str]
    bytes: int


class _Row(_Form):
    run: Name
    seed: int | None
    kind: str
    miou: float | None
    published_miou: float | None
    difference: float | None
    comparable: bool
    evidence: str
    verdict: str
    reasons: list[str]
    n: int
    sigma: float | None
    sigma_source: str | None
    interval: Annotated[Interval, Field(strict=False)] | None
    image_interval: Annotated[Interval, Field(strict=False)] | None
    measures: _Measures | None
    pictures: dict[PictureName, _Picture]
    hashes: dict[str, str]
    setting: _Setting
    provenance: dict[str, Any] | None
    audit: dict[str, Any] | None
    curve: dict[str, Any] | None
    paired_interval: Annotated[Interval, Field(strict=False)] | None

    @model_validator(mode="after")
    def _trained_with_a_seed(self) -> Self:
        if self.kind == "trained" and self.seed is None:
            raise ValueError("a trained row has a seed")
        return self


class _Published(_Form):
    file: str
    sha256: str


class _Results(_Form):
    scale: Name
    published: _Published
    runs: list[_Row]
    sha256: str


def fault_of_form(results: Any) -> str | None:
    """The first thing in ``results``, the content of a results.json, that has another form; None where nothing has."""
    try:
        _Results.model_validate(results)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(f"{part!s:.80}" for part in first["loc"])
        return f"{place}: {first['msg'].removeprefix('Value error, ')}" if place else str(first["msg"])
    return None
