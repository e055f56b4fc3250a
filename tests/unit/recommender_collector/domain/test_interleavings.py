"""Impressions of mixed lists count as an experiment of one arm, beside the one of versions."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from recommender_collector.domain.checks import InvalidEvent
from recommender_collector.domain.events import INTERLEAVED, Erasure, Event, Exposure, Interleaved
from recommender_collector.domain.file_rows import archive_line
from recommender_collector.domain.lines import entry_of, line_of
from recommender_collector.domain.store_updates import number
from recommender_collector.domain.validation import event_of
from recommender_collector.experiments.experiment import Ignored
from recommender_collector.experiments.interleaving_credit import MOST_CLICKS
from recommender_collector.experiments.moments import Moments
from recommender_collector.experiments.subject import Subject
from recommender_contract.events import Kind
from tests.experiment_events import MINUTE
from tests.unit.recommender_collector.collector_samples import NOW, click, rules
from tests.unit.recommender_collector.experiments.memory_experiments import AT, HOUR, Memory

ID, EXPERIMENT = "5c0ffee5", "0a1b2c3d"
MIXED = {"id": ID, "candidate": "shop-2", "teams": "AB"}
RAW = {
    "id": "e1", "kind": "impression", "user": "ada", "items": ["tea", "cup"],
    "interleaved": MIXED,
}  # fmt: skip


def impression(user: str, at: int = AT, teams: str = "AB", **fields: Any) -> Event:
    mixed = Interleaved(ID, "shop-2", teams)
    return Event(
        f"{user}-i{at}", Kind.IMPRESSION, user, ("tea", "cup"), at,
        **{"version": "shop-1", "interleaved": mixed, **fields},
    )  # fmt: skip


def clicked(user: str, item: str, at: int = AT + MINUTE) -> Event:
    return Event(f"{user}-{item}{at}", Kind.CLICK, user, (item,), at)


def told(memory: Memory) -> dict[str, Any]:
    """What the operator reads."""
    (phase,) = memory.answer(ID)
    (arm,) = phase["arms"]
    assert (phase["phase"], arm["arm"]) == (0, INTERLEAVED)
    return {"users": arm["users"], "ahead": 0, "behind": 0, "clicked": 0, **arm.get("sums", {})}


def test_who_gave_each_item_is_kept() -> None:
    event = event_of(RAW, rules(), NOW)
    assert event.interleaved == Interleaved(ID, "shop-2", "AB")
    assert event_of({**RAW, "interleaved": None}, rules(), NOW).interleaved is None


@pytest.mark.parametrize(
    ("field", "raw"),
    [
        ("interleaved", {**RAW, "interleaved": True}),
        ("interleaved", {**RAW, "interleaved": {}}),
        ("interleaved", {**RAW, "interleaved": {**MIXED, "phase": 0}}),
        ("interleaved", click(interleaved=MIXED)),
        ("interleaved.id", {**RAW, "interleaved": {**MIXED, "id": "5C0FFEE5"}}),
        ("interleaved.candidate", {**RAW, "interleaved": {**MIXED, "candidate": "a b"}}),
        ("interleaved.teams", {**RAW, "interleaved": {**MIXED, "teams": "A"}}),
        ("interleaved.teams", {**RAW, "interleaved": {**MIXED, "teams": "AC"}}),
        ("interleaved.teams", {**RAW, "interleaved": {**MIXED, "teams": ["A", "B"]}}),
    ],
)
def test_a_wrong_part_is_named_with_the_value_and_the_remedy(
    field: str, raw: dict[str, Any]
) -> None:
    with pytest.raises(InvalidEvent) as caught:
        event_of(raw, rules(), NOW)
    assert caught.value.field == field
    assert len(str(caught.value).partition("; ")[2]) > 10


def test_the_log_and_the_archive_say_who_gave_each_item() -> None:
    event = impression("ada")
    assert entry_of(line_of(event)) == event
    assert orjson.loads(archive_line(event))["interleaved"] == MIXED


def test_each_user_counts_once_by_the_items_that_were_clicked() -> None:
    memory = Memory()
    memory.apply(AT, *map(impression, ("ada", "bob", "eve", "joe")))
    memory.apply(AT, clicked("ada", "tea"), clicked("bob", "cup"), clicked("eve", "cup"))
    memory.apply(AT, clicked("eve", "tea"), clicked("nobody", "tea"))
    assert told(memory) == {"users": 4, "ahead": 1, "behind": 1, "clicked": 3}
    # One more click of each item moves a user as far as its share of the clicks.
    memory.apply(AT, impression("ada", AT + 2 * MINUTE), clicked("ada", "cup", AT + 3 * MINUTE))
    assert told(memory) == {"users": 4, "ahead": 1, "behind": 0, "clicked": 3}


def test_a_click_on_what_was_not_shown_or_too_late_counts_for_nobody() -> None:
    memory = Memory()
    memory.apply(AT, impression("ada"), clicked("ada", "pot"))
    memory.apply(AT, clicked("ada", "tea", AT + HOUR + 1), clicked("ada", "cup", AT - 1))
    assert told(memory) == {"users": 1, "ahead": 0, "behind": 0, "clicked": 0}


def test_clicks_of_users_without_mixed_lists_do_not_wait_in_the_store() -> None:
    memory = Memory()
    memory.apply(AT, impression("ada"), clicked("eve", "tea"))
    assert number("eve") not in memory.early


def test_a_click_on_a_list_of_one_version_alone_counts_for_nobody() -> None:
    memory = Memory()
    memory.apply(AT, impression("ada"), impression("ada", AT + MINUTE, teams="--"))
    memory.apply(AT, clicked("ada", "tea", AT + 2 * MINUTE))
    assert told(memory) == {"users": 1, "ahead": 0, "behind": 0, "clicked": 0}


def test_an_interleaving_takes_no_users_in_a_store_that_has_memory_for_experiments_alone() -> None:
    memory = Memory()
    memory.apply(AT, impression("ada"))
    memory.tight = True
    memory.apply(AT, impression("bob"), impression("ada", AT + MINUTE))
    assert memory.ignored == {Ignored.MEMORY: 1}
    assert told(memory)["users"] == 1
    assert memory.experiments[ID].gets_users, "so its answer says that it takes no more"


def test_clicks_beyond_those_that_are_kept_of_a_user_are_counted() -> None:
    memory = Memory()
    memory.apply(AT, impression("ada"))
    memory.apply(AT, *(clicked("ada", "cup", AT + n) for n in range(MOST_CLICKS + 7)))
    assert memory.ignored == {Ignored.CLICKS: 7}


def test_a_user_counts_in_an_interleaving_and_in_an_experiment() -> None:
    memory = Memory()
    exposure = Exposure(EXPERIMENT, 3, "shop-1", 100.0)
    memory.apply(AT, impression("ada", exposure=exposure), clicked("ada", "cup"))
    assert told(memory) == {"users": 1, "ahead": 1, "behind": 0, "clicked": 1}
    assert memory.answer(EXPERIMENT)[0]["arms"][0]["sums"]["clicks"] == 1


def test_an_erased_user_is_subtracted() -> None:
    memory = Memory()
    memory.apply(AT, *map(impression, ("ada", "bob")), clicked("ada", "cup"))
    memory.apply(AT, Erasure("ada"))
    assert told(memory) == {"users": 1, "ahead": 0, "behind": 0, "clicked": 0}
    assert {user for _, user in memory.users} == {number("bob")}


def test_neither_kind_of_experiment_takes_users_of_another() -> None:
    """A made-up impression must not make an interleaving unreadable, or the reverse."""
    memory = Memory()
    foreign = Exposure(ID, 0, "shop-1", 100.0)
    memory.apply(AT, impression("ada"))
    memory.apply(AT, impression("bob", interleaved=None, exposure=foreign))
    memory.apply(
        AT, impression("eve", interleaved=None, exposure=foreign._replace(arm=INTERLEAVED))
    )
    memory.apply(AT, clicked("eve", "cup"))
    assert memory.ignored == {Ignored.ARMS: 1}
    assert told(memory) == {"users": 2, "ahead": 0, "behind": 0, "clicked": 0}
    memory.apply(AT, impression("joe", interleaved=None, exposure=Exposure("1" * 8, 0, "a", 1.0)))
    memory.apply(AT, impression("joe", interleaved=Interleaved("1" * 8, "shop-2", "AB")))
    assert memory.experiments["1" * 8].arms == ["a"]


def test_a_user_that_cannot_be_read_is_refused() -> None:
    memory = Memory()
    memory.apply(AT, impression("ada"))
    (text,) = memory.users.values()
    values = orjson.loads(text)
    for credit in (None, [], [[], [], ["x", 0]]):
        with pytest.raises(ValueError, match="a user"):
            Subject.decode(orjson.dumps([*values[:-1], credit]))


def test_moments_of_preferences_are_read_as_they_are_written() -> None:
    found = Moments.empty(3)
    found.count((500, 0, 1), 1)
    assert Moments.decode(found.encode()) == found
    shown = found.shown_cell()
    assert shown["sums"] == {"ahead": 0.5, "behind": 0, "clicked": 1}
    assert shown["products"] == {
        "ahead*ahead": 0.25, "ahead*behind": 0, "ahead*clicked": 0.5, "behind*behind": 0,
        "behind*clicked": 0, "clicked*clicked": 1,
    }  # fmt: skip
