"""Who comes, and when."""

from __future__ import annotations

import collections
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_simulate.population import Population, named


def test_the_same_seed_gives_the_same_visits() -> None:
    def first() -> list[object]:
        people = Population(named(50, "u"), 7, context={"device": ("phone", "desktop")})
        return list(itertools.islice(people.visits(10), 200))

    assert first() == first()


@given(st.floats(0.1, 1000), st.integers(0, 5))
def test_visits_come_in_the_order_of_time_at_about_the_rate(rate: float, seed: int) -> None:
    visits = list(itertools.islice(Population(named(5, "u"), seed).visits(rate), 2000))
    dues = [visit.due for visit in visits]
    assert dues == sorted(dues)
    assert 2000 / dues[-1] == pytest.approx(rate, rel=0.15)


def test_the_first_users_come_more_often_and_all_may_come() -> None:
    visits = itertools.islice(Population(named(20, "u"), 1, activity=1.0).visits(1), 20_000)
    counts = collections.Counter(visit.user for visit in visits)
    assert counts["u0"] == pytest.approx(10 * counts["u9"], rel=0.2)
    assert set(counts) == set(named(20, "u"))


def test_sessions_have_the_mean_number_of_requests_and_belong_to_one_user() -> None:
    people = Population(named(3, "u"), 1, session_requests=4.0)
    visits = list(itertools.islice(people.visits(1), 20_000))
    sessions = collections.Counter(visit.session for visit in visits)
    assert len(visits) / len(sessions) == pytest.approx(4.0, rel=0.05)
    owners = {(visit.session, visit.user) for visit in visits}
    assert len(owners) == len(sessions)


def test_users_are_texts_or_numbers_by_their_prefix() -> None:
    assert named(2, "sim-") == ["sim-0", "sim-1"]
    assert named(2, "100") == [100, 101]


def test_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="users"):
        Population([], 1)
