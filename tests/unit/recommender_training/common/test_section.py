"""An error of a section names the field, its value and the remedy."""

from __future__ import annotations

from typing import Annotated, Any, Self

import pytest
from pydantic import Field, ValidationError, model_validator

from recommender_training.common.section import Section, problems


class Inner(Section):
    least_value: float | None = None
    name: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.name == "least":
            raise ValueError("name must not be least: choose another")
        return self


class Outer(Section):
    parts: tuple[Inner, ...] = ()
    by_key: dict[str, Inner] | None = None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"parts": [{"name": "a", "leastvalue": 1}]},
            "parts.0.leastvalue=1: unknown field; did you mean leastValue? "
            "the fields are leastValue, name",
        ),
        ({"Z": 1}, "Z=1: unknown field; the fields are parts, byKey"),
        ({"byKey": {"k": {"name": "a", "Z": 1}}}, "byKey.k.Z=1: unknown field"),
        ({"parts": [{}]}, "parts.0.name: required"),
        ({"parts": [{"name": "least"}]}, "parts.0: name must not be least: choose another"),
        (
            {"parts": [{"name": ""}]},
            "parts.0.name='': String should have at least 1 character",
        ),
        ({"parts": [3]}, "parts.0=3: "),
    ],
)
def test_a_problem_names_field_value_and_remedy(given: Any, told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(given)
    assert told in problems(caught.value, Outer)


def test_all_problems_are_told_and_long_values_are_cut() -> None:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate({"parts": "x" * 200, "Z": 1})
    found = problems(caught.value, Outer)
    assert f"parts={'x' * 80!r}: " in found
    assert "; Z=1: unknown field" in found
    assert "here.Z=1: " in problems(caught.value, Outer, under="here")
