"""What events add to the popularity of their items."""

from __future__ import annotations

import itertools
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_collector.domain.events import Event
from recommender_collector.domain.popularity_trends import Gain, PopularityTrends, total
from recommender_contract.events import Kind
from recommender_contract.ids import hashed
from recommender_contract.online_store import ALL, HALF_LIFE, decayed, segment_of
from tests.unit.recommender_collector.collector_samples import mapping, model

AT = 1_795_000_000_000
CLICK = Event("e", Kind.CLICK, "ada", ("tea",), AT)
DEVICE = {"name": "device", "kind": "Categorical", "coldStart": True}
MEMBER = {"name": "member", "kind": "Boolean", "coldStart": True}
TYPES = [{"type": kind.value, "value": 1} for kind in Kind if kind is not Kind.SEARCH]


def of(*features: dict[str, object]) -> PopularityTrends:
    return PopularityTrends(model(mapping(features=list(features) or None, eventTypes=TYPES)))


def test_an_event_counts_half_after_each_half_life() -> None:
    (gain,) = of().gains([CLICK])
    assert (gain.segment, gain.item) == (ALL, hashed("tea"))
    for lives in (0, 1, 2, 3.5):
        now = AT / 1000 + lives * HALF_LIFE
        assert decayed(gain.worth, now) == pytest.approx(0.5**lives)


@pytest.mark.parametrize("kind", [*Kind])
def test_what_was_merely_shown_or_disliked_is_not_wanted(kind: Kind) -> None:
    wanted = kind in (Kind.CLICK, Kind.BASKET, Kind.PURCHASE, Kind.DWELL)
    assert bool(of().gains([CLICK._replace(kind=kind)])) == wanted


def test_kinds_that_are_no_interactions_of_the_model_do_not_count() -> None:
    only = PopularityTrends(model(mapping(eventTypes=[{"type": "purchase", "value": 1}])))
    assert only.gains([CLICK]) == []
    assert only.gains([CLICK._replace(kind=Kind.PURCHASE)])


def test_an_event_without_the_value_that_its_type_needs_does_not_count() -> None:
    own = PopularityTrends(model(mapping(eventTypes=[{"type": "purchase"}])))
    bought = CLICK._replace(kind=Kind.PURCHASE)
    assert own.gains([bought]) == []
    assert own.gains([bought._replace(value=0.0)])


def test_a_segment_is_all_values_of_the_features_for_cold_start() -> None:
    both = of(DEVICE, MEMBER, {"name": "hour", "kind": "Numeric"})
    full = CLICK._replace(context={"device": "phone", "member": True, "hour": 5})
    names = {gain.segment for gain in both.gains([full])}
    assert names == {ALL, segment_of({"member": "true", "device": "phone"})}
    half = CLICK._replace(context={"device": "phone"})
    assert {gain.segment for gain in both.gains([half, CLICK])} == {ALL}


def test_a_calendar_leaves_the_segments_of_the_other_features() -> None:
    opened = {"name": "opened", "kind": "Timestamp", "calendar": "HourOfDay", "coldStart": True}
    click = CLICK._replace(context={"device": "phone", "opened": AT // 1000})
    names = {gain.segment for gain in of(DEVICE, opened).gains([click])}
    assert names == {ALL, segment_of({"device": "phone"})}
    assert {gain.segment for gain in of(opened).gains([click])} == {ALL}


def test_bands_of_numbers_make_no_segments() -> None:
    hour = {"name": "hour", "kind": "Numeric", "coldStart": True}
    event = CLICK._replace(context={"device": "phone", "hour": 5})
    assert {gain.segment for gain in of(DEVICE, hour).gains([event])} == {ALL}


clicks = st.builds(
    lambda item, age: CLICK._replace(items=(item,), time=AT - age),
    st.sampled_from(["tea", "cup", "pot"]),
    st.integers(0, 30 * 86_400_000),
)


@given(st.lists(clicks, max_size=30), st.integers(1, 30))
def test_batches_do_not_matter_to_the_sums(events: list[Event], size: int) -> None:
    def sums(gains: list[Gain]) -> dict[int, float]:
        worths = defaultdict(list)
        for gain in gains:
            worths[gain.item].append(gain.worth)
        return {item: decayed(total(each), AT / 1000) for item, each in worths.items()}

    apart = [
        gain
        for start in range(0, len(events), size)
        for gain in of().gains(events[start : start + size])
    ]
    together = of().gains(events)
    assert len(together) == len({gain.item for gain in together})
    assert sums(apart) == pytest.approx(sums(together))
    expected: dict[int, float] = defaultdict(float)
    for event, item in itertools.product(events, ("tea", "cup", "pot")):
        if event.items == (item,):
            expected[hashed(item)] += 0.5 ** ((AT - event.time) / 1000 / HALF_LIFE)
    assert sums(together) == pytest.approx(dict(expected))
