"""Smoothed shares add one expected positive, or ten events where positives are common."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.features import graph
from recommender_training.features.share import share_logit

priors = st.floats(0.0005, 0.999)


def item_logit(events: int, positives: int, prior: float) -> float:
    """The number `item_positive_rate` of an item with these counts."""
    seen, liked = torch.tensor([events]), torch.tensor([positives])
    now, year = torch.tensor([1_000_000_000]), torch.tensor([0])
    return float(graph.item_numbers(seen, liked, seen, year, now, 1, torch.tensor(prior))[0, 0])


@given(prior=priors, least=st.sampled_from([3.0, 10.0]))
def test_one_positive_is_expected_in_the_added_events_unless_the_least_has_more(
    prior: float, least: float
) -> None:
    added = float(graph.added_events(torch.tensor(prior), least))
    assert added == pytest.approx(max(least, 1 / prior), rel=1e-5)


@given(prior=st.floats(0.1, 0.999), events=st.integers(0, 1000), data=st.data())
def test_common_positives_are_smoothed_by_ten_events(
    prior: float, events: int, data: st.DataObject
) -> None:
    positives = data.draw(st.integers(0, events))
    share = torch.tensor((positives + 10 * prior) / (events + 10), dtype=torch.float64)
    expected = float(torch.logit(share))
    assert item_logit(events, positives, prior) == pytest.approx(expected, abs=2e-3)


@given(prior=st.floats(0.001, 0.01), events=st.integers(0, 50))
def test_an_item_without_a_positive_stays_near_a_rare_share_for_a_while(
    prior: float, events: int
) -> None:
    """Fifty events of which half a positive is expected at most move it by half a logit."""
    below = item_logit(0, 0, prior) - item_logit(events, 0, prior)
    assert -1e-3 <= below <= 0.5


def test_an_item_without_a_positive_falls_once_several_were_expected() -> None:
    assert item_logit(0, 0, 0.004) - item_logit(2500, 0, 0.004) > 2


def test_a_session_without_a_positive_stays_near_a_rare_share() -> None:
    def rate(events: int, value: float) -> float:
        times = torch.arange(events).unsqueeze(0)
        found = graph.session_numbers(
            torch.ones(1, events, dtype=torch.bool),
            torch.full((1, events), value),
            times,
            torch.tensor([1000]),
            torch.tensor(1.0),
            torch.tensor(0.004),
        )
        return float(found[0, 2])

    prior = float(torch.logit(torch.tensor(0.004)))
    assert rate(20, 1.0) == pytest.approx(prior, abs=0.1)
    assert rate(3, 5.0) > prior + 1


def test_a_group_without_a_positive_stays_near_its_item_where_positives_are_rare() -> None:
    inside, liked = torch.tensor([[20]]), torch.tensor([[0]])
    events, positives = torch.tensor([1000]), torch.tensor([4])
    known, prior = torch.ones(1, 1, dtype=torch.bool), torch.tensor(0.004)
    found = graph.demographic_numbers(inside, liked, events, positives, known, prior)
    assert float(found) == pytest.approx(0, abs=0.1)


@given(rows=st.integers(1, 2**40), events=st.integers(0, 2**40), data=st.data())
def test_numbers_are_finite_where_about_all_or_no_events_are_positive(
    rows: int, events: int, data: st.DataObject
) -> None:
    """A log of positive events alone, for which negatives are drawn, is the usual case."""
    inside = data.draw(st.integers(0, events))
    for prior, positive in (((rows + 0.5) / (rows + 1), 1), (0.5 / (rows + 1), 0)):
        assert math.isfinite(item_logit(events, positive * events, prior))
        seen = torch.tensor([events])
        group = torch.tensor([[inside]])
        found = graph.demographic_numbers(
            group,
            positive * group,
            seen,
            positive * seen,
            torch.ones(1, 1, dtype=torch.bool),
            torch.tensor(prior),
        )
        assert math.isfinite(float(found))


def test_a_clamped_share_is_the_largest_below_one_and_others_are_as_they_were() -> None:
    shares = torch.tensor([1e-9, 0.3, 1 - 2.0**-24, 1.0])
    found = share_logit(shares)
    assert found[:3].equal(torch.logit(shares[:3]))
    assert found[3] == found[2]
