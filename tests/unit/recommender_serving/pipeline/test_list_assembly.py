"""What a user gets of the candidate's lists, and how long a user waits for them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import pytest

from recommender_contract.events import Source
from recommender_serving.domain.selection import Selection
from recommender_serving.domain.types import Answer, Waited
from recommender_serving.experiments.interleaving import Interleaving
from recommender_serving.impressions.impression_events import Mixed
from recommender_serving.pipeline import list_assembly
from recommender_serving.pipeline.list_assembly import (
    PATIENCE,
    Listed,
    Ranked,
    alone,
    mixed,
    patience,
    with_candidate_lists,
)
from recommender_serving.pipeline.request_context import RequestContext
from tests.unit.recommender_serving.serving_samples import request

MODEL = Answer((1, 2), (0.5, 0.25), Source.MODEL)
FALLBACK = Answer((1, 2), (0.5, 0.25), Source.BASELINE)
THEIRS: list[Ranked] = [[(21, 0.5)]]


async def own(answer: Answer, after: asyncio.Event | None = None) -> Sequence[Answer]:
    if after is not None:
        await after.wait()
    return [answer]


async def never() -> Sequence[Ranked]:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def soon(done: asyncio.Event | None = None) -> Sequence[Ranked]:
    if done is not None:
        done.set()
    return THEIRS


async def broken() -> Sequence[Ranked]:
    raise KeyError("a bug")


def asked() -> RequestContext:
    interleaving = Interleaving("0a1b2c3d", "movies-11111111", 10_000)
    return RequestContext(request(user_id=7), "r1", interleaving=interleaving)


class Waits(list[float]):
    """The seconds of each wait."""

    def __call__(self, stage: Waited, seconds: float) -> None:
        assert stage is Waited.INTERLEAVE
        self.append(seconds)


def test_a_mixed_list_says_no_probabilities_and_one_of_nobody_those_of_its_version() -> None:
    own_list = Listed(MODEL, (1, 2), (0.5, 0.25))
    found = mixed(asked(), own_list, THEIRS[0])
    assert found is not None
    assert (found.answer.probabilities, found.answer.source) == ((), Source.MODEL)
    of_nobody = alone(asked(), own_list)
    assert of_nobody.answer.probabilities == (0.5, 0.25)
    assert of_nobody.mixed == Mixed("0a1b2c3d", "movies-11111111", "--")
    assert alone(RequestContext(request(user_id=7), "r1"), own_list) is own_list


async def test_the_patience_is_fixed_and_at_most_a_third_of_the_time_left() -> None:
    now = asyncio.get_running_loop().time()
    assert patience(None) == patience(now + 3600) == PATIENCE == 0.05
    assert 0 <= patience(now + 0.09) <= 0.03
    assert patience(now - 1) == 0


async def test_lists_that_are_there_with_the_own_answer_are_taken() -> None:
    done = asyncio.Event()
    found = await with_candidate_lists(own(MODEL, done), soon(done), None, [asked()], Waits())
    assert found == ([MODEL], THEIRS)
    assert await with_candidate_lists(own(MODEL), None, None, [asked()], Waits()) == (
        [MODEL],
        None,
    )


async def test_nobody_waits_longer_for_lists_that_do_not_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(list_assembly, "PATIENCE", 0.001)
    async with asyncio.timeout(60):
        found = await with_candidate_lists(own(MODEL), never(), None, [asked()], Waits())
    assert found == ([MODEL], None)


async def test_nobody_waits_at_all_if_the_own_answer_is_a_fallback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(list_assembly, "PATIENCE", 3600.0)
    async with asyncio.timeout(60):
        found = await with_candidate_lists(
            own(FALLBACK), never(), None, [asked()], waits := Waits()
        )
    assert (found, waits) == (([FALLBACK], None), [])


async def test_a_batch_does_not_wait_for_an_answer_that_is_not_mixed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The model answers another user, whose list is not mixed, or a request with its own items."""
    monkeypatch.setattr(list_assembly, "PATIENCE", 3600.0)

    async def both() -> Sequence[Answer]:
        return [FALLBACK, MODEL, MODEL]

    own_items = asked()._replace(
        request=request(user_id=7, selection=Selection(candidates=(1, 2)))
    )
    batch = [asked(), RequestContext(request(user_id=8), "r2"), own_items]
    async with asyncio.timeout(60):
        found = await with_candidate_lists(both(), never(), None, batch, waits := Waits())
    assert (found, waits) == (([FALLBACK, MODEL, MODEL], None), [])


async def test_the_time_that_a_user_waits_is_counted_whatever_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done, waits = asyncio.Event(), Waits()
    await with_candidate_lists(own(MODEL, done), soon(done), None, [asked()], waits)
    assert len(waits) == 1
    monkeypatch.setattr(list_assembly, "PATIENCE", 0.03)
    await with_candidate_lists(own(MODEL), never(), None, [asked()], waits)
    assert len(waits) == 2
    assert waits[1] > 0.02
    await with_candidate_lists(own(MODEL), None, None, [asked()], waits)
    assert len(waits) == 2, "the candidate was not asked"


async def test_the_time_until_a_client_leaves_is_counted_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting, waits = asyncio.Event(), Waits()

    def patient(_: float | None) -> float:
        waiting.set()
        return 3600.0

    monkeypatch.setattr(list_assembly, "patience", patient)
    call = asyncio.create_task(with_candidate_lists(own(MODEL), never(), None, [asked()], waits))
    async with asyncio.timeout(60):
        await waiting.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert len(waits) == 1


async def test_a_cancelled_call_of_the_candidate_cancels_no_request() -> None:
    async def cancelled() -> Sequence[Ranked]:
        raise asyncio.CancelledError

    found = await with_candidate_lists(own(MODEL), cancelled(), None, [asked()], Waits())
    assert found == ([MODEL], None)


async def test_lists_that_cannot_be_read_fail_no_user(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        found = await with_candidate_lists(own(MODEL), broken(), None, [asked()], Waits())
    assert found == ([MODEL], None)
    assert "cannot be read" in caplog.text
