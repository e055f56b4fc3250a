"""Quantities as numbers and as text."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.api.quantities import MEBIBYTE, mebibytes, number


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", "0"), ("2", "2"), ("500m", "0.5"), ("0.5", "0.5"), ("1k", "1000"), ("1.5G", "1.5e9"),
     ("512Mi", "536870912"), ("2Gi", "2147483648"), ("1E", "1e18"), ("1Ei", str(2**60))],
)  # fmt: skip
def test_a_quantity_is_the_number_that_kubernetes_reads(text: str, value: str) -> None:
    assert number(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "-1", "1K", "1e3", "Mi", "1 Gi", "lots", "2Gi\n"])
def test_what_is_no_quantity_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="such as 500m or 2Gi"):
        number(text)


@given(st.integers(min_value=0, max_value=10**15))
def test_memory_is_rounded_up_to_a_whole_mebibyte(size: int) -> None:
    assert 0 <= number(mebibytes(Decimal(size))) - size < MEBIBYTE


def test_whole_gibibytes_are_written_as_such() -> None:
    assert mebibytes(number("2048Mi")) == "2Gi"
