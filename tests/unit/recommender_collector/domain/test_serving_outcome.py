"""How requests of an experiment were served, and the items of its group: from event to moments."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_collector.domain.checks import InvalidEvent
from recommender_collector.domain.events import Event, Served
from recommender_collector.domain.file_rows import archive_line
from recommender_collector.domain.formats import Damaged
from recommender_collector.domain.lines import Unreadable, entry_of, line_of
from recommender_collector.domain.validation import event_of
from recommender_collector.experiments.guardrail_counters import add_exposure
from recommender_collector.experiments.moments import COMPONENTS, PLAIN, WATCHED, Moments
from recommender_collector.experiments.subject import Subject
from tests.experiment_events import MINUTE, impression
from tests.unit.recommender_collector.collector_samples import NOW, click, rules
from tests.unit.recommender_collector.experiments.memory_experiments import AT, Memory

EXPERIMENT = {"experiment": "0a1b2c3d", "phase": 3, "arm": "shop-0a1b2c3d", "cap": 1000}
SERVED = {"milliseconds": 12.5, "slowerThan": 200, "failed": False}
SHOWN = {"id": "e1", "kind": "impression", "user": "ada", "items": ["tea", "cup"]}
QUICK, SLOW = Served(20, 200, False), Served(200.5, 200, False)
FAILED = Served(3, 200, True)


def read(**fields: Any) -> Event:
    return event_of(SHOWN | EXPERIMENT | fields, rules(), NOW)


def watched(memory: Memory) -> dict[str, int]:
    sums = memory.sums()
    return {name: sums[name] for name in WATCHED if name in sums}


def test_an_impression_says_how_its_request_was_served_and_the_items_of_the_group() -> None:
    event = read(served=SERVED, ofGroup=1)
    assert (event.served, event.of_group) == (Served(12.5, 200, False), 1)
    assert entry_of(line_of(event)) == event
    assert orjson.loads(archive_line(event)).items() >= {"served": SERVED, "ofGroup": 1}.items()
    alone = read(ofGroup=0)
    assert entry_of(line_of(alone)) == alone


def test_a_line_without_them_is_that_of_an_earlier_release() -> None:
    event = read()
    assert (event.served, event.of_group) == (None, None)
    assert len(orjson.loads(line_of(event))) == 14
    assert not {"served", "ofGroup", "of_group"} & orjson.loads(archive_line(event)).keys()


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("served", {"served": {"milliseconds": 1}}),
        ("served", {"served": SERVED | {"more": 1}}),
        ("served", {"served": 3}),
        ("served.milliseconds", {"served": SERVED | {"milliseconds": -1}}),
        ("served.milliseconds", {"served": SERVED | {"milliseconds": float("nan")}}),
        ("served.milliseconds", {"served": SERVED | {"milliseconds": 1e7}}),
        ("served.milliseconds", {"served": SERVED | {"milliseconds": True}}),
        ("served.slowerThan", {"served": SERVED | {"slowerThan": 0}}),
        ("served.slowerThan", {"served": SERVED | {"slowerThan": 1.5}}),
        ("served.slowerThan", {"served": SERVED | {"slowerThan": 60_001}}),
        ("served.failed", {"served": SERVED | {"failed": 1}}),
        ("ofGroup", {"ofGroup": -1}),
        ("ofGroup", {"ofGroup": 3}),
        ("ofGroup", {"ofGroup": True}),
        ("ofGroup", {"ofGroup": 0.5}),
        ("served", {"served": SERVED} | dict.fromkeys(EXPERIMENT)),
        ("ofGroup", {"ofGroup": 1} | dict.fromkeys(EXPERIMENT)),
    ],
)
def test_what_is_wrong_is_refused_by_its_name(field: str, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidEvent) as error:
        read(**fields)
    assert error.value.field == field


def test_only_an_impression_has_them() -> None:
    for fields in ({"served": SERVED}, {"ofGroup": 1}):
        with pytest.raises(InvalidEvent, match="only an impression"):
            event_of(click(**fields), rules(), NOW)


@pytest.mark.parametrize(
    "end",
    [
        [[1, 2], None], [[1, 200, 0]], [[-1, 200, True]], [[1, 0, True]], [[1, 200, True], 3],
        [[1, 200, True], -1], [[1, 200, True], True], [None, "1"],
    ],
)  # fmt: skip
def test_a_line_with_others_is_unreadable(end: list[Any]) -> None:
    row = orjson.loads(line_of(read(served=SERVED, ofGroup=1)))
    with pytest.raises(Unreadable):
        entry_of(orjson.dumps([*row[:-2], *end]))


def test_requests_that_fail_or_are_slow_are_counted_and_so_are_items() -> None:
    memory = Memory()
    for place, (served, of_group) in enumerate(
        [(QUICK, 1), (SLOW, 0), (FAILED, None), (None, 1), (QUICK, None)]
    ):
        at = AT + place * MINUTE
        memory.apply(at, impression("ada", at, served=served, of_group=of_group))
    # What fails is slow as well: there is no answer in time.
    assert watched(memory) == {"requests": 4, "errors": 1, "slow": 2, "shown": 3, "grouped": 2}
    assert memory.sums()["answers"] == 5


def test_a_request_without_an_answer_is_one_without_items() -> None:
    memory = Memory()
    failed = impression("ada", AT, path=None, served=FAILED)._replace(items=())
    memory.apply(AT, failed)
    assert watched(memory) == {"requests": 1, "errors": 1, "slow": 1}
    sums = memory.sums()
    assert (sums["answers"], sums["users"], sums.get("fallbacks")) == (1, 1, None)


def test_impressions_of_an_earlier_transformer_are_neither_fast_nor_without_errors() -> None:
    memory = Memory()
    memory.apply(AT, impression("ada", AT), impression("eve", AT))
    assert watched(memory) == {}
    (phase,) = memory.answer()
    assert phase["arms"][0]["users"] == 2


def test_of_a_user_with_very_many_requests_the_same_part_of_each_number_counts() -> None:
    memory = Memory()
    for place in range(1, 4001):
        served = FAILED if place % 4 == 0 else SLOW if place % 2 == 0 else QUICK
        of_group = int(place % 8 == 0)
        event = impression("ada", AT + place, served=served, of_group=of_group)
        memory.apply(AT + place, event._replace(items=("a", "b", "c", "d", "e")))
    found = {"requests": 1000, "errors": 250, "slow": 500, "shown": 10_000, "grouped": 250}
    assert watched(memory) == found


def test_a_user_and_moments_of_an_earlier_release_are_read_and_nothing_of_them_is_watched() -> (
    None
):
    memory = Memory()
    memory.apply(AT, impression("ada", AT))
    (text,) = memory.users.values()
    assert len(orjson.loads(text)[3][0]) == 12, "as the release before wrote it"
    assert len(next(iter(memory.moments.values())).split()) == 4 + 11 + 66
    memory.apply(AT + 1, impression("ada", AT + 1, served=SLOW, of_group=1))
    assert watched(memory) == {"requests": 1, "slow": 1, "shown": 1, "grouped": 1}
    assert memory.sums()["answers"] == 2


@given(st.lists(st.integers(0, 10**6), min_size=len(PLAIN), max_size=len(PLAIN)))
def test_moments_without_anything_watched_are_kept_as_before(numbers: list[int]) -> None:
    moments = Moments()
    by_name = dict(zip(PLAIN, numbers, strict=True))
    moments.count(tuple(by_name.get(name, 0) for name in COMPONENTS), 1)
    text = moments.encode()
    _, users, _, _, *rest = map(int, text.split())
    assert (users, rest[: len(PLAIN)]) == (1, numbers)
    products = [a * b for i, a in enumerate(numbers) for b in numbers[i:]]
    assert rest[len(PLAIN) :] == products
    assert Moments.decode(text) == moments
    assert moments.shown_cell()["sums"].keys() == set(PLAIN)  # type: ignore[attr-defined]


def test_a_user_with_other_numbers_is_damaged() -> None:
    subject = Subject()
    subject.phase_exposure(0, AT, 1).expose(AT, 0, 1, fallback=False, disagreed=False)
    subject.mark(AT, ())
    add_exposure(subject.exposures[0].guardrails, FAILED, 1, 1)
    content = orjson.loads(subject.encode())
    assert Subject.decode(subject.encode()) == subject
    for wrong in ([1, 2], [1, 2, 3, 4, "5"], [1] * 6):
        content[3][0][12] = wrong
        with pytest.raises(Damaged):
            Subject.decode(orjson.dumps(content))
