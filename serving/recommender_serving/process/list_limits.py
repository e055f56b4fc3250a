"""Parse the limits of lists, which the operator passes as JSON: pure."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recommender_serving.domain.list_limits import Diversity, Exposure, ListLimits

Name = Annotated[str, Field(min_length=1, max_length=40)]


class _Setting(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Diversity(_Setting):
    feature: Name
    maxPerCategory: int = Field(ge=1)  # noqa: N815


class _Exposure(_Setting):
    feature: Name
    categories: list[str] = Field(min_length=1)
    minShare: float = Field(gt=0, le=1)  # noqa: N815


class _Limits(_Setting):
    diversity: list[_Diversity] = []
    exposure: list[_Exposure] = []


def parse_list_limits(text: str) -> ListLimits:
    """Return the limits.

    Raises:
        ValueError: the text is not the JSON of valid limits; names the first bad field.
    """
    try:
        given = _Limits.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(map(str, first["loc"]))
        raise ValueError(f"{path}: {first['msg']}" if path else first["msg"]) from None
    return ListLimits(
        tuple(Diversity(each.feature, each.maxPerCategory) for each in given.diversity),
        tuple(
            Exposure(each.feature, frozenset(each.categories), each.minShare)
            for each in given.exposure
        ),
    )
