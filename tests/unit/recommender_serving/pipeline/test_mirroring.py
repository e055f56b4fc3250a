"""Copies of users' requests: the candidate answers them, and nobody notices."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from recommender_serving.domain.types import FallReason, RankerError, Ranking
from recommender_serving.triton.inputs import Tensors
from tests.unit.recommender_serving.serving_asking import (
    OURS_BEST,
    infer,
    message,
    outputs,
    predict,
    v2,
)
from tests.unit.recommender_serving.serving_fakes import (
    GOOD,
    PLAIN,
    FakeRanker,
    failing,
    giving,
)
from tests.unit.recommender_serving.serving_shadows import COPY, SHADOW, Shadowed, shadowed
from tests.unit.recommender_serving.serving_versions import INFER, PREDICT, RECEIVER

#: Counters of users; none of them may change by a copy.
OF_USERS: tuple[tuple[str, dict[str, str]], ...] = (
    ("recommender_requests_total", {"outcome": "ok"}),
    ("recommender_requests_total", {"outcome": "error"}),
    ("recommender_requests_total", {"outcome": "invalid"}),
    ("recommender_answers_total", {"source": "model"}),
    ("recommender_answers_total", {"source": "baseline"}),
    ("recommender_fallbacks_total", {"reason": "error"}),
    ("recommender_request_duration_seconds_count", {}),
    ("recommender_sessions_total", {}),
    ("recommender_feature_values_total", {"feature": "session_length", "bin": "0"}),
    ("transformer_cache_lookups_total", {"outcome": "miss"}),
    ("transformer_cache_entries", {}),
    ("transformer_impressions_total", {"outcome": "durable"}),
)


def of_users(both: Shadowed) -> list[float | None]:
    return [both.candidate.value(name, **labels) for name, labels in OF_USERS]


async def test_every_protocol_is_copied_and_users_get_the_answer_of_their_version(
    tmp_path: Path,
) -> None:
    async with shadowed(tmp_path) as both:
        (found, other) = (await predict(both, 1, 2, headers=SHADOW)).json()["predictions"]
        assert found["items"] == other["items"] == OURS_BEST
        assert "arm" not in found
        http = both.receiver.served.http
        body = (await http.post(INFER, json=v2(3), headers=SHADOW)).json()
        assert body["model_version"] == RECEIVER
        answer = outputs(await infer(both, 4, SHADOW))
        assert answer["item_ids"] == OURS_BEST
        await both.settled()
        assert both.receiver.copied() == {"answered": 3}
        assert both.counted("ok") == 4
        value = both.candidate.value
        assert value("recommender_shadow_answers_total", source="model") == 4
        assert value("recommender_shadow_request_duration_seconds_count") == 4
        assert both.receiver.value("recommender_requests_total", outcome="ok") == 4


async def test_a_copy_leaves_no_trace_but_in_its_own_counters(tmp_path: Path) -> None:
    async with shadowed(tmp_path) as both:
        before = of_users(both)
        for _ in range(2):  # the cache of copies answers the second one
            await predict(both, 1, headers=SHADOW, session_id="a", session=[{"item": 1}])
            await both.settled()
        assert both.counted("ok") == 2
        value = both.candidate.value
        assert value("recommender_shadow_answers_total", source="model") == 2
        assert value("recommender_shadow_request_duration_seconds_count") == 1, "one is cached"
        assert of_users(both) == before
        assert value("transformer_requests_in_flight") == 0
        # The first request of the session that a user sends is still the first one.
        await both.candidate.served.http.post(
            PREDICT, json={"instances": [{"user_id": 1, "session_id": "a"}]}
        )
        assert both.candidate.value("recommender_sessions_total") == 1
        assert len(await both.candidate.desk.reported()) == 1
        assert len(await both.receiver.desk.reported()) == 2


async def test_fallbacks_for_copies_are_counted_apart(tmp_path: Path) -> None:
    def broken() -> Any:
        return failing(RankerError(FallReason.NONFINITE))

    async with shadowed(tmp_path, broken) as both:
        before = of_users(both)
        await predict(both, 1, headers=SHADOW)
        await both.settled()
        value = both.candidate.value
        assert value("recommender_shadow_fallbacks_total", reason="nonfinite") == 1
        assert value("recommender_shadow_answers_total", source="baseline") == 1
        assert value("recommender_fallbacks_total", reason="nonfinite") == 0
        assert of_users(both) == before


async def test_an_error_for_a_copy_is_one_of_the_candidate_alone(tmp_path: Path) -> None:
    async with shadowed(tmp_path) as both:

        async def fail(*_: Any) -> Any:
            raise ZeroDivisionError

        shadow = both.candidate.served.parts.recommender.mirrored
        assert shadow is not None
        shadow._chain.answer = fail  # type: ignore
        answer = await predict(both, 1, headers=SHADOW)
        assert answer.status_code == 200
        await both.settled()
        assert both.counted("error") == 1
        assert both.receiver.copied() == {"failed": 1}


class Held(FakeRanker):
    """Answers when it is released."""

    def __init__(self) -> None:
        super().__init__(lambda: PLAIN)
        self.released = asyncio.Event()

    async def rank(self, tensors: Tensors, top_n: int, timeout: float) -> Ranking:
        await self.released.wait()
        return await super().rank(tensors, top_n, timeout)


async def test_a_candidate_that_hangs_delays_no_user(tmp_path: Path) -> None:
    held = Held()
    async with shadowed(tmp_path, lambda: held) as both:
        for user in range(9):
            assert (await predict(both, user, headers=SHADOW)).status_code == 200
        copies = both.receiver.served.service.mirror
        assert copies is not None
        assert copies.in_flight == 9
        assert both.receiver.copied() == {}
        assert both.receiver.value("recommender_requests_total", outcome="ok") == 9
        held.released.set()
        await both.settled()
        assert both.receiver.copied() == {"answered": 9}


async def test_a_candidate_that_is_gone_fails_no_user(tmp_path: Path) -> None:
    async with shadowed(tmp_path) as both:
        peers = both.receiver.served.service.mirror._peers  # type: ignore
        peer = peers.peer("movies-11111111")
        peer.rest._address = "http://127.0.0.1:1"
        assert (await predict(both, 1, headers=SHADOW)).status_code == 200
        await both.settled()
        assert both.receiver.copied() == {"failed": 1}


async def test_what_the_own_version_refuses_is_not_copied(tmp_path: Path) -> None:
    async with shadowed(tmp_path) as both:
        assert (await predict(both, 1, headers=SHADOW, age=3)).status_code == 400
        named = "/v2/models/recommender/versions/movies-00000000/infer"
        answer = await both.receiver.served.http.post(named, json=v2(1), headers=SHADOW)
        assert answer.status_code == 200
        await both.rpc.ModelInfer(
            message(1, model_version=RECEIVER), metadata=tuple(SHADOW.items())
        )
        await both.settled()
        assert both.receiver.copied() == {}


async def test_a_call_that_fails_holds_no_bytes_for_its_copy(tmp_path: Path) -> None:
    async with shadowed(tmp_path) as both:
        copies = both.receiver.served.service.mirror
        assert copies is not None
        assert (await predict(both, 1, headers=SHADOW, age=3)).status_code == 400
        bad = await both.receiver.served.http.post(INFER, content=b"{", headers=SHADOW)
        assert bad.status_code == 400
        assert copies._held == 0
        assert (await predict(both, 1, headers=SHADOW)).status_code == 200
        await both.settled()
        assert copies._held == 0


async def test_no_answer_to_a_copy_reaches_a_user_by_the_cache(tmp_path: Path) -> None:
    model = giving(PLAIN)
    async with shadowed(tmp_path, lambda: model) as both:
        body = {"instances": [{"user_id": 1}]}
        http = both.candidate.served.http
        await http.post(PREDICT, json=body, headers=COPY)
        assert model.calls == 1
        await http.post(PREDICT, json=body)
        assert model.calls == 2, "users have a cache of their own"
        await http.post(PREDICT, json=body, headers=COPY)
        assert model.calls == 3, "and when they come, that of copies is emptied"


async def test_a_copy_that_the_candidate_refuses_is_no_request_of_a_user(tmp_path: Path) -> None:
    async with shadowed(tmp_path) as both:
        http = both.candidate.served.http
        answer = await http.post(PREDICT, json={"instances": [{"age": 3}]}, headers=COPY)
        assert answer.status_code == 400
        assert both.counted("invalid") == 1
        assert both.candidate.served.count("invalid") == 0


@pytest.mark.parametrize("more", [{}, SHADOW, {"x-recommender-experiment": "no"}])
async def test_who_pretends_to_send_a_copy_only_gets_an_answer_that_counts_for_nobody(
    tmp_path: Path, more: dict[str, str]
) -> None:
    async with shadowed(tmp_path, lambda: giving(GOOD)) as both:
        before = of_users(both)
        http = both.candidate.served.http
        body = {"instances": [{"user_id": 1, "top_n": 2}]}
        answer = await http.post(PREDICT, json=body, headers=COPY | more)
        assert answer.json()["predictions"][0]["items"] == OURS_BEST
        assert of_users(both) == before
        assert await both.candidate.desk.reported() == []
        assert both.receiver.copied() == {}
