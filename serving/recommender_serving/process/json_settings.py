"""Read settings that the operator passes as JSON: pure."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError


class Setting(BaseModel):
    """A JSON object without other fields than its own."""

    model_config = ConfigDict(extra="forbid")


Given = TypeVar("Given", bound=Setting)


def read(kind: type[Given], text: str) -> Given:
    """Return the settings of a text.

    Raises:
        ValueError: the text is not the JSON of valid settings; names the first bad field.
    """
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(map(str, first["loc"]))
        raise ValueError(f"{path}: {first['msg']}" if path else first["msg"]) from None
