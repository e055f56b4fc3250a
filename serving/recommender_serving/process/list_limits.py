"""Parse the limits of lists, which the operator passes as JSON: pure."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from recommender_serving.domain.list_limits import Diversity, Exposure, ListLimits
from recommender_serving.process import json_settings

Name = Annotated[str, Field(min_length=1, max_length=40)]


class _Diversity(json_settings.Setting):
    feature: Name
    maxPerCategory: int = Field(ge=1)  # noqa: N815


class _Exposure(json_settings.Setting):
    feature: Name
    categories: list[str] = Field(min_length=1)
    minShare: float = Field(gt=0, le=1)  # noqa: N815


class _Limits(json_settings.Setting):
    diversity: list[_Diversity] = Field(default_factory=list)
    exposure: list[_Exposure] = Field(default_factory=list)


def parse_list_limits(text: str) -> ListLimits:
    """Return the limits.

    Raises:
        ValueError: the text is not the JSON of valid limits; names the first bad field.
    """
    given = json_settings.read(_Limits, text)
    return ListLimits(
        tuple(Diversity(each.feature, each.maxPerCategory) for each in given.diversity),
        tuple(
            Exposure(each.feature, frozenset(each.categories), each.minShare)
            for each in given.exposure
        ),
    )
