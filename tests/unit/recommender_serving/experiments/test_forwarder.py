"""Another version is asked within bounds, and each way in which it does not answer is counted."""

from __future__ import annotations

import asyncio
import contextlib
import re
from pathlib import Path

import pytest

from recommender_serving.experiments import forwarder as forwarding
from recommender_serving.experiments.forwarder import ForwardedCall
from recommender_serving.experiments.http_peer import Response
from recommender_serving.experiments.peers import MOST_PEERS, Addresses, Peers
from recommender_serving.inference import inference_pb2 as pb
from recommender_serving.monitoring.call_record import Call, entered
from tests.unit.recommender_serving.serving_forwards import asking, skipping, trial
from tests.unit.recommender_serving.serving_scripted import DROP, HANG, answer
from tests.unit.recommender_serving.serving_versions import CANDIDATE, EXPERIMENT, RECEIVER


async def test_a_request_says_its_experiment_and_who_forwards_it(tmp_path: Path) -> None:
    async with asking(tmp_path) as of:
        forwarded = ForwardedCall(CANDIDATE, trial(), None, 2, (0, 3))
        traceparent = f"00-{'a' * 32}-{'b' * 16}-01"
        with entered(Call("v1", traceparent=traceparent)) as _:
            await of.forwarder.post(forwarded, "/v1", {"x-request-id": "r"}, b"{}", lambda it: it)
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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asking(tmp_path, seconds=20.0) as of:
        with monkeypatch.context() as patch:
            loop = asyncio.get_running_loop()
            now = loop.time()
            patch.setattr(loop, "time", lambda: now)  # so the deadlines stay as short
            await of.post()
            await of.post(left=0.03)
        told = [int(headers["x-deadline-ms"]) for headers, _ in of.site.requests]
        assert told[0] == 20040  # of 20 s and 50 ms
        assert 13 <= told[1] <= 14  # of 2/3 of 28 ms, less a quarter


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

        forwarded = ForwardedCall(CANDIDATE, trial())
        assert await of.forwarder.post(forwarded, "/v1", {}, b"{}", unreadable) is None
        assert of.counted() == {"failed": 1}


async def test_a_candidate_that_hangs_is_left_after_the_time_of_an_answer(tmp_path: Path) -> None:
    with skipping() as skip:
        async with asking(tmp_path, seconds=10.0) as of:
            of.site.script = [HANG]
            left = asyncio.create_task(of.post())
            await of.asked(1)
            skip(9.0)
            await asyncio.sleep(0)
            assert not left.done()
            skip(1.1)
            assert await left is None
            assert of.counted() == {"timeout": 1}
            assert await of.post() is not None


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
        await of.asked(1)
        assert await of.post(b"x" * 60) is None
        held.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await held
        assert await of.post(b"x" * 100) is not None


async def test_grpc_that_nobody_answers_is_a_failure(tmp_path: Path) -> None:
    async with asking(tmp_path) as of:
        forwarded = ForwardedCall(CANDIDATE, trial(), asyncio.get_running_loop().time() + 5)
        assert await of.forwarder.infer(forwarded, pb.ModelInferRequest()) is None
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
    first = peers.peer("movies-00000000")
    assert peers.peer("movies-00000000") is first
    for place in range(1, MOST_PEERS + 1):
        peers.peer(f"movies-{place:08x}")
    assert peers.peer("movies-00000000") is not first
    await peers.close()
