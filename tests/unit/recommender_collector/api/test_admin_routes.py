"""Erasure; probes and metrics on a port of their own."""

from __future__ import annotations

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from recommender_collector.api.admin_routes import Erasures, admin_app, probes_app
from recommender_collector.collector_metrics import CollectorMetrics
from recommender_collector.domain.events import Erasure
from recommender_collector.domain.lines import entry_of
from recommender_collector.domain.pseudonyms import Pseudonyms
from recommender_collector.domain.validation import Rules
from recommender_collector.log.event_log import LogUnavailable
from recommender_contract.ids import hashed
from tests.unit.recommender_collector.collector_fakes import MemoryLog
from tests.unit.recommender_collector.collector_samples import MAPPING, model, rules

NUMBERS = rules({**MAPPING, "ids": {}})
KEYED = Pseudonyms(b"0123456789abcdef")


class Users:
    """The online store: remembers whom it forgot."""

    def __init__(self) -> None:
        self.forgotten: list[tuple[str, int]] = []

    async def forget(self, model: str, user: int) -> None:
        self.forgotten.append((model, user))


def client(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://admin")


class Desk:
    def __init__(self, alive: bool = True, problem: str = "") -> None:
        self.log, self.users, registry = MemoryLog(), Users(), CollectorRegistry()
        models = {"shop": rules(), "news": NUMBERS, "kept": Rules(model(hashUsers=True), KEYED)}
        metrics = CollectorMetrics(registry, models)

        async def unready() -> str:
            return problem

        erasures = Erasures(models, self.log, self.users, metrics)  # type: ignore[arg-type]
        self.client = client(admin_app(erasures))
        self.probes = client(probes_app(registry, lambda: alive, unready))

    def erased(self, name: str) -> list[object]:
        return [entry_of(line) for record in self.log.records[name] for line in record.lines]


@pytest.mark.parametrize(
    ("name", "text", "user"),
    [("shop", "ada", "ada"), ("shop", "a/b c", "a/b c"), ("shop", "7", "7"), ("news", "7", 7)],
)
async def test_an_erasure_is_durable_and_the_store_forgets_at_once(
    name: str, text: str, user: int | str
) -> None:
    desk = Desk()
    answer = await desk.client.delete(f"/v1/models/{name}/users/{text}")
    assert answer.status_code == 202
    assert answer.json() == {"store": "erased", "files": "pending"}
    assert desk.erased(name) == [Erasure(user)]
    assert desk.users.forgotten == [(name, hashed(user) if isinstance(user, str) else user)]


async def test_a_hashed_user_is_erased_by_the_id_that_the_caller_knows() -> None:
    desk = Desk()
    await desk.client.delete("/v1/models/kept/users/ada")
    assert desk.erased("kept") == [Erasure(KEYED("ada"))]


@pytest.mark.parametrize(
    ("path", "status"),
    [("nothing/users/ada", 404), ("news/users/ada", 400), ("news/users/-1", 400),
     ("news/users/" + "9" * 5000, 400), ("shop/users/" + "a" * 300, 400)],
)  # fmt: skip
async def test_a_wrong_erasure_says_what_is_wrong(path: str, status: int) -> None:
    desk = Desk()
    answer = await desk.client.delete(f"/v1/models/{path}")
    assert answer.status_code == status
    assert "give" in answer.json()["error"]
    assert desk.log.records == {}


async def test_an_erasure_is_not_acknowledged_without_the_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk()

    async def gone(*_: object) -> None:
        raise LogUnavailable("gone")

    monkeypatch.setattr(desk.log, "append_erasure", gone)
    answer = await desk.client.delete("/v1/models/shop/users/ada")
    assert answer.status_code == 503
    assert desk.users.forgotten == []


@pytest.mark.parametrize("is_good", [True, False])
async def test_the_probes_say_what_the_process_says(is_good: bool) -> None:
    desk = Desk(alive=is_good, problem="" if is_good else "the store hides")
    for path, said in (("/healthz", "stalled"), ("/readyz", "not ready: the store hides")):
        answer = await desk.probes.get(path)
        assert answer.status_code == (200 if is_good else 503)
        assert answer.text.strip() == ("ok" if is_good else said)


@pytest.mark.parametrize("path", ["/v1/models/shop/users/ada", "/v1/experiments/shop/0a1b2c3d"])
async def test_the_port_of_the_metrics_has_no_rights(path: str) -> None:
    desk = Desk()
    assert (await desk.probes.delete(path)).status_code == 404
    assert (await desk.client.get("/metrics")).status_code == 404


async def test_every_series_exists_from_the_start() -> None:
    page = (await Desk().probes.get("/metrics")).text
    assert 'recommender_collector_events_total{kind="click",model="shop"} 0.0' in page
    assert 'recommender_collector_refused_requests_total{reason="busy"} 0.0' in page
    assert 'recommender_collector_backlog_records{model="news"} 0.0' in page
