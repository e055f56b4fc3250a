"""Which version's items a user clicked in lists that mix those of two."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_collector.domain.events import INTERLEAVED, Event
from recommender_collector.experiments.interleaving_credit import (
    MOST_CLICKS,
    MOST_LISTS,
    MOST_PLACES,
    InterleavingCredit,
)
from recommender_contract.events import Kind

WINDOW, LATE = 60, 30
#: (time, items, teams) of a list, (time, item) of a click.
List = tuple[int, tuple[int, ...], str]
#: As many items as are kept of a list.
LONG = tuple(range(100, 100 + MOST_PLACES))
ITEMS = st.lists(st.integers(0, 5), min_size=1, max_size=4, unique=True).map(tuple)


@st.composite
def mixed_lists(draw: st.DrawFn) -> List:
    items = draw(ITEMS)
    teams = "".join(draw(st.sampled_from("AB-")) for _ in items)
    return draw(st.integers(0, 300)), items, teams


HISTORIES = st.lists(
    mixed_lists() | st.tuples(st.integers(0, 300), st.integers(0, 5)), max_size=12
)


def click(at: int, item: int) -> Event:
    return Event(f"c{at}", Kind.CLICK, 7, (item,), at)


def picks_of(*history: List | tuple[int, int]) -> InterleavingCredit:
    found = InterleavingCredit()
    for each in history:
        if len(each) == 3:
            found.show(*each)
        else:
            assert found.add_event(click(*each))
    return found


def counted(history: list[List | tuple[int, int]]) -> tuple[int, int]:
    """By the words of the documentation: the latest list at or before the click decides.

    Nothing counts in a list before one of nobody.
    """
    lists = sorted(
        (time, items if teams.strip("-") else (), teams)
        for time, items, teams in (each for each in history if len(each) == 3)
    )
    clicked = set()
    for each in history:
        if len(each) == 3:
            continue
        at, item = each
        with_it = [n for n, (time, items, _) in enumerate(lists) if item in items and time <= at]
        of_nobody = [n for n, (time, items, _) in enumerate(lists) if not items and time <= at]
        if not with_it or max(of_nobody, default=-1) > with_it[-1]:
            continue
        if at - lists[with_it[-1]][0] <= WINDOW:
            clicked.add((with_it[-1], item))
    teams = [lists[n][2][lists[n][1].index(item)] for n, item in clicked]
    return teams.count("A"), teams.count("B")


def vector(own: int, theirs: int) -> tuple[int, int, int]:
    if own + theirs == 0:
        return 0, 0, 0
    ahead = round(1000 * (theirs - own) / (own + theirs))
    return max(0, ahead), max(0, -ahead), 1


@given(HISTORIES)
def test_a_click_counts_for_who_gave_the_item_in_the_latest_list(
    history: list[List | tuple[int, int]],
) -> None:
    share = picks_of(*history).user_moments(WINDOW)
    assert share.vector == vector(*counted(history))
    assert (share.arm, share.mixed) == (INTERLEAVED, False)


@given(HISTORIES, st.randoms(use_true_random=False))
def test_events_that_arrive_late_and_in_any_order_count_alike(
    history: list[List | tuple[int, int]], random: object
) -> None:
    """Each arrives at most so late; numbers settle as soon as nothing can change them."""
    arrivals = sorted((each[0] + random.randint(0, LATE), n) for n, each in enumerate(history))  # type: ignore[attr-defined]
    found = InterleavingCredit()
    for at, n in arrivals:
        found.settle(at - LATE, WINDOW)
        each = history[n]
        if len(each) == 3:
            found.show(*each)
        else:
            found.add_event(click(*each))
        found = InterleavingCredit.decoded(orjson.loads(orjson.dumps(found.encoded(-5))), -5)
    assert found.user_moments(WINDOW).vector == vector(*counted(history))
    found.settle(10_000, WINDOW)
    assert (found.lists, found.clicks) == ([], [])
    assert found.user_moments(WINDOW).vector == vector(*counted(history))


def test_an_item_of_a_list_counts_once_and_only_clicks_count() -> None:
    found = picks_of((0, (1, 2), "AB"), (5, 2), (6, 2), (7, 1))
    assert found.user_moments(WINDOW).vector == (0, 0, 1)
    assert not found.add_event(Event("p", Kind.PURCHASE, 7, (2,), 8))
    assert not found.add_event(Event("s", Kind.SEARCH, 7, (), 8))
    assert found.user_moments(WINDOW).vector == (0, 0, 1)


def test_one_user_with_many_clicks_counts_once() -> None:
    lists: list[List] = [(at, (1, 2), "AB") for at in range(20)]
    clicks = [(at, 2) for at in range(20)]
    assert picks_of(*lists, *clicks).user_moments(WINDOW).vector == (1000, 0, 1)
    assert picks_of(*lists, *clicks, (19, 1)).user_moments(WINDOW).vector == (905, 0, 1)


def test_what_is_kept_of_a_user_is_bounded() -> None:
    """Ids that are texts have the largest numbers."""
    found, ids = InterleavingCredit(), [f"item-{n}" for n in range(500)]
    for at in range(MOST_LISTS + 9):
        found.show(at, ids, "AB" * 250)
    for at in range(1000):
        found.add_event(Event(f"c{at}", Kind.CLICK, 7, (ids[at % 500],), at // 10))
    in_settled_lists = 20
    assert found.settle(0, WINDOW) == 1000 - in_settled_lists - MOST_CLICKS
    assert found.settle(0, WINDOW) == 0
    assert len(found.lists) == MOST_LISTS
    assert {len(each.items) for each in found.lists} == {MOST_PLACES}
    assert len(found.clicks) == MOST_CLICKS
    assert len(orjson.dumps(found.encoded(-(10**9)))) < 13_000


def test_a_list_that_arrives_after_more_than_are_kept_counts_no_click_again() -> None:
    for late in (-5, 0, 10, 45):
        found = picks_of((0, (1, 2), "AB"), (50, 1), (51, 1))
        for at in range(20, 20 + MOST_LISTS):
            found.show(at, (8, 9), "AB")
        found.settle(-1000, WINDOW)
        assert (found.counted, len(found.lists)) == ([1, 0], MOST_LISTS)
        found = InterleavingCredit.decoded(orjson.loads(orjson.dumps(found.encoded(7))), 7)
        found.show(late, (1, 2), "BA")
        assert found.user_moments(WINDOW).vector == (0, 1000, 1)
        found.settle(-1000, WINDOW)
        found.settle(1000, WINDOW)
        assert found.counted == [1, 0]


def test_a_list_that_arrives_after_a_later_one_has_gone_gets_none_of_its_clicks() -> None:
    """Neither clicks on a list of nobody, nor those that arrive once their list has gone."""
    for teams in ("--", "AB"):
        found = picks_of((0, (1, 2), teams))
        for at in range(20, 20 + MOST_LISTS):
            found.show(at, (8, 9), "AB")
        found.settle(-1000, WINDOW)
        found = InterleavingCredit.decoded(orjson.loads(orjson.dumps(found.encoded(7))), 7)
        for late in (-5, 0):
            found.show(late, (1, 2), "BA")
        assert found.add_event(click(19, 1))
        assert found.user_moments(WINDOW).vector == (0, 0, 0)
        assert len(found.lists) == MOST_LISTS


def test_a_click_too_late_for_a_settled_list_counts_for_one_that_arrives_late() -> None:
    found = picks_of((0, (1, 2), "AB"), (110, 1))
    found.settle(100, WINDOW)
    assert found.lists == []
    found.show(105, (1, 2), "BA")
    assert found.user_moments(WINDOW).vector == (1000, 0, 1)


def test_what_was_stored_before_a_list_was_settled_can_be_read() -> None:
    found = picks_of((0, (1, 2), "AB"), (5, 1))
    assert len(found.encoded(0)) == 3
    assert InterleavingCredit.decoded(orjson.loads(orjson.dumps(found.encoded(0))), 0) == found


def test_clicks_that_repeat_are_dropped_before_those_that_count() -> None:
    found = picks_of((0, (1, 2, 3, 4), "ABAB"), (10, 1), (11, 3), (12, 4))
    for at in range(100, 100 + MOST_CLICKS):
        found.add_event(click(at, 2))
    assert found.settle(-1000, 1000) == 3
    assert len(found.clicks) == MOST_CLICKS
    assert found.user_moments(1000).vector == (0, 0, 1)
    assert found.clicks[:3] == [(10, 1), (11, 3), (12, 4)]
    assert found.clicks[3:] == [(100, 2), *((at, 2) for at in range(104, 100 + MOST_CLICKS))]


def test_without_repeated_clicks_the_oldest_are_dropped() -> None:
    found = picks_of(*((at, at) for at in range(MOST_CLICKS)), (0, 0), (MOST_CLICKS, 500))
    assert found.settle(-1000, 1000) == 2
    assert [at for at, _ in found.clicks] == list(range(1, MOST_CLICKS + 1))


def test_clicks_that_cannot_count_any_more_are_not_said_to_be_dropped() -> None:
    found = picks_of(*((at, 1) for at in range(MOST_CLICKS + 50)))
    assert found.settle(WINDOW + 60, WINDOW) == 0
    assert len(found.clicks) == MOST_CLICKS - 10


def test_a_click_on_a_list_of_nobody_is_not_one_on_an_earlier_mixed_list() -> None:
    """Nor is one on an item that it has not: else those of the other version alone would count."""
    shown: tuple[List, List] = ((0, (1, 2), "AB"), (1, (1, 3), "--"))
    assert picks_of(*shown, (2, 1), (2, 2), (2, 3)).user_moments(WINDOW).vector == (0, 0, 0)
    assert picks_of(*shown, (0, 2)).user_moments(WINDOW).vector == (1000, 0, 1)


def test_items_with_text_ids_are_told_apart() -> None:
    found = InterleavingCredit()
    found.show(0, ["tea", "cup"], "AB")
    found.add_event(Event("c", Kind.CLICK, 7, ("cup",), 1))
    assert found.user_moments(WINDOW).vector == (1000, 0, 1)


@pytest.mark.parametrize(
    "values",
    [
        None,
        [],
        [[], []],
        [[[0, [1], "AB"]], [], [0, 0]],
        [[], [1], [0, 0]],
        [[], [], [0]],
        [[], [], [0, 0], "x"],
        [[], [], [0, 0], 1, 2],
    ],
)
def test_damaged_values_are_refused(values: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        InterleavingCredit.decoded(values, 0)


def test_a_click_below_the_places_that_are_kept_counts_for_no_earlier_list() -> None:
    teams = "AB" * (MOST_PLACES // 2 + 1)
    for below in ((99, 98), (98, 99)):
        found = picks_of((1, (99, 97), "BA"), (3, (*LONG, *below), teams), (5, 99), (6, 97))
        assert found.user_moments(WINDOW).vector == vector(1, 0), "97 is in the earlier list alone"
        found = InterleavingCredit.decoded(orjson.loads(orjson.dumps(found.encoded(7))), 7)
        found.settle(1000, WINDOW)
        assert found.counted == [1, 0]


def test_of_the_items_below_only_those_are_kept_that_would_count_for_an_earlier_list() -> None:
    teams = "AB" * (MOST_PLACES // 2 + 1)
    found = picks_of((1, (99,), "B"), *((at, (*LONG, 99, 98), teams) for at in (3, 4, 5)))
    assert [len(each.items) for each in found.lists] == [1, MOST_PLACES + 1, *[MOST_PLACES] * 2]
