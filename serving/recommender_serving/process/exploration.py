"""Parse the settings of exploration, which the operator passes as JSON: pure."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recommender_serving.domain.exploration import Exploration


class _Exploration(BaseModel):
    model_config = ConfigDict(extra="forbid")

    share: float = Field(gt=0, le=0.2)
    pool: int = Field(ge=2, le=20)


def parse_exploration(text: str) -> Exploration:
    """Return the settings.

    Raises:
        ValueError: the text is not the JSON of valid settings; names the first bad field.
    """
    try:
        given = _Exploration.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(map(str, first["loc"]))
        raise ValueError(f"{path}: {first['msg']}" if path else first["msg"]) from None
    return Exploration(given.share, given.pool)
