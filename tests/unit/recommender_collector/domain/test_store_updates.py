"""What events change in the online store."""

from __future__ import annotations

import orjson
import pytest

from recommender_collector.domain.events import Event
from recommender_collector.domain.file_rows import interaction_rows
from recommender_collector.domain.store_updates import store_updates
from recommender_contract.events import Kind
from recommender_contract.ids import hashed
from recommender_contract.online_store import Set
from tests.unit.recommender_collector.collector_samples import model

EVENT = Event("e1", Kind.CLICK, "ada", ("tea",), 1_795_000_000_123)
VALUES = model().values


@pytest.mark.parametrize(
    ("kind", "sets"),
    [
        (Kind.IMPRESSION, {Set.SEEN}),
        (Kind.VISIT, {Set.SEEN}),
        (Kind.SEARCH, set()),
        (Kind.CLICK, {Set.SEEN, Set.RECENT}),
        (Kind.BASKET, {Set.SEEN}),
        (Kind.PURCHASE, {Set.SEEN, Set.BOUGHT, Set.RECENT}),
        (Kind.DWELL, {Set.SEEN, Set.RECENT}),
        (Kind.DISLIKE, {Set.SEEN, Set.DISLIKED}),
    ],
)
def test_each_kind_goes_to_its_sets_and_interactions_to_the_recent_ones(
    kind: Kind, sets: set[Set]
) -> None:
    found = list(store_updates(EVENT._replace(kind=kind, value=7.0), VALUES))
    assert {each.set for each in found} == sets
    assert {each.user for each in found} <= {hashed("ada")}
    assert {each.time for each in found} <= {EVENT.time}


def test_text_ids_are_the_numbers_of_the_models() -> None:
    recent, seen = sorted(store_updates(EVENT, VALUES), key=lambda each: each.set)
    assert seen.member == str(hashed("tea"))
    assert recent.member.startswith(f"{hashed('tea')} 3 ")


def test_numbers_stay_as_they_are() -> None:
    found = list(store_updates(EVENT._replace(user=7, items=(5,)), VALUES))
    assert {each.user for each in found} == {7}
    assert found[0].member == "5"


@pytest.mark.parametrize(
    ("other", "count"),
    [
        (EVENT._replace(id="e2"), 1),  # the same second, as the files have one row for both
        (EVENT._replace(id="e2", time=EVENT.time + 1000), 2),
        (EVENT._replace(id="e2", kind=Kind.PURCHASE), 2),
    ],
)
def test_equal_interactions_of_a_second_are_one(other: Event, count: int) -> None:
    members = {
        effect.member
        for event in (EVENT, other)
        for effect in store_updates(event, VALUES)
        if effect.set is Set.RECENT
    }
    assert len(members) == count


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("value", [None, 7.0])
def test_recent_interactions_are_the_rows_of_the_files(kind: Kind, value: float | None) -> None:
    event = EVENT._replace(kind=kind, value=value, items=("tea", "cup"))
    recent = [each for each in store_updates(event, VALUES) if each.set is Set.RECENT]
    rows = [orjson.loads(line) for line in interaction_rows(event, model())]
    shown = [(hashed(row["item_id"]), row["rating"]) for row in rows]
    found = [each.member.split(" ")[:2] for each in recent]
    assert [(int(item), float(given)) for item, given in found] == shown


def test_every_item_of_an_impression_was_seen() -> None:
    shown = EVENT._replace(kind=Kind.IMPRESSION, items=("tea", "cup"))
    assert {each.member for each in store_updates(shown, VALUES)} == {
        str(hashed("tea")),
        str(hashed("cup")),
    }
