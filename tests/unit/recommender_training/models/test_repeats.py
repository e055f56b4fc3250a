"""How likely an item comes again is counted by how often and how long ago it came."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.common.arrays import Floats
from recommender_training.data.dataset import Dataset
from recommender_training.features import graph
from recommender_training.models import repeats
from tests import small_data

ITEMS = 10
#: Names of a state by its number of events.
LEVELS = {1: 0, 2: 1, 3: 2, 4: 3, 5: 3, 6: 4, 8: 4, 9: 5, 20: 5}
DAY = 86_400


def shop(period: int, again: bool, seed: int = 3) -> Dataset:
    """Users who buy an item every `period` days if they buy it `again`, else another one."""
    random, events = np.random.default_rng(seed), []
    for user in range(30):
        own = random.permutation(ITEMS)
        for visit in range(8):
            item = own[visit % 2] if again else own[visit]
            events.append((user, int(item), 5.0, 1 + (visit * period + user % 3) * DAY))
    rows = [{"id": n} for n in range(ITEMS)]
    return small_data.build(events, [{"id": n} for n in range(30)], rows)


def states(
    items: list[int], times: list[int], now: int, gaps: Floats | None = None
) -> tuple[list[int], list[bool]]:
    rows = torch.tensor([items], dtype=torch.int64)
    found, newest = graph.repeat_states(
        rows,
        torch.ones_like(rows, dtype=torch.bool),
        torch.tensor([times]),
        torch.tensor([now]),
        torch.full((ITEMS,), float(DAY)) if gaps is None else torch.from_numpy(gaps),
    )
    return found[0].tolist(), newest[0].tolist()


@pytest.mark.parametrize("count", LEVELS)
def test_a_state_has_the_number_of_events_and_one_of_them_is_the_newest(count: int) -> None:
    found, newest = states([4] * count, list(range(count)), DAY)
    assert {state // 11 for state in found} == {LEVELS[count]}
    assert newest == [False] * (count - 1) + [True]


@given(power=st.integers(-8, 8))
def test_an_age_is_a_power_of_two_of_the_usual_gap(power: int) -> None:
    found, _ = states([2], [0], round(DAY * 2.0**power))
    assert found[0] % 11 == min(5, max(-5, power)) + 5


@given(
    items=st.lists(st.integers(-1, ITEMS - 1), min_size=1, max_size=12),
    now=st.integers(0, 10 * DAY),
)
def test_only_the_newest_event_of_each_known_item_adds_to_its_order(
    items: list[int], now: int
) -> None:
    found, newest = states(items, list(range(len(items))), now)
    assert all(0 <= state < graph.REPEAT_STATES for state in found)
    own = [item for item, new in zip(items, newest, strict=True) if new]
    assert sorted(own) == sorted(set(items) - {-1})
    table = torch.arange(1.0, graph.REPEAT_STATES + 1)
    added = graph.repeat_scores(torch.tensor([found]), torch.tensor([newest]), table)
    assert ((added[0] != 0) == torch.tensor(newest)).all()


def test_a_usual_gap_is_the_geometric_mean_of_those_of_users_smoothed() -> None:
    data = shop(4, again=True)
    gaps = repeats.usual_gaps(data.events, ITEMS)
    np.testing.assert_allclose(gaps, 8 * DAY, rtol=1e-5)
    assert (repeats.usual_gaps(shop(4, again=False).events, ITEMS) == 604_800).all()


def test_a_shop_whose_users_buy_again_gives_items_more_when_their_time_comes() -> None:
    table = repeats.fit(shop(4, again=True), None, 20).table
    due, soon = LEVELS[2] * 11 + 5, LEVELS[2] * 11 + 5 - 1
    assert table[due] > table[soon] > table.min() - 1
    assert table[due] > 0
    never = repeats.fit(shop(4, again=False), None, 20).table
    assert never.max() < table[due]


def test_events_from_a_time_on_have_no_part() -> None:
    data = shop(4, again=True)
    events, time = data.events, int(np.median(data.events.time))
    fitted = repeats.fit(data, time, 20)
    early = Dataset(
        events.take(np.flatnonzero(events.time < time)), *list(vars(data).values())[1:]
    )
    expected = repeats.fit(early, None, 20)
    np.testing.assert_array_equal(fitted.table, expected.table)
    np.testing.assert_array_equal(fitted.gaps, expected.gaps)


@pytest.mark.parametrize(("again", "share"), [(True, 1.0), (False, 0.0)])
def test_the_share_of_repeats_is_that_of_events_with_an_item_of_the_session(
    again: bool, share: float
) -> None:
    data = shop(4, again=again)
    last = np.arange(len(data.events))[-60:]
    assert repeats.share_of_repeats(data, last, 20) == share
    assert repeats.share_of_repeats(data, last[:0], 20) == 0
