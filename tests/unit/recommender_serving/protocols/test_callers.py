"""Who may ask in whose name, and what an answer tells a caller who may name anybody."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import struct
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender_serving.answering.history import History
from recommender_serving.domain.callers import Verified
from recommender_serving.domain.ids import IdKind, IdKinds, hashed
from recommender_serving.domain.types import Past, Ranking, RecommendRequest, SessionEvent
from recommender_serving.inference import inference_pb2 as pb
from recommender_serving.protocols.errors import InvalidRequest
from recommender_serving.protocols.v1 import parse_v1
from recommender_serving.store.reader import User
from recommender_serving.triton.inputs import Tensors
from tests.unit.recommender_serving.serving_asking import infer, message, predict, v2
from tests.unit.recommender_serving.serving_fakes import ALL, PLAIN, FakeRanker, Parts, giving
from tests.unit.recommender_serving.serving_parsing import LIMITS
from tests.unit.recommender_serving.serving_rpc import Stub, calling
from tests.unit.recommender_serving.serving_samples import (
    CATALOGUE,
    GENRES,
    MAX_TOP_N,
    NOW,
    sample_artifact,
)
from tests.unit.recommender_serving.serving_served import Served
from tests.unit.recommender_serving.serving_versions import HEADERS, INFER, PREDICT, THEIRS, pair

HEADER = "x-user-id"
Stored = Mapping[str, frozenset[int]]
NOTHING: Stored = {"recent": frozenset(), "known": frozenset(), "unwanted": frozenset()}
items = st.integers(0, CATALOGUE - 1)
stored = st.fixed_dictionaries(
    {name: st.frozensets(items, max_size=9) for name in NOTHING}
)  # fmt: skip
chosen = st.lists(items, min_size=1, max_size=9, unique=True)
#: What a caller may choose items by.
wishes = st.one_of(
    st.fixed_dictionaries({"candidate_items": chosen}),
    st.fixed_dictionaries({"excluded_items": chosen}),
    st.fixed_dictionaries({"seed_items": chosen}),
    st.fixed_dictionaries({"session": chosen}),
    st.fixed_dictionaries({"allow": st.sampled_from(GENRES)}),
    st.fixed_dictionaries({"deny": st.sampled_from(GENRES)}),
)


class Graph(FakeRanker):
    """Ranks all items but those of the session, as the served graphs do."""

    async def rank(self, tensors: Tensors, top_n: int, timeout: float) -> Ranking:
        data = next(each.data for each in tensors if each.name == "session_items")
        seen = set(struct.unpack(f"<{len(data) // 8}q", data))
        pairs = [pair for pair in ALL.pairs if pair[0] not in seen][:top_n]
        ranked, scores = zip(*pairs, strict=True)
        return Ranking(ranked, scores)


class Store:
    """Knows the same of every user."""

    hides = True

    def __init__(self, known: Stored) -> None:
        self.reads = 0
        recent = [SessionEvent(item, NOW - 9, 3.0) for item in sorted(known["recent"])]
        self._user = User(tuple(recent), Past(known["known"], known["unwanted"]))

    async def read(self, user: int) -> User:
        self.reads += 1
        return self._user


@contextlib.asynccontextmanager
async def serving(
    folder: Path, known: Stored = NOTHING, *, trusting: bool = False, header: str = ""
) -> AsyncIterator[tuple[Served, Stub]]:
    parts = Parts(folder, Graph(lambda: ALL), giving(PLAIN), artifact=sample_artifact(folder))
    history = History(Store(known), lambda _: None, 5, 30.0, trusting=trusting)
    parts.recommender._history = history
    served = await Served.opened(folder, parts)
    served.service.limits = dataclasses.replace(served.service.limits, user_header=header)
    async with served.http, calling(served.service) as (rpc, _):
        yield served, rpc


def tensors(wish: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the inputs of v2 of a wish."""
    found = [_tensor("user_id", [7]), _tensor("top_n", [MAX_TOP_N])]
    for name, value in wish.items():
        if name in ("allow", "deny"):
            found.append(_tensor(f"{name}.genre", [value], "BYTES"))
        else:
            found.append(_tensor("session_items" if name == "session" else name, value))
    return found


def _tensor(name: str, values: list[Any], datatype: str = "INT64") -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [len(values)], "data": values}


def instance(wish: Mapping[str, Any]) -> dict[str, Any]:
    """Return the instance of v1 of a wish."""
    found: dict[str, Any] = {"user_id": 7, "top_n": MAX_TOP_N}
    for name, value in wish.items():
        if name in ("allow", "deny"):
            value = {"genre": [value]}
        elif name == "session":
            value = [{"item": item} for item in value]
        found[name] = value
    return found


def to_message(inputs: list[dict[str, Any]]) -> pb.ModelInferRequest:
    def contents(each: dict[str, Any]) -> dict[str, Any]:
        if each["datatype"] == "BYTES":
            return {"bytes_contents": [text.encode() for text in each["data"]]}
        return {"int64_contents": each["data"]}

    return pb.ModelInferRequest(
        model_name="recommender",
        inputs=[
            {**{k: v for k, v in each.items() if k != "data"}, "contents": contents(each)}
            for each in inputs
        ],
    )


async def answers(known: Stored, wish: Mapping[str, Any], **how: Any) -> dict[str, list[Any]]:
    """Return items and scores, as each protocol answers a wish for the user 7."""
    with tempfile.TemporaryDirectory() as folder:
        async with serving(Path(folder), known, **how) as (served, rpc):
            body = {"instances": [instance(wish)]}
            by_v1 = (await served.http.post(PREDICT, json=body)).json()["predictions"][0]
            inputs = tensors(wish)
            by_v2 = (await served.http.post(INFER, json={"inputs": inputs})).json()["outputs"]
            by_rpc = await rpc.ModelInfer(to_message(inputs))
    named = {each["name"]: each["data"] for each in by_v2}
    called = {each.name: each.contents for each in by_rpc.outputs}
    return {
        "v1": [by_v1["items"], by_v1["scores"]],
        "v2": [named["item_ids"], named["scores"]],
        "gRPC": [list(called["item_ids"].int64_contents), list(called["scores"].fp32_contents)],
    }


@settings(max_examples=25, deadline=None)
@given(stored, wishes)
def test_the_answer_to_a_choice_of_an_unknown_caller_is_that_of_a_user_without_history(
    known: Stored, wish: Mapping[str, Any]
) -> None:
    asked = asyncio.run(answers(known, wish))
    assert asked == asyncio.run(answers(NOTHING, wish))


@settings(max_examples=10, deadline=None)
@given(stored, chosen)
def test_each_candidate_of_an_unknown_caller_is_in_the_answer(
    known: Stored, candidates: list[int]
) -> None:
    for protocol, (found, _) in asyncio.run(
        answers(known, {"candidate_items": candidates})
    ).items():
        assert sorted(found) == sorted(candidates), protocol


HISTORY: Stored = {
    "recent": frozenset({1}), "known": frozenset({2, 3}), "unwanted": frozenset({4}),
}  # fmt: skip


@pytest.mark.parametrize("wish", [{"candidate_items": [1, 2, 3, 4, 5]}, {"session": [9]}])
async def test_a_trusted_caller_gets_answers_without_what_the_user_knows(
    wish: dict[str, Any],
) -> None:
    for protocol, (found, _) in (await answers(HISTORY, wish, trusting=True)).items():
        assert not {2, 3, 4} & set(found), protocol
        assert 5 in found


async def test_a_plain_request_leaves_out_what_its_user_knows_whoever_asks() -> None:
    for protocol, (found, _) in (await answers(HISTORY, {})).items():
        assert not {1, 2, 3, 4} & set(found), protocol


async def test_the_store_is_not_read_for_a_choice_of_an_unknown_caller() -> None:
    store = Store(HISTORY)
    history = History(store, lambda _: None, 5)
    asked = RecommendRequest(7, NOW, 3, session=(SessionEvent(1, NOW - 1),))
    assert await history.complete(asked) is asked
    assert store.reads == 0


async def test_the_gateways_user_replaces_a_missing_one_in_each_protocol(tmp_path: Path) -> None:
    async with serving(tmp_path, header=HEADER) as (served, rpc):
        headers = {HEADER: "7"}
        noted: list[int] = []
        recommend = served.parts.recommender.recommend

        async def watched(requests: Any, deadline: float | None = None) -> Any:
            noted.extend(each.user_id for each in requests)
            return await recommend(requests, deadline)

        served.parts.recommender.recommend = watched  # type: ignore[method-assign]
        body = {"instances": [{}, {"user_id": 7}]}
        assert (await served.http.post(PREDICT, json=body, headers=headers)).status_code == 200
        inputs = [_tensor("top_n", [3])]
        infer_body = {"inputs": inputs}
        assert (await served.http.post(INFER, json=infer_body, headers=headers)).is_success
        await rpc.ModelInfer(to_message(inputs), metadata=((HEADER, "7"),))
        assert noted == [7, 7, 7, 7]


@pytest.mark.parametrize(
    ("told", "user", "said"),
    [
        ("8", 7, f"user_id: got 7; {HEADER} names another user: leave user_id out"),
        (None, 7, "user_id: got 7; no user is verified: send a token"),
        ("7,8", None, f"{HEADER}: got '7,8'; let the Gateway set it once"),
        ("", None, f"{HEADER}: got ''; let the Gateway set it once"),
        ("mallory", None, f"{HEADER}: got 'mallory'; give a whole number"),
        ("9" * 19, None, f"{HEADER}: got 9999999999999999999; give a whole number"),
    ],
)
async def test_another_user_than_the_gateways_is_refused_in_each_protocol(
    tmp_path: Path, told: str | None, user: int | None, said: str
) -> None:
    headers = {} if told is None else {HEADER: told}
    wish = {} if user is None else {"user_id": user}
    async with serving(tmp_path, header=HEADER) as (served, rpc):
        body = {"instances": [{**wish, "seed_items": [1]}]}
        inputs = [_tensor(name, [value]) for name, value in wish.items()]
        inputs.append(_tensor("seed_items", [1]))
        for path, sent in ((PREDICT, body), (INFER, {"inputs": inputs})):
            answer = await served.http.post(path, json=sent, headers=headers)
            assert answer.status_code == 400
            assert said in answer.json()["error"]
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await rpc.ModelInfer(to_message(inputs), metadata=tuple(headers.items()))
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert said in str(refused.value.details())


async def test_a_second_header_of_the_name_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, header=HEADER) as (served, rpc):
        twice = [(HEADER, "7"), (HEADER, "8")]
        answer = await served.http.post(PREDICT, json={"instances": [{}]}, headers=twice)
        assert answer.status_code == 400
        assert "'7,8'" in answer.json()["error"]
        with pytest.raises(grpc.aio.AioRpcError, match="7,8"):
            await rpc.ModelInfer(message(7), metadata=tuple(twice))


async def test_a_caller_without_a_user_may_ask_by_a_session(tmp_path: Path) -> None:
    async with serving(tmp_path, header=HEADER) as (served, _):
        body = {"instances": [{"session": [{"item": 1}]}]}
        assert (await served.http.post(PREDICT, json=body)).status_code == 200


def test_the_users_of_a_version_with_text_ids_are_texts() -> None:
    limits = dataclasses.replace(LIMITS, ids=IdKinds(IdKind.TEXT, IdKind.INTEGER))
    user = Verified(HEADER, "42")
    for given_id in (None, "42"):
        (found,) = parse_v1({"instances": [{"user_id": given_id}]}, limits, NOW, user)
        assert (found.user_id, found.user_text) == (hashed("42"), "42")
    with pytest.raises(InvalidRequest, match="names another user"):
        parse_v1({"instances": [{"user_id": "042"}]}, limits, NOW, user)


async def test_the_version_of_the_user_in_an_experiment_is_told_the_verified_user(
    tmp_path: Path,
) -> None:
    async with pair(tmp_path) as both:
        for version in (both.receiver, both.candidate):
            service = version.served.service
            service.limits = dataclasses.replace(service.limits, user_header=HEADER)
        user = THEIRS[0]
        headers = HEADERS | {HEADER: str(user)}
        body = {"instances": [{"top_n": 2}]}
        http = both.receiver.served.http
        by_v1 = await http.post(PREDICT, json=body, headers=headers)
        assert by_v1.json()["predictions"][0]["items"] == [21, 22]
        by_v2 = await http.post(INFER, json=v2(user), headers=headers)
        assert by_v2.status_code == 200
        await infer(both, user, headers)
        assert both.receiver.forwarded() == {"answered": 3}
        refused = await predict(both, THEIRS[1], headers=headers)
        assert refused.status_code == 400
