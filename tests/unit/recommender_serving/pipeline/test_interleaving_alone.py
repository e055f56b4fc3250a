"""Users whose lists are not mixed: no failure of the candidate is theirs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from recommender_serving.domain.types import (
    FallReason,
    Forwarded,
    RankerError,
)
from recommender_serving.pipeline import list_assembly
from tests.unit.recommender_serving.serving_asking import infer, outputs, predict
from tests.unit.recommender_serving.serving_fakes import (
    GOOD,
    PLAIN,
    FakeRanker,
    HangingRanker,
    failing,
    giving,
)
from tests.unit.recommender_serving.serving_mixing import (
    ALONE,
    HALF,
    OF_NOBODY,
    OTHERS,
    THEIRS,
    mixing,
)  # fmt: skip
from tests.unit.recommender_serving.serving_sockets import until
from tests.unit.recommender_serving.serving_versions import (
    CANDIDATE,
)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists are mixed on a busy machine too."""
    monkeypatch.setattr(list_assembly, "PATIENCE", 30.0)


def broken() -> FakeRanker:
    return failing(RankerError(FallReason.ERROR))


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (broken, lambda: giving(GOOD)),
        (lambda: giving(PLAIN), broken),
        (HangingRanker, lambda: giving(GOOD)),
    ],
    ids=["the candidate falls back", "this version falls back", "the candidate hangs"],
)
async def test_without_lists_of_both_models_a_user_gets_the_own_answer(
    tmp_path: Path, theirs: Any, ours: Any
) -> None:
    async with mixing(tmp_path, theirs, ours, seconds=0.3) as both:
        answer = await predict(both, THEIRS[0], headers=HALF)
        (found,) = answer.json()["predictions"]
        assert answer.status_code == 200
        assert found["items"] == (ALONE if found["source"] == "model" else [21, 22])
        assert both.answers == (0, 1)
        assert both.waits == (1 if found["source"] == "model" else 0)
        asked = [both.counted("interleaving_asked", outcome) for outcome in Forwarded]
        assert sum(each or 0 for each in asked) <= 1
        (shown,) = await both.receiver.desk.reported()
    assert shown["interleaved"] == OF_NOBODY, "else its clicks would be the champion's"


async def test_a_request_with_candidate_items_gets_a_list_of_nobody(tmp_path: Path) -> None:
    async with mixing(tmp_path) as both:
        await predict(both, THEIRS[0], headers=HALF, candidate_items=[1, 2])
        (shown,) = await both.receiver.desk.reported()
        assert shown["interleaved"] == OF_NOBODY
        assert both.answers == (0, 0)
        assert both.counted("interleaving_asked", "answered") == 0


async def test_a_route_can_say_that_all_lists_are_of_nobody(tmp_path: Path) -> None:
    alone = {name: f"{header};alone=1" for name, header in HALF.items()}
    async with mixing(tmp_path) as both:
        answer = await predict(both, THEIRS[0], headers=alone)
        assert answer.json()["predictions"][0]["items"] == ALONE
        await predict(both, OTHERS[0], headers=alone)
        shown, other = await both.receiver.desk.reported()
        assert shown["interleaved"] == OF_NOBODY
        assert "interleaved" not in other
        assert both.answers == (0, 0)
        assert both.counted("interleaving_asked", "answered") == 0


async def test_a_user_does_not_wait_for_a_slow_candidate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_assembly, "PATIENCE", 0.001)
    async with mixing(tmp_path, HangingRanker) as both, asyncio.timeout(60):
        answer = await predict(both, THEIRS[0], headers=HALF)
        assert answer.json()["predictions"][0]["items"] == ALONE
        assert both.answers == (0, 1)
        await until(lambda: both.counted("interleaving_asked", "timeout") == 1)


async def test_a_candidate_that_is_gone_fails_no_user_over_any_protocol(tmp_path: Path) -> None:
    async with mixing(tmp_path) as both:
        candidate_forwarder = both.receiver.served.service.candidate_forwarder
        assert candidate_forwarder is not None
        peer = candidate_forwarder._peers.peer(CANDIDATE)
        peer.rest._address, peer._rpc_address = "http://127.0.0.1:1", "127.0.0.1:1"
        (found,) = (await predict(both, THEIRS[0], headers=HALF)).json()["predictions"]
        answer = outputs(await infer(both, THEIRS[1], HALF))
        assert found["items"] == answer["item_ids"] == ALONE
        assert both.answers == (0, 2)
        assert both.counted("interleaving_asked", "failed") == 2


@pytest.mark.parametrize(
    "theirs",
    [
        {"items": ["a", "b"], "scores": [1, 2]},
        {"items": [21, 21], "scores": [1, 2]},
        {"items": [21], "scores": [1, 2]},
        {"items": [21, 22], "scores": [1, None]},
        {"items": [[21], 22], "scores": [1, 2]},
        {"items": None, "scores": None},
        {},
    ],
)
async def test_an_answer_that_is_no_list_is_not_mixed_in(
    tmp_path: Path, theirs: dict[str, Any]
) -> None:
    async with mixing(tmp_path) as both:
        service = both.candidate.served.service

        async def answers(*_: Any) -> Any:
            return [{"source": "model", "version": CANDIDATE, **theirs}]

        service.predictions = answers  # type: ignore
        (found,) = (await predict(both, THEIRS[0], headers=HALF)).json()["predictions"]
        assert found["items"] == ALONE
        assert both.counted("interleaving_asked", "failed") == 1


async def test_a_candidate_that_hangs_costs_a_user_no_more_than_the_deadline(
    tmp_path: Path,
) -> None:
    async with mixing(tmp_path) as both:
        shadow = both.candidate.served.parts.recommender.mirrored
        assert shadow is not None

        async def hang(*_: Any) -> Any:
            await asyncio.Event().wait()

        shadow.recommend = hang  # type: ignore
        headers = {**HALF, "x-deadline-ms": "1500"}
        answer = await predict(both, THEIRS[0], headers=headers)
        assert answer.json()["predictions"][0]["items"] == ALONE
        await until(lambda: both.counted("interleaving_asked", "timeout") == 1)
        nothing_left = {**HALF, "x-deadline-ms": "8"}
        answer = await predict(both, THEIRS[1], headers=nothing_left)
        assert answer.status_code == 200
