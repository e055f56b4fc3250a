"""`POST /v1/events`: checked, durable, acknowledged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import httpx
import orjson
import pytest
from prometheus_client import CollectorRegistry

from recommender_collector.api.callers import Callers
from recommender_collector.api.event_routes import Events, public_app
from recommender_collector.api.request_bodies import Bodies
from recommender_collector.collector_metrics import CollectorMetrics
from recommender_collector.domain.events import Event
from recommender_collector.domain.lines import entry_of
from recommender_collector.log.event_log import LogBusy, LogUnavailable
from recommender_collector.log.group_commit import GroupCommit
from recommender_contract.events import MAX_BODY
from tests.unit.recommender_collector.collector_fakes import MemoryLog
from tests.unit.recommender_collector.collector_garbage import without_garbage
from tests.unit.recommender_collector.collector_samples import NOW, click, rules

CLOUD = {
    "specversion": "1.0", "id": "1", "source": "/web", "type": "dev.recommender.click",
    "data": {"user": "ada", "item": "tea"},
}  # fmt: skip


class Desk:
    """The application on a log in memory."""

    def __init__(self, bodies: Bodies | None = None, *models: str, **more: Any) -> None:
        self.log = MemoryLog()
        self.registry = CollectorRegistry()
        names = models or ("shop",)
        metrics = CollectorMetrics(self.registry, names)
        commits = {name: GroupCommit(self.log, name) for name in names}
        callers = Callers({name: rules() for name in names})
        events = Events(callers, commits, metrics, bodies, lambda: NOW, **more)
        self.app = public_app(events)
        transport = httpx.ASGITransport(self.app)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://collector")

    async def post(self, body: Any, **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post("/v1/events", content=content, headers=named)

    def stored(self, model: str = "shop") -> list[Any]:
        return [
            entry_of(line) for record in self.log.records.get(model, []) for line in record.lines
        ]

    def count(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"recommender_collector_{name}_total", labels)


async def test_valid_events_are_durable_when_the_answer_comes() -> None:
    desk = Desk()
    answer = await desk.post([click(id="a"), click(id="b")])
    assert answer.status_code == 200
    assert answer.json() == {"accepted": 2, "repeated": 0, "rejected": []}
    assert [event.id for event in desk.stored()] == ["a", "b"]
    assert desk.count("events", model="shop", kind="click") == 2


async def test_a_batch_that_is_sent_again_has_no_further_effect() -> None:
    desk = Desk()
    await desk.post([click(id="a"), click(id="b")])
    answer = await desk.post([click(id="a"), click(id="b"), click(id="c"), click(id="c")])
    assert answer.status_code == 200
    assert answer.json() == {"accepted": 1, "repeated": 3, "rejected": []}
    assert [event.id for event in desk.stored()] == ["a", "b", "c"]
    assert desk.count("repeated_events", model="shop") == 3
    assert desk.count("events", model="shop", kind="click") == 3


async def test_bad_events_are_rejected_each_with_its_error_and_the_others_kept() -> None:
    desk = Desk()
    answer = await desk.post([click(id="a"), click(id="b", user=5), click(id="c")])
    assert answer.status_code == 207
    told = answer.json()
    assert (told["accepted"], len(told["rejected"])) == (2, 1)
    assert told["rejected"][0] | {"error": ""} == {
        "index": 1, "id": "b", "field": "user", "error": "",
    }  # fmt: skip
    assert told["rejected"][0]["error"].startswith("user: got 5; give")
    assert desk.count("rejected_events") == 1


async def test_a_request_of_bad_events_alone_is_a_bad_request() -> None:
    desk = Desk()
    answer = await desk.post(click(kind="clack"))
    assert answer.status_code == 400
    assert answer.json()["rejected"][0]["field"] == "kind"
    assert desk.stored() == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"5", b"\xff", b'{"id": NaN}', b"[" * 9999])
async def test_a_body_without_events_is_a_bad_request(body: bytes) -> None:
    desk = Desk()
    answer = await desk.post(body)
    assert answer.status_code == 400
    assert "error" in answer.json() or answer.json()["rejected"]
    assert desk.stored() == []


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/cloudevents+json; charset=utf-8", CLOUD),
        ("application/cloudevents-batch+json", [CLOUD]),
    ],
)
async def test_cloud_events_are_events(content_type: str, body: object) -> None:
    desk = Desk()
    assert (await desk.post(body, content_type=content_type)).status_code == 200
    assert [event.id for event in desk.stored()] == ["/web 1"]


async def test_a_cloud_event_in_binary_mode_is_an_event() -> None:
    desk = Desk()
    headers = {f"ce_{name}": str(value) for name, value in CLOUD.items() if name != "data"}
    answer = await desk.post(CLOUD["data"], content_type="application/json", **headers)
    assert answer.status_code == 200
    assert [event.id for event in desk.stored()] == ["/web 1"]


async def test_events_of_several_models_go_to_their_logs() -> None:
    desk = Desk(None, "shop", "news")
    answer = await desk.post([click(id="a", model="shop"), click(id="b", model="news")])
    assert answer.json()["accepted"] == 2
    assert [event.id for event in desk.stored("news")] == ["b"]


@pytest.mark.parametrize(
    ("failure", "status", "reason"),
    [
        (LogBusy("the store's memory is full", 3), 429, "busy"),
        (LogUnavailable("the store does not answer"), 503, "unavailable"),
    ],
)
async def test_what_is_not_durable_is_not_acknowledged(
    failure: Exception, status: int, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk()
    desk.log.failures = [failure]
    answer = await desk.post(click(), x_request_id="page-7")
    (line,) = caplog.records
    assert (line.levelno, line.getMessage()) == (logging.WARNING, "request refused")
    assert vars(line)["fields"] == {"request_id": "page-7", "reason": reason}
    assert answer.status_code == status
    assert int(answer.headers["retry-after"]) >= 1
    assert "again" in answer.json()["error"]
    assert desk.count("refused_requests", reason=reason) == 1
    assert desk.count("events", model="shop", kind="click") == 0
    assert (await desk.post(click())).json()["accepted"] == 1


@pytest.mark.parametrize("failure", [LogBusy, LogUnavailable])
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        orjson.dumps(click(id=5, model="shop")),
        orjson.dumps([click(model="shop")] * 9),
        orjson.dumps([click(model="shop"), click(model="news"), 5]),
    ],
)
async def test_a_request_that_fails_leaves_no_cycle(body: bytes, failure: type[Exception]) -> None:
    desk = Desk(None, "shop", "news")
    desk.log.failures = [failure("no")]
    scope = {"type": "http", "method": "POST", "path": "/v1/events", "headers": []}
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: MutableMapping[str, Any]) -> None:
        statuses.append(message.get("status", 0))

    with without_garbage():
        await desk.app(scope, receive, send)
        await asyncio.sleep(0)
    assert statuses[0] >= 400


async def test_a_body_above_the_limit_is_refused_stated_or_not() -> None:
    desk = Desk()
    stated = await desk.post(b" " * (MAX_BODY + 1))
    assert stated.status_code == 413

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b" " * (MAX_BODY // 2)

    answer = await desk.client.post("/v1/events", content=parts())
    assert answer.status_code == 413
    assert f"more than {MAX_BODY} bytes" in answer.json()["error"]
    assert desk.count("refused_requests", reason="too_large") == 2


async def test_bodies_together_stay_within_the_budget() -> None:
    desk = Desk(Bodies(budget=MAX_BODY))
    gate = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"["
        await gate.wait()
        yield orjson.dumps(click(id="a")) + b"]"

    first = asyncio.create_task(desk.client.post("/v1/events", content=slow()))
    await asyncio.sleep(0)
    while (refused := await desk.post(click(id="b"))).status_code == 200:
        await asyncio.sleep(0)  # the first request has not begun
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "1"
    gate.set()
    assert (await first).status_code == 200
    assert (await desk.post(click(id="c"))).status_code == 200


async def test_a_body_that_stalls_is_refused() -> None:
    desk = Desk(Bodies(seconds=0.01))

    async def stalled() -> AsyncIterator[bytes]:
        yield b"["
        await asyncio.Event().wait()

    answer = await desk.client.post("/v1/events", content=stalled())
    assert answer.status_code == 408
    assert (await desk.post(click())).status_code == 200


async def test_only_post_to_the_one_path_is_allowed() -> None:
    client = Desk().client
    assert (await client.get("/v1/events")).status_code == 405
    assert (await client.post("/v1/event", json=click())).status_code == 404


async def test_a_stored_event_is_what_was_sent() -> None:
    desk = Desk()
    await desk.post(click(time=NOW - 1, value=4, session="s", context={"device": "phone"}))
    (event,) = desk.stored()
    assert event == Event(
        "e1", event.kind, "ada", ("tea",), int(NOW - 1) * 1000, 4.0, None, "s", None,
        {"device": "phone"},
    )  # fmt: skip


async def test_purchases_are_taken_before_impressions_while_the_memory_is_nearly_full() -> None:
    desk = Desk(takes_impressions=lambda: False)
    shown = {"id": "s", "kind": "impression", "user": "ada", "items": ["tea"]}
    bought = click(id="b", kind="purchase", value=1)
    answer = await desk.post([shown, bought, click(id="c")])
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert "impressions wait" in answer.json()["error"]
    assert [event.id for event in desk.stored()] == ["b", "c"]
    assert desk.count("events", model="shop", kind="purchase") == 1
    assert (await desk.post(shown)).status_code == 429
    assert (await desk.post(bought)).json()["repeated"] == 1
    assert (await desk.post(click(id="d"))).status_code == 200
