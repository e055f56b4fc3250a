"""Copies are bounded, nobody waits for them, and what becomes of each is counted."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recommender_serving.experiments import traffic_mirror as copying
from recommender_serving.experiments.forwarder import ForwardedCall
from recommender_serving.experiments.traffic_mirror import MirroredCall, TrafficMirror
from recommender_serving.inference import inference_pb2 as pb
from tests.unit.recommender_serving.serving_fakes import GOOD, giving
from tests.unit.recommender_serving.serving_scripted import (
    DROP,
    HANG,
    Scripted,
    answer,
    scripted,
)
from tests.unit.recommender_serving.serving_shadows import copies_of, settled
from tests.unit.recommender_serving.serving_versions import (
    CANDIDATE,
    RECEIVER,
    Version,
    opened,
    parts_of,
)


class Sending:
    """What sends copies to a scripted candidate."""

    def __init__(self, site: Scripted, version: Version, copies: TrafficMirror) -> None:
        self.site = site
        self.version = version
        self.mirror = copies

    def send(self, body: bytes = b"{}", seconds: float | None = None) -> None:
        copy = MirroredCall(CANDIDATE, RECEIVER, seconds)
        self.mirror.keep(copy, body)
        self.mirror.post(copy, "/v1", {"x-request-id": "r"})

    async def counted(self) -> dict[str, float]:
        await settled(self.mirror)
        return self.version.copied()


@contextlib.asynccontextmanager
async def sending(folder: Path, seconds: float = 10.0) -> AsyncIterator[Sending]:
    parts = parts_of(folder, RECEIVER, giving(GOOD))
    async with scripted() as site:
        site.usual = answer()
        copies = copies_of(parts, site.port, site.port, seconds=seconds)
        async with opened(parts, copies=copies) as version:
            yield Sending(site, version, copies)


async def test_a_copy_says_what_it_is_and_how_long_its_client_waits(tmp_path: Path) -> None:
    async with sending(tmp_path) as of:
        of.send(b"one")
        assert await of.counted() == {"answered": 1}
        of.send(b"two", seconds=0.25)
        assert await of.counted() == {"answered": 2}
        (first, one), (second, two) = of.site.requests
    assert (one, two) == (b"one", b"two")
    assert first["x-recommender-copy"] == RECEIVER
    assert first["x-request-id"] == "r"
    assert "x-deadline-ms" not in first
    assert second["x-deadline-ms"] == "250"


@pytest.mark.parametrize(
    ("bad", "outcome"),
    [
        (answer(400), "refused"),
        (answer(404), "refused"),
        (answer(500), "failed"),
        (answer(302), "failed"),
        (DROP, "failed"),
        (b"junk\r\n\r\n", "failed"),
    ],
)
async def test_a_copy_without_an_answer_is_counted(
    tmp_path: Path, bad: bytes, outcome: str
) -> None:
    async with sending(tmp_path) as of:
        of.site.usual = bad
        of.send()
        assert await of.counted() == {outcome: 1}


async def test_a_candidate_that_hangs_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "PATIENCE", 0.0)
    monkeypatch.setattr(copying, "MARGIN", 0.0)
    async with sending(tmp_path, seconds=0.02) as of:
        of.site.usual = HANG
        of.send()
        assert await of.counted() == {"timeout": 1}


async def test_copies_beyond_the_bounds_are_dropped_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sending(tmp_path) as of:
        of.site.usual = HANG
        monkeypatch.setattr(copying, "MOST", 2)
        for _ in range(5):
            of.send()
        assert of.mirror.in_flight == 2
        assert of.version.copied() == {"busy": 3}
        monkeypatch.setattr(copying, "MOST", 64)
        of.send(b"x" * (copying.BUDGET + 1))
        assert of.version.copied() == {"busy": 4}
    assert of.mirror.in_flight == 0  # the end of the process waits for none of them


async def test_a_candidate_that_is_gone_costs_no_connection_after_a_while(tmp_path: Path) -> None:
    async with sending(tmp_path) as of:
        of.site.usual = answer(500)
        for _ in range(20):
            of.send()
            await settled(of.mirror)
        of.send()
        of.send()
        counted = await of.counted()
    assert counted == {"failed": 21, "open": 1}


async def test_a_bug_ends_one_copy_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with sending(tmp_path) as of:
        of.mirror.post(
            MirroredCall(CANDIDATE, RECEIVER, body=b""), "/v1", {"x-request-id": "a\nb"}
        )
        of.send()
        assert await of.counted() == {"failed": 1, "answered": 1}
    assert "a copy failed" in caplog.text


async def test_a_candidate_that_listens_nowhere_fails_its_copies(tmp_path: Path) -> None:
    async with sending(tmp_path) as of:
        copies = copies_of(of.version.served.parts, 1, 1)
        copies.post(MirroredCall(CANDIDATE, RECEIVER, body=b""), "/v1", {})
        copies.infer(MirroredCall(CANDIDATE, RECEIVER), pb.ModelInferRequest())
        await settled(copies)
        await copies.close()
        assert of.version.copied() == {"failed": 2}


async def test_bodies_are_bounded_while_the_models_answer_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "BUDGET", 10)
    async with sending(tmp_path) as of:
        first, second, third = (MirroredCall(CANDIDATE, RECEIVER) for _ in range(3))
        assert of.mirror.keep(first, b"1" * 6) == b"1" * 6
        assert of.mirror.keep(second, b"2" * 6) == b"2" * 6, "the call itself goes on"
        of.mirror.post(second, "/v1", {})
        assert await of.counted() == {"busy": 1}
        of.mirror.drop(first)  # its client has left
        of.mirror.keep(third, b"3" * 10)
        of.mirror.post(third, "/v1", {})
        of.mirror.drop(third)  # too late, so nothing is given back twice
        assert of.mirror.keep(first, b"1") == b"1"
        of.mirror.post(first, "/v1", {})
        assert await of.counted() == {"busy": 2, "answered": 1}
        of.send(b"4" * 10)
        assert await of.counted() == {"busy": 2, "answered": 2}


@pytest.mark.parametrize("full", [True, False])
async def test_a_copy_that_is_not_sent_holds_no_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    monkeypatch.setattr(copying, "BUDGET", 10)
    async with sending(tmp_path) as of:
        if full:
            monkeypatch.setattr(copying, "MOST", 0)
        else:
            breaker = of.mirror._peers.peer(CANDIDATE).breaker
            breaker._failures, breaker._in_flight = 20, 1
        for _ in range(2):
            of.send(b"1" * 10)
            of.mirror.infer(MirroredCall(CANDIDATE, RECEIVER), pb.ModelInferRequest(id="12345678"))
        assert of.version.copied() == {"busy" if full else "open": 4}


def test_a_copy_and_the_question_for_a_list_name_the_verified_user() -> None:
    told = (("x-user-id", "7"),)
    assert set(told) < set(MirroredCall("movies-2", "movies-1", None, told).metadata)
    assert set(told) < set(ForwardedCall("movies-2", None, asker="movies-1", caller=told).metadata)
