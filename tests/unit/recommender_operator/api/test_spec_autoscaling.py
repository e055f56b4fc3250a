"""The cron fields of peaks: the API server takes what KEDA takes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from recommender_operator.api.spec_autoscaling import CRON, Peak

#: First and last value of each field.
BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))


@pytest.mark.parametrize(
    "text",
    [
        "* * * * *",
        "0 18 * * 1-5",
        "00 08 01 09 0",
        "*/15 8-18/2 1,15 JAN,jul Mon-FRI",
        "5/10 0 31 12 6",
    ],
)
def test_times_of_cron_are_accepted(text: str) -> None:
    assert Peak(start=text, end="1 1 1 1 1", replicas=2).start == text


@pytest.mark.parametrize(
    "text",
    [
        "0 25 * * *", "60 0 * * *", "0 0 0 * *", "0 0 32 * *", "0 0 * 13 *", "0 0 * 0 *",
        "0 0 * * 7", "0 0 * * FUN", "0 0 * MON *", "0 0 * JAN", "0 0 * * * *", "0 0 * * *\n",
        "*/0 0 * * *", "1-60 0 * * *", "1,99 0 * * *", "-1 0 * * *", "1- 0 * * *", "@daily",
    ],
)  # fmt: skip
def test_times_that_keda_refuses_are_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="start"):
        Peak(start=text, end="1 1 1 1 1", replicas=2)


@given(field=st.integers(0, 4), value=st.integers(0, 99))
def test_a_field_has_the_values_within_its_bounds_and_no_others(field: int, value: int) -> None:
    fields = ["*"] * 5
    fields[field] = str(value)
    first, last = BOUNDS[field]
    assert bool(re.fullmatch(CRON, " ".join(fields))) is (first <= value <= last)
