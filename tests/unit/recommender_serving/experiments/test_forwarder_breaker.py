"""A version that does not answer is left alone, and asked again once it does."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from tests.unit.recommender_serving.serving_forwards import GOOD_ANSWER, asking, skipping
from tests.unit.recommender_serving.serving_scripted import HANG, answer


async def test_a_candidate_that_fails_is_asked_by_one_call_at_a_time(tmp_path: Path) -> None:
    async with asking(tmp_path) as of:
        of.site.usual = answer(500)
        for _ in range(20):
            await of.post()
        assert len(of.site.requests) == 20
        of.site.script = [HANG]
        first = asyncio.create_task(of.post())
        await of.asked(21)
        assert await of.post() is None  # not asked: the first call tries
        assert (len(of.site.requests), of.counted()) == (21, {"failed": 20, "open": 1})
        of.site.usual = GOOD_ANSWER
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert await of.post() is not None
        assert await of.post() is not None


async def test_requests_that_the_candidate_refuses_do_not_open_the_breaker(tmp_path: Path) -> None:
    async with asking(tmp_path) as of:
        of.site.usual = answer(400)
        for _ in range(25):
            await of.post()
        assert of.counted() == {"refused": 25}


async def test_deadlines_that_are_too_short_for_any_answer_do_not_open_the_breaker(
    tmp_path: Path,
) -> None:
    async with asking(tmp_path) as of:
        of.site.usual = HANG
        for _ in range(22):
            await of.post(left=0.01)
        of.site.usual = GOOD_ANSWER
        assert all(await asyncio.gather(*(of.post() for _ in range(3))))
        assert "open" not in of.counted()


async def test_a_candidate_that_hangs_opens_the_breaker_under_short_deadlines_too(
    tmp_path: Path,
) -> None:
    with skipping() as skip:
        async with asking(tmp_path, seconds=20.0, limit=500) as of:
            of.site.usual = HANG
            # Each waits for two fifths of what the candidate may take: so much of a failure.
            waiting = [asyncio.create_task(of.post(left=12.0)) for _ in range(100)]
            await of.asked(100)
            skip(8.0)
            await asyncio.gather(*waiting)
            assert of.counted() == {"timeout": 100}
            held = asyncio.create_task(of.post(left=12.0))
            await of.asked(101)
            assert await of.post(left=12.0) is None
            assert of.counted()["open"] == 1
            skip(8.0)
            assert await held is None
            of.site.usual = GOOD_ANSWER
            assert await of.post(left=12.0) is not None  # the candidate is back
            assert all(await asyncio.gather(*(of.post() for _ in range(3))))


async def test_clients_that_leave_a_candidate_that_hangs_open_the_breaker(tmp_path: Path) -> None:
    now = 0.0
    async with asking(tmp_path, seconds=20.0, limit=500, clock=lambda: now) as of:
        of.site.usual = HANG
        left = [asyncio.create_task(of.post()) for _ in range(60)]
        await of.asked(60)
        now = 10.0  # half of what the candidate may take
        for each in left:
            each.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        held = asyncio.create_task(of.post())
        await of.asked(61)
        assert await of.post() is None
        assert of.counted()["open"] == 1
        held.cancel()
        await asyncio.gather(held, return_exceptions=True)


async def test_calls_in_flight_are_bounded(tmp_path: Path) -> None:
    async with asking(tmp_path, limit=1) as of:
        of.site.script = [HANG]
        first = asyncio.create_task(of.post())
        await of.asked(1)
        assert await of.post() is None
        assert of.counted() == {"open": 1}
        first.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await first
