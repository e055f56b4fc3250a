"""Parse the settings of exploration, which the operator passes as JSON: pure."""

from __future__ import annotations

from pydantic import Field

from recommender_serving.domain.exploration import Exploration
from recommender_serving.process import json_settings


class _Exploration(json_settings.Setting):
    share: float = Field(gt=0, le=0.2)
    pool: int = Field(ge=2, le=20)


def parse_exploration(text: str) -> Exploration:
    """Return the settings.

    Raises:
        ValueError: the text is not the JSON of valid settings; names the first bad field.
    """
    given = json_settings.read(_Exploration, text)
    return Exploration(given.share, given.pool)
