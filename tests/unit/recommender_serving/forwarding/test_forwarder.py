"""Another version is asked within bounds, and each way in which it does not answer is counted."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recommender_serving.domain.trials import Trial, Trials
from recommender_serving.forwarding import forwarder as forwarding
from recommender_serving.forwarding.forwarder import Errand, Forwarder
from recommender_serving.forwarding.http_peer import Response
from recommender_serving.forwarding.peers import MOST_PEERS, Addresses, Peers
from recommender_serving.inference import inference_pb2 as pb
from recommender_serving.monitoring.calls import Call, entered
from tests.unit.recommender_serving.serving_fakes import GOOD, giving
from tests.unit.recommender_serving.serving_scripted import (
    DROP,
    HANG,
    Scripted,
    answer,
    scripted,
)
from tests.unit.recommender_serving.serving_versions import (
    CANDIDATE,
    EXPERIMENT,
    HEADERS,
    RECEIVER,
    Version,
    forwarder_of,
    opened,
    parts_of,
)

GOOD_ANSWER = answer(x_recommender_version=CANDIDATE, server_timing="answer;dur=0.001")


def trial() -> Trial:
    found = Trials("movies", RECEIVER, lambda: None).of(HEADERS)
    assert found is not None
    return found


class Asking:
    """A forwarder in front of a scripted candidate."""

    def __init__(self, site: Scripted, version: Version) -> None:
        self.site = site
        self.version = version
        assert version.forwarder is not None
        self.forwarder: Forwarder = version.forwarder

    async def post(
        self, body: bytes = b"{}", left: float | None = None, instances: int = 1
    ) -> Response | None:
        deadline = None if left is None else asyncio.get_running_loop().time() + left
        errand = Errand(CANDIDATE, trial(), deadline, instances)
        async with asyncio.timeout(20):
            return await self.forwarder.post(errand, "/v1", {}, body, lambda found: found)

    def counted(self) -> dict[str, float]:
        return self.version.forwarded()


@contextlib.asynccontextmanager
async def asking(folder: Path, seconds: float = 20.0, limit: int = 8) -> AsyncIterator[Asking]:
    parts = parts_of(folder, RECEIVER, giving(GOOD))
    async with scripted() as site:
        site.usual = GOOD_ANSWER
        forwarder = forwarder_of(parts, site.port, site.port, seconds=seconds, limit=limit)
        async with opened(parts, forwarder) as version:
            yield Asking(site, version)


async def test_a_request_says_its_experiment_and_who_forwards_it(tmp_path: Path) -> None:
    async with asking(tmp_path) as of:
        errand = Errand(CANDIDATE, trial(), None, 2, (0, 3))
        traceparent = f"00-{'a' * 32}-{'b' * 16}-01"
        with entered(Call("v1", traceparent=traceparent)) as _:
            await of.forwarder.post(errand, "/v1", {"x-request-id": "r"}, b"{}", lambda it: it)
        headers, _ = of.site.requests[0]
        expected = {
            "x-recommender-experiment": EXPERIMENT,
            "x-recommender-forwarded": RECEIVER,
            "x-recommender-places": "0,3",
            "x-request-id": "r",
            "traceparent": traceparent,
        }
        assert expected.items() <= headers.items()
        assert of.counted() == {"answered": 2}
        assert of.version.value("transformer_forward_extra_seconds_count") == 1


async def test_the_candidate_is_told_a_deadline_before_this_version_gives_up(
    tmp_path: Path,
) -> None:
    async with asking(tmp_path, seconds=20.0) as of:
        await of.post()
        await of.post(left=0.03)
        told = [int(headers["x-deadline-ms"]) for headers, _ in of.site.requests]
        assert told[0] == 20040  # of 20 s and 50 ms
        assert 1 <= told[1] <= 14  # of at most 2/3 of 28 ms


async def test_each_forwarded_request_has_digits_of_its_own(tmp_path: Path) -> None:
    async with asking(tmp_path) as of:
        for _ in range(2):
            await of.post()
        calls = {headers["x-recommender-call"] for headers, _ in of.site.requests}
        assert len(calls) == 2
        assert all(re.fullmatch("[0-9a-f]{32}", each) for each in calls)


async def test_a_deadline_is_passed_on_less_a_part_for_the_own_answer(tmp_path: Path) -> None:
    async with asking(tmp_path) as of:
        await of.post(left=9.0)
        left = int(of.site.requests[0][0]["x-deadline-ms"])
        assert 5000 < left <= 6000


@pytest.mark.parametrize(
    ("bad", "outcome"),
    [
        (answer(400), "refused"),
        (answer(404), "refused"),
        (answer(500), "failed"),
        (answer(503), "failed"),
        (answer(302), "failed"),
        (answer(200), "failed"),  # of no version
        (answer(200, x_recommender_version="movies-99999999"), "failed"),
        (DROP, "failed"),
        (b"junk\r\n\r\n", "failed"),
    ],
)
async def test_an_answer_of_no_use_is_none(tmp_path: Path, bad: bytes, outcome: str) -> None:
    async with asking(tmp_path) as of:
        of.site.script = [bad, bad]
        assert await of.post(instances=3) is None
        assert of.counted() == {outcome: 3}


@pytest.mark.parametrize("fault", [ValueError, ZeroDivisionError])
async def test_an_answer_that_cannot_be_read_is_none(
    tmp_path: Path, fault: type[Exception]
) -> None:
    async with asking(tmp_path) as of:

        def unreadable(_: Response) -> str:
            raise fault("no predictions")

        errand = Errand(CANDIDATE, trial())
        assert await of.forwarder.post(errand, "/v1", {}, b"{}", unreadable) is None
        assert of.counted() == {"failed": 1}


async def test_a_candidate_that_hangs_is_left_after_the_time_of_an_answer(tmp_path: Path) -> None:
    async with asking(tmp_path, seconds=0.05) as of:
        of.site.script = [HANG]
        assert await of.post() is None
        assert of.counted() == {"timeout": 1}
        assert await of.post() is not None


async def test_a_candidate_that_fails_is_asked_by_one_call_at_a_time(tmp_path: Path) -> None:
    async with asking(tmp_path) as of:
        of.site.usual = answer(500)
        for _ in range(20):
            await of.post()
        assert len(of.site.requests) == 20
        of.site.script = [HANG]
        first = asyncio.create_task(of.post())
        while len(of.site.requests) < 21:
            await asyncio.sleep(0.001)
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
    async with asking(tmp_path, seconds=0.4, limit=500) as of:
        of.site.usual = HANG
        # Each waits for less than half of what the candidate may take: less than half a failure.
        await asyncio.gather(*(of.post(left=0.3) for _ in range(100)))
        assert of.counted() == {"timeout": 100}
        held = asyncio.create_task(of.post(left=0.3))
        await asyncio.sleep(0.01)
        assert await of.post(left=0.3) is None
        assert of.counted()["open"] == 1
        await held
        of.site.usual = GOOD_ANSWER
        assert await of.post(left=0.3) is not None  # the candidate is back
        assert all(await asyncio.gather(*(of.post() for _ in range(3))))


async def test_clients_that_leave_a_candidate_that_hangs_open_the_breaker(tmp_path: Path) -> None:
    async with asking(tmp_path, seconds=0.1, limit=500) as of:
        of.site.usual = HANG
        left = [asyncio.create_task(of.post()) for _ in range(60)]
        await asyncio.sleep(0.08)
        for each in left:
            each.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        held = asyncio.create_task(of.post())
        await asyncio.sleep(0.01)
        assert await of.post() is None
        assert of.counted()["open"] == 1
        held.cancel()
        await asyncio.gather(held, return_exceptions=True)


async def test_without_time_or_memory_the_candidate_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "BUDGET", 100)
    async with asking(tmp_path) as of:
        assert await of.post(left=0.002) is None
        assert await of.post(b"x" * 101) is None
        assert (of.site.requests, of.counted()) == ([], {"busy": 2})
        of.site.script = [HANG]
        held = asyncio.create_task(of.post(b"x" * 60))
        while not of.site.requests:
            await asyncio.sleep(0.001)
        assert await of.post(b"x" * 60) is None
        held.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await held
        assert await of.post(b"x" * 100) is not None


async def test_calls_in_flight_are_bounded(tmp_path: Path) -> None:
    async with asking(tmp_path, limit=1) as of:
        of.site.script = [HANG]
        first = asyncio.create_task(of.post())
        while not of.site.requests:
            await asyncio.sleep(0.001)
        assert await of.post() is None
        assert of.counted() == {"open": 1}
        first.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await first


async def test_grpc_that_nobody_answers_is_a_failure(tmp_path: Path) -> None:
    async with asking(tmp_path) as of:
        errand = Errand(CANDIDATE, trial(), asyncio.get_running_loop().time() + 5)
        assert await of.forwarder.infer(errand, pb.ModelInferRequest()) is None
        assert sum(of.counted().values()) == 1
        assert set(of.counted()) <= {"failed", "timeout"}


@pytest.mark.parametrize(
    "timing", ["", "answer;dur=", "answer;dur=x", "db;dur=3", "answer;dur=-1"]
)
async def test_an_answer_may_say_nothing_of_its_time(tmp_path: Path, timing: str) -> None:
    async with asking(tmp_path) as of:
        of.site.usual = answer(x_recommender_version=CANDIDATE, server_timing=timing)
        assert await of.post() is not None
        assert of.version.value("transformer_forward_extra_seconds_count") == 0


async def test_versions_that_were_asked_long_ago_are_forgotten() -> None:
    peers = Peers(Addresses(), 1)
    first = peers.of("movies-00000000")
    assert peers.of("movies-00000000") is first
    for place in range(1, MOST_PEERS + 1):
        peers.of(f"movies-{place:08x}")
    assert peers.of("movies-00000000") is not first
    await peers.close()
