"""Values that come from outside, checked by pydantic, and their errors in one line."""

from __future__ import annotations

import reprlib
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from pointrend.errors import ParamsError
from pointrend.settings.params_file import nearest

_SHORT = reprlib.Repr()  # for values in messages: what a YAML alias repeats a billion times is not written out
_SHORT.maxstring, _SHORT.maxlevel = 80, 2


class Strict(BaseModel):
    """Immutable; an unknown key is an error that suggests the nearest known one, and a boolean is not a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys_only(cls, values: Any) -> Any:
        for key, value in values.items() if isinstance(values, dict) else ():
            if key not in cls.model_fields:
                raise ValueError(f"unknown key {_SHORT.repr(key)}{nearest(key, cls.model_fields)}")
            kind, items = cls.model_fields[key].annotation, value if isinstance(value, list) else [value]
            if bool not in (kind, *get_args(kind)) and any(isinstance(item, bool) for item in items):
                raise ValueError(f"{key}: a boolean is not allowed here (got {_SHORT.repr(value)})")
        return values


def validated(model: type[Any], values: Any, where: str, do: str = "correct it there") -> Any:
    """``model`` made from ``values``; raises ParamsError, one line, with the first thing that is wrong."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(f"{part!s:.80}" for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        given = f" (got {_SHORT.repr(first['input']):.200})" if first["type"] not in ("missing", "value_error") else ""
        # Without the error itself: in a log it would write out the value, however large aliases make it.
        raise ParamsError(f"{where}: {path + ': ' if path else ''}{message}{given}", do) from None
