"""Values that come from outside, checked by pydantic, and their errors in one line."""

from __future__ import annotations

import reprlib
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from pointrend.errors import ParamsError
from pointrend.settings.params_file import nearest

_SHORT = reprlib.Repr()
"""For values in messages; what a YAML alias repeats a billion times is not written out."""
_SHORT.maxstring, _SHORT.maxlevel = 80, 2


class Strict(BaseModel):
    """Immutable, and an unknown key is an error that names the nearest known one."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys_only(cls, values: Any) -> Any:
        if isinstance(values, dict):
            for key, value in values.items():
                if key not in cls.model_fields:
                    raise ValueError(f"unknown key {_SHORT.repr(key)}{nearest(key, cls.model_fields)}")
                kind = cls.model_fields[key].annotation
                if any(isinstance(item, bool) for item in _items(value)) and bool not in (kind, *get_args(kind)):
                    raise ValueError(f"{key}: {_SHORT.repr(value)} is a truth value, which does not belong there")
        return values


def validated(model: type[Any], values: Any, where: str, do: str = "correct it there") -> Any:
    """``model`` made from ``values``; the first thing that is wrong becomes a ParamsError of one line."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(f"{part!s:.80}" for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        given = f" (got {_SHORT.repr(first['input']):.200})" if first["type"] not in ("missing", "value_error") else ""
        # Without the error itself: in a log it would write out the value, however large aliases make it.
        raise ParamsError(f"{where}: {place + ': ' if place else ''}{message}{given}", do) from None


def _items(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list) else (value,)
