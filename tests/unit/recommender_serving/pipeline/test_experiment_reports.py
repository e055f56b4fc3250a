"""Of a forwarded request one answer is counted, whatever became of it on its way."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from recommender_serving.domain.types import Answer
from recommender_serving.ranking.recommender import Recommender
from tests.unit.recommender_serving.serving_asking import infer, message, predict, v2
from tests.unit.recommender_serving.serving_versions import (
    CANDIDATE,
    EXPERIMENT,
    HEADERS,
    INFER,
    OURS,
    PREDICT,
    RECEIVER,
    THEIRS,
    Desk,
    Pair,
    Version,
    pair,
)


def late(version: Version, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Let the version answer, whatever its deadline is, only after this event."""
    free = asyncio.Event()
    answer: Any = Recommender.recommend
    own = version.served.service._recommender

    async def slow(self: Recommender, *given: Any) -> list[Answer]:
        if self is own:
            await free.wait()
        found: list[Answer] = await answer(self, *given)
        return found

    monkeypatch.setattr(Recommender, "recommend", slow)
    return free


async def ids_of(desk: Desk) -> list[tuple[str, str]]:
    """The identities of what was reported."""
    await desk.reported()
    return [(each["source"], each["id"]) for each in desk.events]


async def post(both: Pair, body: dict[str, Any]) -> httpx.Response:
    return await both.receiver.served.http.post(INFER, json=body, headers=HEADERS)


@pytest.mark.parametrize("protocol", ["v1", "v2", "parts"])
async def test_a_late_answer_and_the_one_in_its_place_are_one_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    async with pair(tmp_path, seconds=0.1) as both:
        free = late(both.candidate, monkeypatch)
        if protocol == "v1":
            answer = await predict(both, THEIRS[0])
        elif protocol == "v2":
            answer = await post(both, v2(THEIRS[0]))
        else:
            answer = await predict(both, OURS[0], THEIRS[0], OURS[1], THEIRS[1])
        assert answer.status_code == 200
        assert set(both.receiver.forwarded()) == {"timeout"}
        free.set()
        count = 2 if protocol == "parts" else 1
        async with asyncio.timeout(60):
            while both.candidate.value("recommender_requests_total", outcome="ok") != count:
                await asyncio.sleep(0.01)
        here, there = await ids_of(both.receiver.desk), await ids_of(both.candidate.desk)
    assert len(there) == len(set(there)) == count
    assert set(there) <= set(here)
    assert {source.split("/")[0] for source, _ in there} == {RECEIVER}
    assert len(set(here)) == (4 if protocol == "parts" else 1)


async def test_whichever_version_answers_reports_the_segments_of_its_user(tmp_path: Path) -> None:
    headers = {"x-recommender-experiment": f"{EXPERIMENT};segments=device"}
    async with pair(tmp_path) as both:
        await predict(both, OURS[0], THEIRS[0], headers=headers)
        for version in (both.receiver, both.candidate):
            await version.desk.reported()
            (event,) = version.desk.events
            assert event["data"]["segments"] == {"device": "unknown"}


async def test_a_number_is_reported_by_the_band_of_the_receiver(tmp_path: Path) -> None:
    headers = {"x-recommender-experiment": f"{EXPERIMENT};segments=age"}
    users = (OURS[0], THEIRS[0])
    body = {"instances": [{"user_id": user, "user": {"age": 20}} for user in users]}
    async with pair(tmp_path) as both:
        await both.receiver.served.http.post(PREDICT, json=body, headers=headers)
        for version in (both.receiver, both.candidate):
            await version.desk.reported()
            (event,) = version.desk.events
            assert event["data"]["segments"] == {"age": "18-49"}


async def test_over_grpc_both_versions_give_the_same_identity(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        await infer(both, THEIRS[0])
        ((source, number),) = await ids_of(both.candidate.desk)
    assert (source.split("/")[0], number) == (RECEIVER, "0")
    assert len(source.split("/")[1]) == 32


async def test_a_candidate_takes_the_deadline_that_it_is_told_over_grpc_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lefts: list[float] = []
    answer: Any = Recommender.recommend

    async def noting(self: Recommender, requests: Any, deadline: float | None) -> list[Answer]:
        assert deadline is not None
        lefts.append(deadline - asyncio.get_running_loop().time())
        found: list[Answer] = await answer(self, requests, deadline)
        return found

    monkeypatch.setattr(Recommender, "recommend", noting)
    async with pair(tmp_path) as both:
        by = {"x-recommender-forwarded": RECEIVER}
        for more in (by, {}, by | {"x-deadline-ms": "junk"}):
            headers = HEADERS | {"x-deadline-ms": "2000"} | more
            metadata = tuple(headers.items())
            await both.rpc.ModelInfer(message(OURS[0]), metadata=metadata, timeout=20)
    assert lefts[0] <= 2
    assert min(lefts[1:]) > 2  # of a client the deadline of its call counts alone


async def test_an_answer_without_items_is_reported_in_an_experiment_alone(tmp_path: Path) -> None:
    nothing: dict[str, Any] = {"candidate_items": [1], "excluded_items": [1]}
    async with pair(tmp_path) as both:
        for user in (OURS[0], THEIRS[0]):
            answer = await predict(both, user, **nothing)
            assert answer.json()["predictions"][0]["items"] == []
            await predict(both, user, headers={"x-request-id": "r"}, **nothing)
        (ours,) = await both.receiver.desk.reported()
        (theirs,) = await both.candidate.desk.reported()
    for each, arm in ((ours, RECEIVER), (theirs, CANDIDATE)):
        assert (each["items"], each["arm"], each["version"]) == ([], arm, arm)
