"""Parse the settings of the holdout, which the operator passes as JSON: pure."""

from __future__ import annotations

import enum

from pydantic import Field

from recommender_contract.events import Source
from recommender_serving.domain.holdouts import MAX_PERCENT, Holdout
from recommender_serving.process import json_settings


class _Answers(enum.StrEnum):
    BASELINE = "Baseline"
    POPULARITY = "Popularity"


class _Holdout(json_settings.Setting):
    id: str = Field(pattern=r"^[0-9a-f]{8}$")
    salt: str = Field(pattern=r"^holdout-[0-9a-f]{8}$")
    percent: int = Field(ge=1, le=MAX_PERCENT)
    answers: _Answers
    cap: float = Field(gt=0, le=1e9)


def parse_holdout(text: str) -> Holdout:
    """Return the settings.

    Raises:
        ValueError: the text is not the JSON of valid settings; names the first bad field.
    """
    given = json_settings.read(_Holdout, text)
    answers = Source.BASELINE if given.answers is _Answers.BASELINE else Source.POPULARITY
    return Holdout(given.id, given.salt, given.percent, answers, given.cap)
