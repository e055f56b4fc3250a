"""Columns have the bands of their values, and edges follow from the data."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.bands import band, names
from recommender_training.data import bands

NUMBER = st.floats(-1e6, 1e6) | st.integers(-50, 50).map(float)
EDGES = st.lists(NUMBER, min_size=1, max_size=8, unique=True).map(sorted)


@given(EDGES, st.lists(NUMBER, max_size=20))
def test_the_expression_gives_the_band_of_each_value(
    edges: list[float], values: list[float]
) -> None:
    texts = [*values, *edges, None, math.nan]
    frame = pl.DataFrame({"x": texts}, schema={"x": pl.Float64}, strict=False)
    found = frame.select(
        bands.index(pl.col("x"), edges).alias("index"), bands.named(pl.col("x"), edges).alias("of")
    )
    known = [band(value, edges) for value in (*values, *edges)]
    assert found["index"].to_list() == [*known, None, None]
    words = names(edges)
    assert found["of"].to_list() == [*(words[index] for index in known), "unknown", "unknown"]


@pytest.mark.parametrize(
    ("low", "high", "count"), [(100_000, 100_400, 10), (1993, 2024, 10), (1, 1e6, 10)]
)
def test_a_narrow_range_has_as_many_bands_as_a_wide_one(
    low: float, high: float, count: int
) -> None:
    values = np.linspace(low, high, 20_000, dtype=np.float32)
    assert len(bands.logarithmic(values, count)) == count - 1


@given(st.floats(1, 1e6), st.floats(0.002, 3), st.integers(2, 12))
def test_bands_of_the_logarithm_are_about_equally_wide(
    low: float, width: float, count: int
) -> None:
    values = np.geomspace(low, low * (1 + width), 5_000).astype(np.float32)
    edges = bands.logarithmic(values, count)
    assert len(edges) == count - 1
    steps = np.diff(np.log(edges))
    assert (steps > 0).all()
    if len(steps):
        assert steps.max() < 3 * steps.min()


def test_edges_of_a_wide_range_have_three_digits() -> None:
    edges = bands.logarithmic(np.geomspace(1, 1e5, 5_000).astype(np.float32), 8)
    assert all(edge == float(f"{edge:.3g}") for edge in edges)


@given(EDGES, st.lists(NUMBER, min_size=1, max_size=20))
def test_a_position_never_falls_with_the_value_and_no_band_is_left(
    edges: list[float], values: list[float]
) -> None:
    numbers = np.sort(np.array(values))
    found = bands.positions(numbers, bands.knots(edges))
    assert (np.diff(found) >= 0).all()
    assert np.abs(found).max() <= math.sqrt(3) + 1e-6
    for number, position in zip(numbers.tolist(), found.tolist(), strict=True):
        place = band(number, edges)
        if 0 < place < len(edges):
            ends = bands.positions(np.array(edges[place - 1 : place + 1]), bands.knots(edges))
            assert ends[0] <= position <= ends[1]


def test_positions_are_continuous_and_those_of_all_bands_have_the_variance_of_one() -> None:
    ends = bands.knots((10.0, 20.0, 100.0), 0.0, 1000.0)
    assert ends == (0.0, 10.0, 20.0, 100.0, 1000.0)
    even = np.concatenate([np.linspace(low, high, 1001) for low, high in pairwise(ends)])
    found = bands.positions(even, ends)
    assert abs(float(found.mean())) < 1e-3
    assert abs(float(found.var()) - 1.0) < 1e-2
    at_edges = bands.positions(np.array([19.999, 20.0, 20.001]), ends)
    assert np.ptp(at_edges) < 1e-3


def test_open_bands_are_flat_and_add_their_share_to_the_variance() -> None:
    values = np.random.default_rng(3).lognormal(3.0, 1.0, 16_000).astype(np.float32)
    edges = bands.quantiles(values, 16)
    found = bands.positions(values, bands.knots(edges))
    outer = (values < edges[0]) | (values >= edges[-1])
    np.testing.assert_allclose(np.abs(found[outer]), math.sqrt(3), rtol=1e-6)
    assert abs(float(outer.mean()) - 2 / 16) < 1e-3
    assert abs(float(found.mean())) < 0.02
    assert abs(float(found.var()) - (1 + 4 / 16)) < 0.02


def test_beyond_the_ends_a_position_is_theirs_and_that_of_the_unknown_is_zero() -> None:
    ends = bands.knots((1.0, 2.0, 3.0))
    low, high, unknown = bands.positions(np.array([-1e9, 1e9, math.nan]), ends).tolist()
    assert (low, high) == (pytest.approx(-math.sqrt(3)), pytest.approx(math.sqrt(3)))
    assert unknown == 0.0
    for edges in ((), (5.0,)):  # the band says all that is known
        assert bands.positions(np.array([1.0, 9.0]), bands.knots(edges)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("lowest", "highest", "expected"),
    [(1.0, math.inf, (1.0, 2.0, 3.0)), (2.0, 3.0, (2.0, 3.0)), (-math.inf, 9.0, (2.0, 3.0, 9.0))],
)
def test_limits_that_lie_beyond_the_edges_are_ends_of_bands(
    lowest: float, highest: float, expected: tuple[float, ...]
) -> None:
    assert bands.knots((2.0, 3.0), lowest, highest) == expected
    assert bands.knots((), lowest, highest) == ()
