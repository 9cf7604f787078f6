"""The form of results.json: the values that the pages and the verification need, and the kind of each.

A file with a right hash may still be from another version, or made by hand; it must end in one line, not in a page that
is half written.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, ValidationError, create_model

Name = Annotated[str, Field(pattern="^[A-Za-z][A-Za-z0-9_]*$")]  # becomes part of a path or a link
PictureName = Annotated[str, Field(pattern=r"^[^/\\\x00-\x1f]+$")]
Figure = float | None
Interval = Annotated[tuple[float, float], Field(strict=False)] | None


def _form(*rules: Any, **kinds: Any) -> Any:
    """An object with values of these kinds, and any others beside them; ``rules`` take it whole."""
    fields: dict[str, Any] = {key: (kind, ...) for key, kind in kinds.items()}
    made = create_model("Form", __config__=ConfigDict(strict=True, extra="allow"), **fields)
    return Annotated[(made, *map(AfterValidator, rules))] if rules else made


def _trained_with_a_seed(row: Any) -> Any:
    if row.kind == "trained" and row.seed is None:
        raise ValueError("a trained row has a seed")
    return row


_LOOK = Annotated[tuple[int, float], Field(strict=False)]
_PICTURE = _form(id=str, index=int, miou=Figure, shown_as=list[str], bytes=int)
_ROW = _form(
    _trained_with_a_seed,
    **dict.fromkeys(("kind", "evidence", "verdict"), str),
    **dict.fromkeys(("miou", "published_miou", "difference", "sigma"), Figure),
    **dict.fromkeys(("interval", "image_interval", "paired_interval"), Interval),
    **dict.fromkeys(("provenance", "audit", "curve"), dict[str, Any] | None),
    run=Name,
    seed=int | None,
    comparable=bool,
    reasons=list[str],
    n=int,
    sigma_source=str | None,
    sealed=_form(seeds=list[int], sha256=str, time=str, starts=int, last=str, other=int) | None,
    measures=_form(
        all_accuracy=Figure, boundary_iou=Figure, coarse=_form(miou=Figure, boundary_iou=Figure), n_images=int
    )
    | None,
    pictures=dict[PictureName, _PICTURE],  # type: ignore[valid-type]
    validation=list[_LOOK],
    hashes=dict[str, str],
    setting=_form(dataset=Name, depth=int, recipe=_form(output_stride=int)),
)
_HEADLINE = _form(**dict.fromkeys(("reproduced", "below or above", "runs"), int))
_PUBLISHED = _form(file=str, sha256=str)
_RESULTS = _form(scale=Name, published=_PUBLISHED, runs=list[_ROW], headline=_HEADLINE, sha256=str)  # type: ignore[valid-type]


def fault_of_form(results: Any) -> str | None:
    """The first thing in ``results``, the content of a results.json, that has another form; None where nothing has."""
    try:
        _RESULTS.model_validate(results)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(f"{part!s:.80}" for part in first["loc"])
        return f"{place}: {first['msg'].removeprefix('Value error, ')}" if place else str(first["msg"])
    return None
