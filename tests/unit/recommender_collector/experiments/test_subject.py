"""What is kept of a user: days and segments, also in the form of an earlier release."""

from __future__ import annotations

import orjson
import pytest

from recommender_collector.domain.events import Erasure
from recommender_collector.domain.formats import Damaged
from recommender_collector.domain.store_updates import number
from recommender_collector.experiments.experiment import OTHER, Experiment
from recommender_collector.experiments.subject import Subject
from recommender_contract.events import MAX_SEGMENTS, Kind
from tests.experiment_events import act, impression
from tests.unit.recommender_collector.experiments.memory_experiments import (
    AT,
    EVENING,
    FIRST,
    HOUR,
    Memory,
)


def test_users_whom_an_earlier_release_kept_count_without_days_and_segments() -> None:
    memory, alone = Memory(), Memory()
    memory.apply(EVENING, impression("ada", EVENING))
    *own, _segments = orjson.loads(memory.users[FIRST, number("ada")])
    own[3] = [phase_exposure[:-2] for phase_exposure in own[3]]
    memory.users[FIRST, number("ada")] = orjson.dumps(own)
    memory.moments = {key: of for key, of in memory.moments.items() if not is_days(key[2])}
    entry = orjson.loads(memory.experiments[FIRST].encode())
    memory.experiments[FIRST] = Experiment.decode(orjson.dumps(entry[:-1]))
    later = EVENING + 12 * HOUR
    eve = impression("eve", later, segments=(("device", "tv"),))
    alone.apply(later, eve)
    memory.apply(later, eve, impression("ada", later), act(Kind.CLICK, "ada", later))
    memory.apply(later + 1, act(Kind.CLICK, "ada", later + 1), impression("ada", EVENING - 9))
    assert memory.sums()["users"] == 2
    assert memory.sums()["clicks"] == 2
    ((found,), (expected_,)) = (each.answer(detailed=0)[0]["arms"] for each in (memory, alone))
    assert (found["days"], found["segments"]) == (expected_["days"], expected_["segments"])


def is_days(cell: str) -> bool:
    return cell.endswith(" days")


@pytest.mark.parametrize("days", [[[0, 0, 0]], [[], [0] * 5], [[0] * 3, []], [[], [], []]])
def test_a_user_with_half_of_its_days_is_damaged(days: list[list[int]]) -> None:
    memory = Memory()
    memory.apply(EVENING, impression("ada", EVENING))
    own = orjson.loads(memory.users[FIRST, number("ada")])
    own[3] = [[*phase_exposure[:-2], *days] for phase_exposure in own[3]]
    with pytest.raises(Damaged):
        Subject.decode(orjson.dumps(own))


def segments(memory: Memory) -> dict[tuple[str, str | None], int]:
    """Users by feature and value."""
    ((arm,),) = (phase["arms"] for phase in memory.answer(detailed=0))
    return {(each["feature"], each["value"]): each["users"] for each in arm["segments"]}


def test_a_user_has_the_segments_of_its_first_impression_also_if_that_is_late() -> None:
    memory = Memory()
    memory.apply(AT + 9, impression("ada", AT + 9, segments=(("device", "tv"),)))
    memory.apply(AT + 10, impression("ada", AT + 10, segments=(("device", "phone"),)))
    assert segments(memory) == {("device", "tv"): 1}
    memory.apply(AT + 11, impression("ada", AT, segments=(("device", "watch"),)))
    assert segments(memory) == {("device", "watch"): 1}
    memory.apply(AT + 12, impression("eve", AT), Erasure("ada"))
    assert segments(memory) == {}


def test_values_beyond_the_bound_are_one_segment_and_more_features_are_none() -> None:
    memory = Memory()
    users = [impression(f"u{n}", AT, segments=(("city", f"c{n}"),)) for n in range(OTHER + 3)]
    more = [impression("x", AT, segments=tuple((f"f{n}", "v") for n in range(MAX_SEGMENTS)))]
    memory.apply(AT, *users, *more)
    seen = segments(memory)
    assert (seen["city", "c0"], seen["city", None]) == (1, 3)
    assert len({feature for feature, _ in seen}) == MAX_SEGMENTS
    assert len(seen) == OTHER + MAX_SEGMENTS
