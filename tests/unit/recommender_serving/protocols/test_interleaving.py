"""Lists that mix those of two versions: users get them, and no failure of the candidate."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from recommender_serving.answering.cache import Bounds as CacheBounds
from recommender_serving.domain.experiments import bucket
from recommender_serving.domain.holdouts import Holdout
from recommender_serving.domain.types import FallReason, RankerError, Ranking, Source
from recommender_serving.forwarding.forwarder import Forwarder
from recommender_serving.forwarding.peers import Addresses, Peers
from recommender_serving.protocols.connections import Connections
from tests.unit.recommender_serving.serving_asking import infer, message, outputs, predict, v2
from tests.unit.recommender_serving.serving_fakes import (
    GOOD,
    PLAIN,
    FakeRanker,
    HangingRanker,
    Parts,
    failing,
    giving,
)
from tests.unit.recommender_serving.serving_rpc import calling
from tests.unit.recommender_serving.serving_sockets import running
from tests.unit.recommender_serving.serving_versions import (
    CANDIDATE,
    INFER,
    RECEIVER,
    Pair,
    opened,
    parts_of,
)

ID = "0a1b2c3d"
HALF = {"x-recommender-interleaving": f"id={ID};candidate={CANDIDATE};users=5000"}
THEIRS = [user for user in range(100) if bucket(ID, str(user)) < 5000]
OTHERS = [user for user in range(100) if bucket(ID, str(user)) >= 5000]
#: Of two items, one of each version.
MIXES = ([1, 21], [21, 1])
ALONE = [1, 2]


class Mixing(Pair):
    """The receiver, whose model gives items 1, 2, ..., and the candidate with 21, 22, ...."""

    def counted(self, name: str, outcome: str) -> float | None:
        return self.receiver.value(f"transformer_{name}_total", outcome=outcome)

    @property
    def answers(self) -> tuple[float | None, float | None]:
        """Mixed ones, and those of one version alone."""
        name = "interleaved_answers"
        return self.counted(name, "mixed"), self.counted(name, "alone")


@contextlib.asynccontextmanager
async def mixing(
    folder: Path,
    theirs: Callable[[], FakeRanker] = lambda: giving(PLAIN),
    ours: Callable[[], FakeRanker] = lambda: giving(GOOD),
    seconds: float = 30.0,
    cache: CacheBounds | None = None,
    holdout: Holdout | None = None,
) -> AsyncIterator[Mixing]:
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        candidate = await enter(opened(parts_of(folder, CANDIDATE, theirs())))
        site = await enter(running(candidate.served, Connections()))
        _, port = await enter(calling(candidate.served.service))
        parts: Parts = parts_of(folder, RECEIVER, ours(), cache)
        peers = Peers(Addresses(f"127.0.0.1:{site.port}", f"127.0.0.1:{port}"), 8)
        counts = parts.metrics.interleaving
        rivals = Forwarder(peers, parts.metrics, (seconds, 0.0), counts=counts)
        receiver = await enter(opened(parts, holdout=holdout, rivals=rivals))
        rpc, _ = await enter(calling(receiver.served.service))
        yield Mixing(receiver, candidate, rpc)


async def test_users_of_the_share_get_mixed_lists_over_each_protocol(tmp_path: Path) -> None:
    one, two, three = THEIRS[:3]
    async with mixing(tmp_path) as both:
        mixed, own = (await predict(both, one, OTHERS[0], headers=HALF)).json()["predictions"]
        assert mixed["items"] in MIXES
        assert sorted(mixed["scores"]) == pytest.approx([0.3, 0.9])
        assert (mixed["version"], mixed["source"]) == (RECEIVER, "model")
        assert own["items"] == ALONE
        body = (await both.receiver.served.http.post(INFER, json=v2(two), headers=HALF)).json()
        found = {each["name"]: each["data"] for each in body["outputs"]}
        assert found["item_ids"] in MIXES
        assert sorted(found["scores"]) == pytest.approx([0.3, 0.9])
        answer = outputs(await infer(both, three, HALF))
        assert answer["item_ids"] in MIXES
        assert both.answers == (3, 0)
        assert both.counted("interleaving_asked", "answered") == 3
        shown = {each["user"]: each for each in await both.receiver.desk.reported()}
    for user, items in ((one, mixed["items"]), (two, found["item_ids"])):
        assert shown[user]["items"] == items
        teams = "AB" if items == MIXES[0] else "BA"
        assert shown[user]["interleaved"] == {"id": ID, "candidate": CANDIDATE, "teams": teams}
    assert "interleaved" not in shown[OTHERS[0]]


async def test_the_candidate_counts_its_lists_as_copies_and_reports_none(tmp_path: Path) -> None:
    async with mixing(tmp_path) as both:
        await predict(both, THEIRS[0], headers=HALF)
        value = both.candidate.value
        assert value("recommender_shadow_requests_total", outcome="ok") == 1
        assert value("recommender_requests_total", outcome="ok") == 0
        assert value("recommender_sessions_total") == 0
        assert await both.candidate.desk.reported() == []
        # Of the receiver it is an answer like any other.
        assert both.receiver.value("recommender_requests_total", outcome="ok") == 1


async def test_a_request_that_is_repeated_gets_the_same_list(tmp_path: Path) -> None:
    async with mixing(tmp_path) as both:
        headers = {**HALF, "x-request-id": "again"}
        lists = [
            (await predict(both, THEIRS[0], headers=headers, top_n=4)).json()["predictions"][0]
            for _ in range(5)
        ]
        many = [
            (await predict(both, THEIRS[0], headers=HALF)).json()["predictions"][0]["items"]
            for _ in range(40)
        ]
    assert all(each["items"] == lists[0]["items"] for each in lists)
    assert all(items in many for items in MIXES), "coins differ between requests"


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
        assert both.counted("interleaving_asked", "answered") == 1
        (shown,) = await both.receiver.desk.reported()
    assert "interleaved" not in shown


async def test_a_candidate_that_is_gone_fails_no_user_over_any_protocol(tmp_path: Path) -> None:
    async with mixing(tmp_path) as both:
        rivals = both.receiver.served.service.rivals
        assert rivals is not None
        peer = rivals._peers.of(CANDIDATE)
        peer.rest._port, peer._rpc_address = 1, "127.0.0.1:1"
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
        shadow = both.candidate.served.parts.recommender.shadow
        assert shadow is not None

        async def hang(*_: Any) -> Any:
            await asyncio.Event().wait()

        shadow.recommend = hang  # type: ignore
        headers = {**HALF, "x-deadline-ms": "200"}
        answer = await predict(both, THEIRS[0], headers=headers)
        assert answer.json()["predictions"][0]["items"] == ALONE
        assert both.counted("interleaving_asked", "timeout") == 1
        nothing_left = {**HALF, "x-deadline-ms": "8"}
        answer = await predict(both, THEIRS[1], headers=nothing_left)
        assert answer.status_code == 200
        assert both.counted("interleaving_asked", "busy") == 1


async def test_a_mixed_list_is_neither_kept_nor_explored_nor_from_a_cache(tmp_path: Path) -> None:
    cache = CacheBounds(seconds=60, entries=100, bytes=10**6)
    async with mixing(tmp_path, cache=cache) as both:
        for _ in range(3):
            (mixed,) = (await predict(both, THEIRS[0], headers=HALF)).json()["predictions"]
            assert mixed["items"] in MIXES
        answer = await predict(both, THEIRS[0], headers={"x-nothing": "1"})
        assert answer.json()["predictions"][0]["items"] == ALONE
        assert both.candidate.value("recommender_shadow_requests_total", outcome="ok") == 3


async def test_users_of_the_holdout_get_no_list_of_a_model(tmp_path: Path) -> None:
    holdout = Holdout("5c0ffee5", "holdout-0a1b2c3d", 10, Source.BASELINE, 500.0)
    held = next(u for u in THEIRS if bucket(holdout.salt, str(u)) < 1000)
    async with mixing(tmp_path, holdout=holdout) as both:
        (found,) = (await predict(both, held, headers=HALF)).json()["predictions"]
        assert found["source"] == "baseline"
        assert both.counted("interleaving_asked", "answered") == 0
        (shown,) = await both.receiver.desk.reported()
    assert "interleaved" not in shown


async def test_what_a_request_excludes_and_its_length_hold_for_both_versions(
    tmp_path: Path,
) -> None:
    def every() -> FakeRanker:
        return giving(Ranking(tuple(range(1, 9)), tuple(1 / i for i in range(1, 9))))

    async with mixing(tmp_path, every, every) as both:
        excluded = {"excluded_items": [2, 3], "top_n": 5}
        (found,) = (await predict(both, THEIRS[0], headers=HALF, **excluded)).json()["predictions"]
        assert sorted(found["items"]) == [1, 4, 5, 6, 7]
        assert both.answers == (1, 0)


async def test_in_an_experiment_and_in_a_call_that_names_its_version_nothing_is_mixed(
    tmp_path: Path,
) -> None:
    async with mixing(tmp_path) as both:
        text = f"id={ID};phase=0;cap=100;arms={CANDIDATE}:9999-10000"
        headers = {**HALF, "x-recommender-experiment": text}
        (found,) = (await predict(both, THEIRS[0], headers=headers)).json()["predictions"]
        assert found["items"] == ALONE
        named = message(THEIRS[0], model_version=RECEIVER)
        answer = await both.rpc.ModelInfer(named, metadata=tuple(HALF.items()))
        assert outputs(answer)["item_ids"] == ALONE
        assert both.answers == (0, 0)
