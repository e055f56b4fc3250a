"""Platt scaling of bins: the least loss, always monotone, refused where nothing determines it."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recommender_operator.extensions.recalibration.platt import (
    Bin,
    Scale,
    calibrated_share,
    fit,
    loss,
    sigmoid,
)

PLACES = (-6.0, -4.5, -3.0, -1.5, 0.0, 1.0)


@st.composite
def some_bins(draw: st.DrawFn) -> list[Bin]:
    places = draw(st.lists(st.sampled_from(PLACES), min_size=2, unique=True))
    counts = [draw(st.integers(100, 100_000)) for _ in places]
    shares = [draw(st.floats(0.02, 0.98)) for _ in places]
    return [Bin(n, n * p, at) for n, p, at in zip(counts, shares, places, strict=True)]


@given(slope=st.floats(0.5, 2.0), shift=st.floats(-1.5, 1.5))
def test_bins_that_follow_a_scale_give_it_back(slope: float, shift: float) -> None:
    bins = [Bin(1000.0, 1000 * sigmoid(slope * at + shift), at) for at in PLACES]
    found = fit(bins)
    assert [found.slope, found.shift] == pytest.approx([slope, shift], abs=1e-6)


@example(
    bins=[Bin(100, 50, -4.5), Bin(100, 50, -3.0), Bin(100, 25, 1.0), Bin(3794, 1897, -6.0)],
    has_slope=True,
)
@given(some_bins(), st.booleans())
def test_no_scale_near_it_has_a_smaller_loss_and_the_mean_is_that_of_the_labels(
    bins: list[Bin], has_slope: bool
) -> None:
    found = fit(bins, has_slope=has_slope)
    least = sum(loss(each, found) for each in bins)
    for shift in (-1e-3, 1e-3):
        near = Scale(found.slope, found.shift + shift)
        assert sum(loss(each, near) for each in bins) >= least - 1e-9
        if has_slope:
            near = Scale(found.slope + shift, found.shift)
            assert sum(loss(each, near) for each in bins) >= least - 1e-9
    expected = sum(each.count * calibrated_share(each, found) for each in bins)
    assert expected == pytest.approx(sum(each.positive for each in bins), rel=1e-6)


def test_without_two_bins_of_enough_labels_the_slope_is_one() -> None:
    bins = [Bin(1000.0, 300.0, -1.0), Bin(10.0, 9.0, 2.0, is_full=False)]
    found = fit(bins)
    assert found.slope == 1
    assert found == fit(bins, has_slope=False)


@pytest.mark.parametrize("positive", [0.0, 1000.0])
def test_labels_of_one_class_determine_nothing(positive: float) -> None:
    bins = [Bin(1000.0, positive, at) for at in PLACES]
    for has_slope in (True, False):
        with pytest.raises(ValueError, match="do not determine"):
            fit(bins, has_slope=has_slope)
    with pytest.raises(ValueError, match="no predictions"):
        fit([])


def test_the_logistic_function_has_no_overflow() -> None:
    assert sigmoid(800) == 1
    assert 0 <= sigmoid(-800) < 1e-300
    assert loss(Bin(1.0, 0.0, 800.0), Scale()) == pytest.approx(800)
    assert math.isfinite(loss(Bin(1.0, 1.0, -800.0), Scale()))
