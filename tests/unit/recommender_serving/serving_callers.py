"""A transformer whose callers choose items, over each protocol, and a store that knows all."""

from __future__ import annotations

import contextlib
import dataclasses
import struct
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from recommender_serving.domain.types import Past, Ranking, SessionEvent
from recommender_serving.inference import inference_pb2 as pb
from recommender_serving.ranking.user_history import History
from recommender_serving.store.user_reader import User
from recommender_serving.triton.inputs import Tensors
from tests.unit.recommender_serving.serving_fakes import ALL, PLAIN, FakeRanker, Parts, giving
from tests.unit.recommender_serving.serving_rpc import Stub, calling
from tests.unit.recommender_serving.serving_samples import (
    MAX_TOP_N,
    NOW,
    sample_artifact,
)
from tests.unit.recommender_serving.serving_served import Served
from tests.unit.recommender_serving.serving_versions import INFER, PREDICT

HEADER = "x-user-id"
Stored = Mapping[str, frozenset[int]]
NOTHING: Stored = {"recent": frozenset(), "known": frozenset(), "unwanted": frozenset()}


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
    found = [tensor("user_id", [7]), tensor("top_n", [MAX_TOP_N])]
    for name, value in wish.items():
        if name in ("allow", "deny"):
            found.append(tensor(f"{name}.genre", [value], "BYTES"))
        else:
            found.append(tensor("session_items" if name == "session" else name, value))
    return found


def tensor(name: str, values: list[Any], datatype: str = "INT64") -> dict[str, Any]:
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
