"""Items of a session come again when their version says so, and no item of it sooner."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.events import Source
from recommender_serving.artifact.loader import Artifact
from recommender_serving.domain.selection import Selection
from recommender_serving.domain.types import (
    Answer,
    FallReason,
    Past,
    RankerError,
    Ranking,
    RecommendRequest,
    SessionEvent,
)
from recommender_serving.protocols.request_limits import limits_of
from recommender_serving.protocols.v1 import parse_v1
from recommender_serving.ranking.selection_rules import withheld
from recommender_serving.triton.inputs import Tensors
from tests.unit.recommender_serving.serving_fakes import (
    ALL,
    PLAIN,
    FakeRanker,
    Parts,
    failing,
    giving,
)
from tests.unit.recommender_serving.serving_samples import (
    CATALOGUE,
    NOW,
    VOCABULARY,
    request,
    sample_artifact,
)

MINUTE, DAY = 60, 86_400
waits = st.none() | st.sampled_from([0, 1, MINUTE, DAY])
#: Seconds before the request; events of a caller may also be later than it.
ages = st.sampled_from([-MINUTE, -1, 0, 1, MINUTE - 1, MINUTE, MINUTE + 1, DAY - 1, DAY, 2 * DAY])
sessions = st.lists(st.tuples(st.integers(0, CATALOGUE - 1), ages), max_size=CATALOGUE - 21)


def events(session: list[tuple[int, int]]) -> tuple[SessionEvent, ...]:
    """The events of pairs of an item and an age, oldest first."""
    dated = (SessionEvent(item, NOW - age) for item, age in session)
    return tuple(sorted(dated, key=lambda event: event.timestamp))


def still_out(session: list[tuple[int, int]], wait: int | None) -> set[int]:
    """The items that may not come again, by the age of the newest event of each."""
    newest: dict[int, int] = {}
    for item, age in session:
        newest[item] = min(age, newest.get(item, age))
    return {item for item, age in newest.items() if wait is None or (wait > 0 and age < wait)}


class Graph(FakeRanker):
    """Leaves out what its version withholds of the events that it reads, as a graph does."""

    def __init__(self, wait: int | None) -> None:
        super().__init__(lambda: ALL)
        self.wait = wait

    async def rank(self, tensors: Tensors, top_n: int, timeout: float) -> Ranking:
        given = {each.name: struct.unpack(f"<{each.shape[1]}q", each.data)
                 for each in tensors if each.datatype == "INT64"}  # fmt: skip
        (now,) = given["timestamp"]
        read = zip(given["session_items"], given["session_timestamps"], strict=True)
        out = still_out([(item, now - at) for item, at in read if item >= 0], self.wait)
        left = [pair for pair in ALL.pairs if pair[0] not in out][:top_n]
        return Ranking(tuple(item for item, _ in left), tuple(score for _, score in left))


def versions(folder: Path, wait: int | None) -> Artifact:
    written = {} if wait is None else {"repeatAfterSeconds": wait}
    return sample_artifact(folder, vocabulary=VOCABULARY | written)


async def answer(folder: Path, wait: int | None, asked: RecommendRequest) -> Answer:
    parts = Parts(folder, Graph(wait), giving(PLAIN), artifact=versions(folder, wait))
    return await parts.chain.answer(asked)


@given(sessions, waits)
def test_an_item_is_withheld_until_its_newest_event_is_old_enough(
    session: list[tuple[int, int]], wait: int | None
) -> None:
    assert withheld(events(session), NOW, wait) == still_out(session, wait)


@given(sessions, sessions, waits)
def test_what_is_withheld_of_two_parts_of_a_session_is_withheld_of_the_whole(
    older: list[tuple[int, int]], newer: list[tuple[int, int]], wait: int | None
) -> None:
    """The graphs know the newest part alone."""
    parts = withheld(events(older), NOW, wait) | withheld(events(newer), NOW, wait)
    assert parts == withheld(events([*older, *newer]), NOW, wait)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("artifact")


@given(sessions, waits, st.integers(1, 20))
def test_the_best_items_that_may_come_are_the_answer_however_long_the_session_is(
    folder: Path, session: list[tuple[int, int]], wait: int | None, top_n: int
) -> None:
    found = asyncio.run(answer(folder, wait, request(session=events(session), top_n=top_n)))
    out = still_out(session, wait)
    left = [item for item in range(CATALOGUE) if item not in out]
    assert (list(found.items), found.source) == (left[:top_n], Source.MODEL)


@pytest.mark.parametrize("wait", [None, 0, MINUTE])
async def test_more_like_this_is_never_this(folder: Path, wait: int | None) -> None:
    artifact = versions(folder, wait)
    body = {"instances": [{"seed_items": [0, 2, 8], "top_n": 4}]}
    (asked,) = parse_v1(body, limits_of(artifact), NOW)
    assert (await answer(folder, wait, asked)).items == (1, 3, 4, 5)
    broken = failing(RankerError(FallReason.ERROR))
    chain = Parts(folder, broken, broken, artifact=artifact).chain
    for fallback in (await chain.answer(asked), chain.instead(asked)):
        assert (fallback.items, fallback.source) == ((7, 9, 10, 11), Source.POPULARITY)


BOUGHT = events([(7, 2 * DAY), (8, DAY), (9, MINUTE)])


@pytest.mark.parametrize(
    ("wait", "items"), [(None, (10, 11, 12)), (DAY, (7, 8, 10)), (0, (7, 8, 9))]
)
async def test_popular_items_come_again_as_those_of_the_model_do(
    folder: Path, wait: int | None, items: tuple[int, ...]
) -> None:
    broken = failing(RankerError(FallReason.ERROR))
    chain = Parts(folder, broken, broken, artifact=versions(folder, wait)).chain
    asked = request(session=BOUGHT)
    for found in (await chain.answer(asked), chain.instead(asked)):
        assert (found.items, found.source) == (items, Source.POPULARITY)


@pytest.mark.parametrize(
    ("wait", "items"), [(None, (40,)), (DAY, (30, 31, 40)), (0, (32, 30, 31, 40))]
)
async def test_candidates_that_nothing_ranks_come_again_in_their_order(
    folder: Path, wait: int | None, items: tuple[int, ...]
) -> None:
    parts = Parts(folder, giving(PLAIN), giving(PLAIN), artifact=versions(folder, wait))
    wish = Selection(candidates=(32, 30, 31, 40))
    session = events([(30, 2 * DAY), (31, DAY), (32, MINUTE)])
    asked = request(selection=wish, session=session, top_n=4)
    assert (await parts.chain.answer(asked)).items == items


async def test_what_the_resource_hides_stays_hidden_although_the_model_would_repeat_it(
    folder: Path,
) -> None:
    """Also from an answer that leaves out more than that."""
    session = events([(0, DAY), (1, DAY), (2, DAY), (3, DAY)])
    past, wish = Past(frozenset({0}), frozenset({2})), Selection(seeds=(3,))
    assert (await answer(folder, 0, request(session=session, past=past))).items == (1, 3, 4)
    alike = request(session=session, past=past, selection=wish)
    assert (await answer(folder, 0, alike)).items == (1, 4, 5)
