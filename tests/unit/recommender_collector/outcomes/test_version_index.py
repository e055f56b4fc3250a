"""The versions whose predictions have sums: few, of one label, and none of them negative."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_collector.domain.events import Erasure, Event
from recommender_collector.outcomes.outcome_sums import OutcomeSums
from recommender_collector.outcomes.predictions import DAY_MILLISECONDS, LabelRule
from recommender_collector.outcomes.version_index import FIRST_DAYS, LATEST_DAYS, MOST_VERSIONS
from recommender_contract.events import Kind
from tests.unit.recommender_collector.outcome_memory import (
    DAY0,
    HOUR,
    RULE,
    SHOP,
    START,
    Memory,
    impression,
    purchase,
    total,
)


def test_a_version_whose_days_are_closed_makes_room_first() -> None:
    store = Memory()
    names = [f"shop-{place}" for place in range(MOST_VERSIONS)]
    later = START + 5 * DAY_MILLISECONDS
    store.apply(START, *(impression(user, START, version=names[3]) for user in ("ada", "bob")))
    for name in names[:3] + names[4:]:
        store.apply(later, impression("ada", later, version=name))
    store.apply(later, impression("ada", later, version=SHOP))
    assert set(store.versions()) == {SHOP, *names} - {names[3]}
    assert {version for version, _ in store.sums} == set(store.versions())


def test_made_up_versions_do_not_lock_a_version_with_users_out() -> None:
    store = Memory()
    made_up = [f"shop-{place}" for place in range(3 * MOST_VERSIONS)]
    for name in made_up:
        store.apply(START, impression("eve", START, version=name))
    for user in ("ada", "bob"):
        store.apply(START, impression(user, START))
    for name in made_up:
        store.apply(START, impression("eve", START, version=name))
    assert (store.of().users, store.versions()[SHOP].users) == (2, 2)
    assert len(store.versions()) == MOST_VERSIONS


def test_a_version_that_comes_back_at_once_has_nothing_of_before() -> None:
    store = Memory()
    store.apply(START, impression("ada", START))
    for place in range(MOST_VERSIONS):
        name = f"shop-{place}"
        store.apply(START, *(impression(user, START, version=name) for user in ("eve", "bob")))
    assert SHOP not in store.versions()
    store.apply(START, impression("bob", START))
    store.apply(START, Erasure("ada"))
    assert store.of().users == 1


@pytest.mark.parametrize("version", ["shop-0a1b2c3d e", "shop-Ä", "shop-" + "a" * 80])
def test_what_is_no_name_of_a_version_counts_nothing(version: str) -> None:
    store = Memory()
    store.apply(START, impression("ada", START, version=version))
    assert (store.versions(), store.sums) == ({}, {})


def test_a_version_knows_how_many_of_its_predictions_do_not_count() -> None:
    store = Memory()
    store.apply(START, impression("ada", START))
    store.apply(START, impression("bob", START, (0.1, 0.2)), has_memory=False)
    store.apply(START, impression("ada", START - 9 * DAY_MILLISECONDS))
    assert (store.versions()[SHOP].ignored, store.ignored) == (3, 3)


def test_another_label_starts_the_sums_anew() -> None:
    """Those of days before are of the former label, and so are the positive events of users."""
    store = Memory()
    store.apply(START, impression("ada", START), purchase("bob", START))
    clicks = LabelRule(frozenset({Kind.CLICK}), RULE.window, RULE.late)
    store.apply(START, Event("e", Kind.CLICK, "ada", ("tea",), START), rule=clicks)
    assert store.sums == {}
    store.apply(START, impression("bob", START), rule=clicks)
    store.apply(START, Erasure("ada"), rule=clicks)
    sums = store.of()
    assert (sums.users, total(sums, "predictions"), total(sums, "labels")) == (1, 1, 0)


def test_a_longer_time_for_late_events_is_no_other_label() -> None:
    store = Memory()
    store.apply(START, impression("ada", START))
    store.apply(START, impression("bob", START), rule=RULE._replace(late=5 * HOUR))
    assert store.of().users == 2


def test_lost_sums_are_void_and_never_negative() -> None:
    store = Memory()
    store.apply(START, impression("ada", START), impression("bob", START))
    store.sums.clear()
    for entry in (purchase("ada", START), Erasure("bob"), impression("eve", START)):
        store.apply(START, entry)
        assert store.sums == {}
    assert store.versions()[SHOP].void == {DAY0}
    later = START + DAY_MILLISECONDS
    store.apply(later, impression("eve", later))
    assert store.of(DAY0 + 1).users == 1


@pytest.mark.parametrize("lost", [None, "all"])
def test_after_the_index_is_lost_users_subtract_nothing_of_before(lost: str | None) -> None:
    store = Memory()
    store.apply(START, impression("ada", START), impression("bob", START))
    store.index = None
    store.sums = store.sums if lost is None else {}
    store.apply(START + HOUR, impression("eve", START))
    store.apply(START + HOUR, Erasure("ada"), purchase("bob", START))
    assert (store.of().users, total(store.of(), "labels")) == (1, 0)
    store.apply(START, Erasure("eve"))
    assert store.of() == OutcomeSums()


def test_the_first_and_the_latest_days_are_kept() -> None:
    store = Memory()
    days = FIRST_DAYS + LATEST_DAYS + 3
    for day in range(days):
        at = START + day * DAY_MILLISECONDS
        store.apply(at, impression("ada", at))
    kept = store.versions()[SHOP].days
    assert kept[:FIRST_DAYS] == list(range(DAY0, DAY0 + FIRST_DAYS))
    assert kept[FIRST_DAYS:] == list(range(DAY0 + days - LATEST_DAYS, DAY0 + days))
    assert {day for _, day in store.sums} == set(kept)


@given(st.integers(0, 2**32), st.integers(0, 60), st.booleans())
def test_sums_are_exact_whatever_is_evicted_or_lost(seed: int, count: int, loses: bool) -> None:
    """So without their users nothing is left of any."""
    choice = random.Random(seed)
    store = Memory()
    at = START
    for _ in range(count):
        at += 1000 * loses  # else all records are of one millisecond
        entries: list[Event | Erasure] = []
        for _ in range(choice.randrange(1, 4)):
            user, time = f"u{choice.randrange(4)}", START + choice.randrange(2) * DAY_MILLISECONDS
            version = f"shop-{choice.randrange(MOST_VERSIONS + 3)}"
            shown_ = impression(user, time, (choice.random(), 0.5), version=version)
            drawn: list[Event | Erasure] = [shown_, shown_, purchase(user, time), Erasure(user)]
            entries.append(choice.choice(drawn))
        store.apply(at, *entries)
        if loses and choice.random() < 0.2:
            store.sums.pop(choice.choice([*store.sums, ("", 0)]), None)
        if loses and choice.random() < 0.05:
            store.index = None
        assert all(OutcomeSums.decode(text).users >= 0 for text in store.sums.values())
    store.apply(at, *(Erasure(f"u{place}") for place in range(4)))
    assert all(OutcomeSums.decode(text) == OutcomeSums() for text in store.sums.values())
    assert all(each.users == 0 for each in store.versions().values() if not each.void)
