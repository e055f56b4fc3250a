"""Outcomes of predictions: the sums are those of the definition, whatever the order of events."""

from __future__ import annotations

import itertools
import math
import random
import sys
from collections import defaultdict
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_collector.domain.events import Erasure, Event
from recommender_collector.domain.formats import Damaged
from recommender_collector.domain.store_updates import number
from recommender_collector.outcomes.outcome_sums import COMPONENTS, OutcomeSums
from recommender_collector.outcomes.predictions import (
    DAY_MILLISECONDS,
    MOST_OF_USER,
    MOST_PREDICTIONS,
    Cell,
    PredictedUser,
)
from recommender_collector.outcomes.version_index import VersionIndex
from recommender_contract.events import Kind
from tests.unit.recommender_collector.outcome_memory import (
    DAY0,
    HOUR,
    RULE,
    SHOP,
    START,
    Memory,
    impression,
    name_of,
    purchase,
    total,
)


def test_a_prediction_is_positive_if_the_event_follows_within_the_window() -> None:
    store = Memory()
    store.apply(START, impression("ada", START, (0.25, 0.5)))
    store.apply(START + HOUR, purchase("ada", START + 2 * HOUR))
    sums = store.of()
    assert (sums.users, total(sums, "predictions"), total(sums, "labels")) == (1, 2, 1)
    assert total(sums, "loss") == pytest.approx(-math.log(0.25) - math.log(0.5), abs=1e-5)
    assert total(sums, "squares") == pytest.approx(0.75**2 + 0.25, abs=1e-5)


@pytest.mark.parametrize(
    "event",
    [
        purchase("ada", START - 1),
        purchase("ada", START + 2 * HOUR + 1),
        purchase("ada", START, "nuts"),
        purchase("bob", START),
        Event("e", Kind.CLICK, "ada", ("tea",), START),
    ],
    ids=["before", "too late", "another item", "another user", "another kind"],
)
def test_another_event_makes_nothing_positive(event: Event) -> None:
    store = Memory()
    store.apply(START, impression("ada", START))
    store.apply(START, event)
    assert total(store.of(), "labels") == 0


@pytest.mark.parametrize(
    "event",
    [
        impression("ada", START, path="baseline"),
        impression("ada", START, version=None),
        impression("ada", START, version="other-0a1b2c3d"),
        impression("ada", START, ()),
        Event("e", Kind.IMPRESSION, "ada", ("tea",), START, version=SHOP, path="model"),
    ],
    ids=["of the baseline", "of no version", "of another model", "empty", "without"],
)
def test_only_predictions_of_a_model_count(event: Event) -> None:
    store = Memory()
    store.apply(START, event)
    assert store.sums == {}


def test_the_model_expects_no_excess_loss_of_itself() -> None:
    """Of labels as predicted: one of four at 0.25."""
    store = Memory()
    for place in range(4):
        store.apply(START, impression(f"u{place}", START))
    store.apply(START, purchase("u0", START))
    assert total(store.of(), "excess") == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(("buyers", "sign"), [(0, -1), (2, 1)])
def test_the_excess_loss_has_two_sides(buyers: int, sign: int) -> None:
    """One of four is expected. The average is that of docs/contracts.md."""
    store = Memory()
    for place in range(4):
        store.apply(START, impression(f"u{place}", START))
    store.apply(START, *(purchase(f"u{place}", START) for place in range(buyers)))
    expected = (buyers / 4 - 0.25) * math.log(0.75 / 0.25)
    assert total(store.of(), "excess") / 4 == pytest.approx(expected, abs=1e-5)
    assert sign * expected > 0


def test_a_model_without_predictions_keeps_no_users() -> None:
    store = Memory()
    store.apply(START, purchase("ada", START))
    assert store.predicted_users == {}
    store.apply(START, purchase("ada", START), impression("bob", START))
    assert set(store.predicted_users) == {number("ada"), number("bob")}


def test_an_erasure_subtracts_what_the_user_added() -> None:
    store = Memory()
    store.apply(START, impression("bob", START))
    before = store.of()
    store.apply(START, impression("ada", START), purchase("ada", START))
    store.apply(START, Erasure("ada"))
    assert store.of() == before
    assert number("ada") not in store.predicted_users


def test_a_closed_day_keeps_its_sums_and_takes_nothing() -> None:
    store = Memory()
    store.apply(START, impression("ada", START))
    before = store.of()
    at = RULE.closes(DAY0)
    store.apply(at, impression("ada", START), Erasure("ada"))
    assert store.of() == before
    assert store.ignored == 1


def test_one_user_has_a_bounded_part_of_a_day() -> None:
    store = Memory()
    for hour in range(10):
        items = [f"i{place}" for place in range(20)]
        store.apply(START, impression("ada", START + hour, [0.5] * 20, items=items))
    assert total(store.of(), "predictions") == MOST_PREDICTIONS


def test_one_user_has_a_bounded_part_of_all_days() -> None:
    store = Memory()
    given = 0
    for hour in range(20):
        items = [f"i{place}" for place in range(20)]
        for version in ("shop-a", "shop-b", "shop-c", "shop-d", "shop-e", "shop-f", "shop-g"):
            one = impression("ada", START + hour, [0.5] * 20, items=items, version=version)
            store.apply(START, one)
            given += 20
    kept = sum(total(OutcomeSums.decode(text), "predictions") for text in store.sums.values())
    assert (kept, store.ignored) == (MOST_OF_USER, given - MOST_OF_USER)


def test_the_work_of_a_record_grows_with_its_events_and_not_with_their_pairs() -> None:
    """One record of one user, as many events as a request may have."""
    items = [f"i{place}" for place in range(20)]
    events: list[Event | Erasure] = []
    for place in range(500):
        events.append(purchase("ada", START + place, f"i{place % 20}"))
        events.append(impression("ada", START + place, [0.5] * 20, items=items))
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    store = Memory()
    sys.setprofile(count)
    try:
        store.apply(START + 500, *events)
    finally:
        sys.setprofile(None)
    assert calls < 50 * 20 * 500  # of each prediction
    assert total(store.of(), "predictions") == MOST_PREDICTIONS


def test_without_memory_only_known_users_count() -> None:
    store = Memory()
    store.apply(START, impression("ada", START))
    store.apply(START, impression("ada", START + 1), impression("bob", START), has_memory=False)
    assert (store.of().users, total(store.of(), "predictions"), store.ignored) == (1, 2, 1)


@pytest.mark.parametrize(
    "text",
    [b"", b'[2,"",[],[]]', b'[1,"",[[1]],[]]', b'[1,"",[["a",1,1,[1,1,0,0]]],[]]', b"[1,[],[]]"],
)
def test_a_damaged_user_is_found(text: bytes) -> None:
    with pytest.raises(Damaged):
        PredictedUser.decode(text)


@pytest.mark.parametrize("text", [b"", b"1 2", b"x", b"[1]"])
def test_damaged_sums_are_found(text: bytes) -> None:
    with pytest.raises(Damaged):
        OutcomeSums.decode(text)
    with pytest.raises(Damaged):
        VersionIndex.decode(text)


def _drawn(seed: int, count: int) -> list[tuple[int, Event | Erasure]]:
    """Events of two days with the times at which they are read, in this order."""
    choice = random.Random(seed)
    # Before its first prediction a model has no memory of positive events.
    found: list[tuple[int, Event | Erasure]] = [(START, impression("u0", START))]
    for _ in range(count):
        user, time = f"u{choice.randrange(3)}", START + choice.randrange(96) * HOUR // 2
        items = choice.sample(["tea", "oil", "nuts"], 2)
        event: Event | Erasure = purchase(user, time, items[0])
        if choice.random() < 0.6:
            probabilities = (choice.choice((0.0, 0.05, 0.3)), choice.choice((0.71, 0.99, 1.0)))
            version = choice.choice((SHOP, "shop-b"))
            event = impression(user, time, probabilities, items=items, version=version)
        found.append((time + choice.randrange(RULE.late - HOUR), event))
    return sorted(found, key=lambda each: each[0])


def _expected(log: Sequence[tuple[int, Event | Erasure]]) -> dict[Cell, dict[str, float]]:
    """The sums by their definition."""
    events = [each for _, each in log if isinstance(each, Event)]
    bought = [each for each in events if each.kind is Kind.PURCHASE]
    vectors: dict[tuple[Cell, object], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for each in events:
        for item, given_ in zip(each.items, each.probabilities or (), strict=False):
            p = min(max(given_, 1e-6), 1 - 1e-6)
            label = any(
                (b.user, b.items) == (each.user, (item,))
                and 0 <= b.time - each.time <= RULE.window
                for b in bought
            )
            own = vectors[Cell(each.version or "", each.time // DAY_MILLISECONDS, 0), each.user]
            loss = -math.log(p if label else 1 - p)
            expected = -p * math.log(p) - (1 - p) * math.log(1 - p)
            for name, value in zip(
                COMPONENTS, (loss - expected, label, loss, p, 1, (p - label) ** 2), strict=True
            ):
                own[name] += value
    sums: dict[Cell, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for (cell, _), own in vectors.items():
        sums[cell]["users"] += 1
        for name in COMPONENTS:
            sums[cell][name] += own[name]
            sums[cell][f"{name}*{name}"] += own[name] ** 2
    return sums


@given(st.integers(0, 2**32), st.integers(0, 40), st.integers(1, 60))
def test_the_sums_are_those_of_the_definition(seed: int, count: int, minutes: int) -> None:
    log = _drawn(seed, count)
    store = Memory()
    records = itertools.groupby(log, key=lambda each: each[0] // (60_000 * minutes))
    for _, record in records:
        at, entries = zip(*record, strict=True)
        store.apply(max(at), *entries)
    expected = _expected(log)
    assert set(store.sums) == set(map(name_of, expected))
    for cell, sums in expected.items():
        shown = store.of(cell.day, cell.version).shown()
        found = {"users": shown["users"], **shown["sums"], **shown["products"]}  # type: ignore[dict-item]
        assert {name: found[name] for name in sums} == pytest.approx(sums, rel=1e-4, abs=1e-4)
        bins = shown["bins"]
        for name in ("predictions", "predicted", "labels"):
            binned = sum(each[name] for each in bins)  # type: ignore[attr-defined]
            assert binned == pytest.approx(sums[name], abs=1e-4)


@given(st.integers(0, 2**32), st.integers(0, 30))
def test_all_users_erased_leave_nothing(seed: int, count: int) -> None:
    log = [each for _, each in _drawn(seed, count)]
    store = Memory()
    store.apply(START, *log)
    store.apply(START, *(Erasure(f"u{place}") for place in range(3)))
    assert store.predicted_users == {}
    assert all(OutcomeSums.decode(text) == OutcomeSums() for text in store.sums.values())
