"""Bands have the names of the contract, and a value is in one band."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract import bands

AGES = (18.0, 25.0, 35.0, 45.0, 50.0, 56.0)


@pytest.mark.parametrize(
    ("edges", "minimum", "names"),
    [
        (AGES, 0, ("0-17", "18-24", "25-34", "35-44", "45-49", "50-55", "56+")),
        (AGES, None, ("<18", "18-24", "25-34", "35-44", "45-49", "50-55", "56+")),
        ((12.5, 30), 0, ("<12.5", "12.5-30", "30+")),
        ((2, 3), 1, ("1", "2", "3+")),
        ((18,), 0.5, ("<18", "18+")),
        ((-5, 0), None, ("<-5", "-5 to -1", "0+")),
        ((1e20, 1e21), None, ("<1e+20", "1e+20-1e+21", "1e+21+")),
        ((), 3, ("all",)),
    ],
)
def test_bands_are_named_by_their_edges(
    edges: tuple[float, ...], minimum: float | None, names: tuple[str, ...]
) -> None:
    assert bands.names(edges, minimum) == names


NUMBER = st.floats(-1e6, 1e6) | st.integers(-50, 50).map(float)
EDGES = st.lists(NUMBER, min_size=1, max_size=8, unique=True).map(sorted)


@given(EDGES, st.none() | st.integers(-100, 100))
def test_each_band_has_its_own_name(edges: list[float], minimum: int | None) -> None:
    lowest = None if minimum is None or minimum >= edges[0] else float(minimum)
    names = bands.names(edges, lowest)
    assert len(names) == len(set(names)) == len(edges) + 1


def test_a_value_on_an_edge_is_in_the_band_above() -> None:
    assert [bands.band(value, (18, 25)) for value in (17.9, 18, 24.9, 25)] == [0, 1, 1, 2]


@given(EDGES, NUMBER)
def test_the_name_of_a_value_is_that_of_its_band(edges: list[float], value: float) -> None:
    assert bands.name_of(value, edges) == bands.names(edges)[bands.band(value, edges)]
