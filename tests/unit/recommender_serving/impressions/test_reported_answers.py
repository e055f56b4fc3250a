"""Each answer of each protocol is reported with the id that its client got."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from recommender_contract.ids import hashed
from recommender_serving.artifact.loader import load
from recommender_serving.domain.types import Ranking
from recommender_serving.impressions.collector_client import Receipt
from recommender_serving.impressions.impression_events import Origin
from recommender_serving.impressions.reporter import Bounds, Impressions
from recommender_serving.inference import inference_pb2 as pb
from tests.unit.recommender_serving.serving_fakes import Parts, giving
from tests.unit.recommender_serving.serving_rpc import calling
from tests.unit.recommender_serving.serving_samples import NOW, TEXTS, write_text_files
from tests.unit.recommender_serving.serving_served import Served

PREDICT = "/v1/models/recommender:predict"
INFER = "/v2/models/recommender/infer"
BEST = Ranking(tuple(map(hashed, TEXTS)), tuple(1 - i / 10 for i in range(len(TEXTS))))


class Desk:
    """A transformer with ids that are texts, and the data of what it reports."""

    def __init__(self, folder: Path) -> None:
        write_text_files(folder)
        self.parts = Parts(folder, giving(BEST), giving(BEST), artifact=load(folder))
        self.events: list[dict[str, Any]] = []
        self.impressions = Impressions(
            self._post,
            Origin("movies", "movies-1", "movies-1/0f"),
            1.0,
            self.parts.artifact.vocabulary.features,
            self.parts.metrics.reported,
            Bounds(gather_seconds=0),
        )

    def _post(self, body: bytes) -> Receipt:
        self.events += orjson.loads(body)
        return Receipt(len(orjson.loads(body)), 0)

    async def opened(self, folder: Path) -> Served:
        return await Served.opened(folder, self.parts, self.impressions)

    async def reported(self) -> list[dict[str, Any]]:
        self.impressions.close()
        async with asyncio.timeout(60):
            await self.impressions.run()
        return [each["data"] for each in self.events]


async def test_v1_reports_every_instance(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    served = await desk.opened(tmp_path)
    body = {
        "instances": [
            {"user_id": "ada", "top_n": 2, "session_id": "s-1", "timestamp": 5},
            {"seed_items": [TEXTS[0]]},
            {"user_id": "eve", "top_n": 1},
        ]
    }
    async with served.http:
        answer = await served.http.post(PREDICT, json=body, headers={"x-request-id": "page-7"})
        await served.http.post(PREDICT, json={"instances": [{"user_id": "ada", "top_n": 0}]})
    told = answer.json()["predictions"]
    first, last = await desk.reported()
    assert first == {
        "model": "movies", "user": "ada", "items": told[0]["items"], "request": "page-7-0",
        "session": "s-1", "version": "movies-1", "path": "model", "hashed": True,
    }  # fmt: skip
    assert (last["user"], last["items"], last["request"]) == ("eve", told[2]["items"], "page-7-2")
    assert "session" not in last
    # The time of the answer, whatever the request says.
    assert {each["time"] for each in desk.events} == {
        datetime.fromtimestamp(NOW, UTC).isoformat(timespec="milliseconds")
    }
    assert desk.parts.value("transformer_impressions_total", outcome="durable") == 2


async def test_v2_reports_over_rest_and_grpc(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    served = await desk.opened(tmp_path)
    user = {"name": "user_id", "datatype": "BYTES", "shape": [1], "data": ["ada"]}
    async with served.http:
        await served.http.post(INFER, json={"id": "call-1", "inputs": [user]})
    message = pb.ModelInferRequest(model_name="recommender", id="call-2")
    tensor = message.inputs.add(name="user_id", datatype="BYTES", shape=[1])
    tensor.contents.bytes_contents.append(b"ada")
    async with calling(served.service) as (stub, _):
        await stub.ModelInfer(message)
    found = await desk.reported()
    assert [(each["user"], each["request"]) for each in found] == [
        ("ada", "call-1"), ("ada", "call-2"),
    ]  # fmt: skip
