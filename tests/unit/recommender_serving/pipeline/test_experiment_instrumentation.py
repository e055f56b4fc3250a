"""Where an experiment watches them, versions report failed and slow requests, and groups."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import grpc
import orjson
import pytest

from recommender_serving.domain.types import FallReason
from recommender_serving.experiments.http_peer import PeerLostError, PeerRefusesError
from recommender_serving.experiments.peers import Peer
from tests.unit.recommender_serving.serving_asking import infer, predict, v2
from tests.unit.recommender_serving.serving_samples import GENRES
from tests.unit.recommender_serving.serving_versions import (
    CANDIDATE,
    EXPERIMENT,
    INFER,
    OURS,
    RECEIVER,
    THEIRS,
    Pair,
    Version,
    pair,
)

GROUP = base64.urlsafe_b64encode(orjson.dumps([GENRES[1]])).decode().rstrip("=")
HEADERS = {"x-recommender-experiment": f"{EXPERIMENT};requests=200"}
GROUPED = {"x-recommender-experiment": f"{EXPERIMENT};group=genre:{GROUP}"}
PROTOCOLS = pytest.mark.parametrize("protocol", ["v1", "v2", "grpc"])


async def ask(both: Pair, protocol: str, user: int, headers: dict[str, str] = HEADERS) -> bool:
    """Ask, and return whether there was an answer."""
    if protocol == "grpc":
        try:
            await infer(both, user, headers=headers)
        except grpc.aio.AioRpcError:
            return False
        return True
    if protocol == "v1":
        answer = await predict(both, user, headers=headers)
    else:
        answer = await both.receiver.served.http.post(INFER, json=v2(user), headers=headers)
    assert answer.status_code in (200, 500)
    return answer.status_code == 200


def breaking(version: Version) -> None:
    """Let each request of the version fail, after a while."""
    version.served.break_down()


def peer_of(both: Pair) -> Peer:
    """What the receiver knows of the candidate."""
    assert both.receiver.forwarder is not None
    return both.receiver.forwarder._peers.peer(CANDIDATE)


def timing(version: Version, seconds: float) -> None:
    """Let the clock of the version go on by this at each look."""
    ticks = iter(range(10**6))
    version.served.instrumentation._clock = lambda: seconds * next(ticks)


async def reports(*versions: Version) -> list[dict[str, Any]]:
    return [each for version in versions for each in await version.desk.reported()]


@PROTOCOLS
async def test_each_version_reports_what_its_own_requests_took(
    tmp_path: Path, protocol: str
) -> None:
    async with pair(tmp_path) as both:
        timing(both.receiver, 0.0123)
        timing(both.candidate, 0.25)
        assert await ask(both, protocol, OURS[0])
        assert await ask(both, protocol, THEIRS[0])
        ours, theirs = await reports(both.receiver, both.candidate)
    assert ours["served"] == {"milliseconds": 12.3, "slowerThan": 200, "failed": False}
    assert theirs["served"] == {"milliseconds": 250.0, "slowerThan": 200, "failed": False}


async def test_what_is_not_watched_is_not_reported(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        headers = {"x-recommender-experiment": EXPERIMENT}
        for user in (OURS[0], THEIRS[0]):
            assert await ask(both, "v1", user, headers)
        breaking(both.receiver)
        assert not await ask(both, "v1", OURS[0], headers)
        found = await reports(both.receiver, both.candidate)
    assert len(found) == 2
    assert not any({"served", "ofGroup"} & each.keys() for each in found)


@PROTOCOLS
async def test_a_request_that_fails_is_reported_for_the_version_of_its_user(
    tmp_path: Path, protocol: str
) -> None:
    async with pair(tmp_path) as both:
        breaking(both.receiver)
        assert not await ask(both, protocol, OURS[0])
        (report,) = await reports(both.receiver, both.candidate)
    assert (report["arm"], report["items"], report["served"]["failed"]) == (RECEIVER, [], True)
    assert "path" not in report


@PROTOCOLS
async def test_a_candidate_that_fails_is_reported_with_the_answer_in_its_place(
    tmp_path: Path, protocol: str
) -> None:
    async with pair(tmp_path) as both:
        breaking(both.candidate)
        assert await ask(both, protocol, THEIRS[0])
        (report,) = await reports(both.receiver, both.candidate)
    assert (report["arm"], report["version"]) == (CANDIDATE, RECEIVER)
    assert (report["items"], report["served"]["failed"]) == ([1, 2], True)


@PROTOCOLS
async def test_if_both_fail_one_failure_is_reported(tmp_path: Path, protocol: str) -> None:
    async with pair(tmp_path) as both:
        breaking(both.candidate)
        breaking(both.receiver)
        assert not await ask(both, protocol, THEIRS[0])
        (report,) = await reports(both.receiver, both.candidate)
    assert (report["arm"], report["items"], report["served"]["failed"]) == (CANDIDATE, [], True)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(PeerLostError("gone"), "failed"), (PeerRefusesError("no"), "refused"), (None, "open")],
)
async def test_a_candidate_that_does_not_get_the_request_says_nothing_of_itself(
    tmp_path: Path, error: Exception | None, outcome: str
) -> None:
    async def raising(*_: Any) -> Any:
        assert error is not None
        raise error

    async with pair(tmp_path) as both:
        peer = peer_of(both)
        if error is None:
            peer.breaker.admit = lambda: FallReason.ERROR  # type: ignore[method-assign]
        peer.rest.post = raising  # type: ignore[method-assign, assignment]
        assert await ask(both, "v1", THEIRS[0])
        assert both.receiver.forwarded() == {outcome: 1}
        (report,) = await reports(both.receiver, both.candidate)
    assert (report["arm"], report["version"]) == (CANDIDATE, RECEIVER)
    assert "served" not in report


async def test_a_candidate_that_is_too_late_is_slow_and_has_not_failed(tmp_path: Path) -> None:
    async def late(*_: Any) -> Any:
        raise TimeoutError

    async with pair(tmp_path) as both:
        peer_of(both).rest.post = late  # type: ignore[method-assign, assignment]
        timing(both.receiver, 0.3)
        assert await ask(both, "v1", THEIRS[0])
        assert both.receiver.forwarded() == {"timeout": 1}
        (report,) = await reports(both.receiver)
    assert report["served"] == {"milliseconds": 300.0, "slowerThan": 200, "failed": False}


@pytest.mark.parametrize("user", [OURS[0], THEIRS[0]])
async def test_the_version_that_answers_counts_the_items_of_the_group(
    tmp_path: Path, user: int
) -> None:
    async with pair(tmp_path) as both:
        assert await ask(both, "v1", user, GROUPED)
        (report,) = await reports(both.receiver, both.candidate)
    # Their genres take turns.
    wanted = sum(item % len(GENRES) == 1 for item in report["items"])
    assert (report["ofGroup"], len(report["items"])) == (wanted, 2)
    assert "served" not in report


async def test_a_version_without_the_feature_counts_no_items(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        headers = {"x-recommender-experiment": GROUPED["x-recommender-experiment"].replace(
            "genre", "brand"
        )}  # fmt: skip
        assert await ask(both, "v1", OURS[0], headers)
        (report,) = await reports(both.receiver)
    assert "ofGroup" not in report


async def test_a_call_that_the_client_got_wrong_is_no_failure(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        answer = await predict(both, OURS[0], headers=HEADERS, top_n=-1)
        assert answer.status_code == 400
        assert await reports(both.receiver) == []
