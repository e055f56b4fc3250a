"""Model time follows the wall clock while the model is observed."""

from __future__ import annotations

import datetime

from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.api.status import ModelClock
from recommender_operator.context import model_time
from tests.unit.recommender_operator.simulation.cluster import START

PACE = datetime.timedelta(seconds=10)
GAPS = st.lists(st.integers(-7200, 7200), max_size=40)


def stored(at: datetime.datetime = START) -> ModelClock:
    return ModelClock(observed_at=at, time=at, pace_seconds=PACE.total_seconds())


def after(seconds: float) -> datetime.datetime:
    return START + datetime.timedelta(seconds=seconds)


def test_without_a_deadline_model_time_is_the_wall_clock() -> None:
    assert model_time.current_model_time(None, START) == START


def test_model_time_follows_regular_looks_and_stops_without_them() -> None:
    assert model_time.current_model_time(stored(), after(25)) == after(25)
    assert model_time.current_model_time(stored(), after(3600)) == after(30)
    assert model_time.current_model_time(stored(), after(-3600)) == START


@given(GAPS)
def test_no_jump_moves_model_time_back_or_beyond_the_limit(gaps: list[int]) -> None:
    kept, wall = stored(), START
    for gap in gaps:
        wall += datetime.timedelta(seconds=gap)
        time = model_time.current_model_time(kept, wall)
        assert datetime.timedelta() <= time - kept.time <= model_time.STRETCH * PACE
        kept = model_time.kept(kept, wall=wall, time=time, pace=PACE, written=False)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60))
def test_frequent_looks_write_it_once_a_pace_and_lose_nothing(gaps: list[int]) -> None:
    kept, wall, writes = stored(), START, 0
    for gap in gaps:
        wall += datetime.timedelta(seconds=gap)
        time = model_time.current_model_time(kept, wall)
        assert time == wall
        new = model_time.kept(kept, wall=wall, time=time, pace=PACE, written=False)
        writes += new != kept
        kept = new
    assert writes <= sum(gaps) / PACE.total_seconds() + 1


def test_a_long_wait_is_kept_to_a_part_of_its_length_and_a_short_one_to_its_looks() -> None:
    hour, look = datetime.timedelta(hours=1), datetime.timedelta(seconds=5)
    assert model_time.pace(hour, look) == datetime.timedelta(minutes=3)
    assert model_time.pace(look, look) == look


def test_it_is_stored_anew_with_another_pace_and_with_whatever_else_is_written() -> None:
    kept, slow = stored(), 2 * PACE

    def again(pace: datetime.timedelta, *, written: bool) -> bool:
        wall = after(1)
        return kept != model_time.kept(kept, wall=wall, time=wall, pace=pace, written=written)

    assert not again(PACE, written=False)
    assert again(slow, written=False)
    assert again(PACE, written=True)


def test_a_wall_that_went_back_is_stored_at_once() -> None:
    kept = stored()
    wall = after(-1)
    assert (
        model_time.kept(kept, wall=wall, time=START, pace=PACE, written=False).observed_at == wall
    )
