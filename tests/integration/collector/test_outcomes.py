"""Outcomes of predictions: from events to what the operator reads, in a real Redis."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from recommender_collector.api.outcome_routes import shown
from recommender_collector.collector_metrics import WriterMetrics
from recommender_collector.domain.events import Erasure, Event
from recommender_collector.domain.lines import Line, Lines, digest, line_of
from recommender_collector.domain.store_updates import number
from recommender_collector.log.redis_log import RedisLog
from recommender_collector.outcomes.predictions import DAY_MILLISECONDS, LabelRule
from recommender_collector.store.experiment_store import ExperimentStore
from recommender_collector.store.outcome_store import KEEP_SECONDS, OutcomeStore
from recommender_collector.store.user_store import OnlineStore
from recommender_collector.writers.experiment_writer import Experiments
from recommender_collector.writers.online_writer import OnlineWriter
from recommender_collector.writers.outcome_writer import OutcomeCounter
from recommender_contract.events import Kind
from tests.experiment_desk import DAY, now
from tests.unit.recommender_collector.collector_samples import mapping, model

LABEL = {
    "positiveTypes": [{"type": "purchase"}],
    "attribution": {"impressions": ["impression"], "hours": 2},
}
DEVICE = {"name": "device", "kind": "Categorical", "fairness": True}
AGE = {"name": "age", "kind": "Numeric", "fairness": True}
USERS = {"files": "users/*", "id": "user_id", "features": [AGE]}
MODEL = model({**mapping(features=[DEVICE]), "users": USERS, "label": LABEL})
SHOP = "shop-0a1b2c3d"
SUMS = "{shop}:outcomes"
#: A rule by which days close at once, to read what is counted now.
AT_ONCE = LabelRule(frozenset({Kind.PURCHASE}), window=7_200_000, late=-3 * DAY_MILLISECONDS)


class Desk:
    """A store and two writers of it."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.log = RedisLog(redis, {"shop": DAY})
        self.reader = OutcomeStore(redis)
        self.registry = CollectorRegistry()
        self.writer, self.other = self._writer(self.registry), self._writer(CollectorRegistry())
        self.number = 0

    def _writer(self, registry: CollectorRegistry) -> OnlineWriter:
        return OnlineWriter(
            self.log,
            OnlineStore(self.redis, DAY),
            "shop",
            MODEL,
            WriterMetrics(registry, ["shop"]),
            Experiments(ExperimentStore(self.redis), "shop", MODEL),
            OutcomeCounter(self.reader, "shop", MODEL),
        )

    async def put(self, *entries: Event | Erasure) -> None:
        """Append one record."""
        lines = []
        for entry in entries:
            self.number += 1
            lines.append(Line(digest(str(self.number)), line_of(entry)))
        await self.log.append("shop", Lines.of(lines))

    async def sums(self) -> tuple[float, float, float]:
        """Return users, predictions and labels of all days."""
        days = (await self.reader.read("shop", SHOP, AT_ONCE)).days.values()
        found = [each.shown()["sums"] for each in days]
        return (
            sum(each.users for each in days),
            sum(each["predictions"] for each in found),  # type: ignore[index]
            sum(each["labels"] for each in found),  # type: ignore[index]
        )

    async def segments(self) -> list[dict[str, Any]]:
        """Return the segments of the only day."""
        answer: dict[str, Any] = shown(SHOP, await self.reader.read("shop", SHOP, AT_ONCE))
        (day,) = answer["days"]
        found: list[dict[str, Any]] = day["segments"]
        return found

    async def fields(self) -> list[bytes]:
        return await cast("Awaitable[list[bytes]]", self.redis.hkeys(SUMS))


@pytest.fixture
def desk(redis: Redis) -> Desk:
    return Desk(redis)


def impression(user: str, time: int) -> Event:
    return Event(
        "e", Kind.IMPRESSION, user, ("tea", "oil"), time, version=SHOP, path="model",
        probabilities=(0.25, 0.5),
    )  # fmt: skip


def _user(name: str) -> str:
    return f"{SUMS}:user:{number(name)}"


def purchase(user: str, time: int) -> Event:
    return Event("e", Kind.PURCHASE, user, ("tea",), time, 4.5)


async def test_two_writers_count_each_event_once_in_any_order(desk: Desk) -> None:
    at = now() - 60_000
    await desk.put(impression("bob", at), purchase("ada", at + 1000))
    await desk.writer.step(0.01)
    await desk.put(impression("ada", at))
    await desk.other.step(0.01)
    await desk.writer.step(0.01)
    assert await desk.sums() == (2, 4, 1)
    value = desk.registry.get_sample_value
    assert value("recommender_writer_predictions_total", {"model": "shop", "counts": "true"}) == 2


async def test_predictions_are_told_by_bands_of_what_requests_say_of_users(desk: Desk) -> None:
    at = now() - 60_000
    young = impression("ada", at)._replace(
        context={"device": "phone"}, label_segments=(("age", "<18"),)
    )
    of_earlier_release = impression("bob", at)._replace(context={"device": "tv"})
    await desk.put(young, of_earlier_release, purchase("ada", at + 1000))
    await desk.writer.step(0.01)
    found = {
        (each["feature"], each["value"]): (each["users"], each["sums"]["labels"])
        for each in await desk.segments()
    }
    assert found == {
        ("device", "phone"): (1, 1), ("device", "tv"): (1, 0), ("age", "<18"): (1, 1),
    }  # fmt: skip


async def test_predictions_are_told_by_segment(desk: Desk) -> None:
    at = now() - 60_000
    on_phone = impression("ada", at)._replace(context={"device": "phone"})
    await desk.put(on_phone, impression("bob", at), purchase("ada", at + 1000))
    await desk.writer.step(0.01)
    found = {
        each["value"]: (each["users"], each["sums"]["labels"]) for each in await desk.segments()
    }
    assert found == {"phone": (1, 1), "unknown": (1, 0)}
    await desk.put(Erasure("ada"))
    await desk.writer.step(0.01)
    assert [each["value"] for each in await desk.segments()] == ["unknown"]


async def test_an_erased_user_leaves_the_sums_and_the_store(desk: Desk) -> None:
    at = now() - 60_000
    await desk.put(impression("ada", at), purchase("ada", at), impression("bob", at))
    await desk.writer.step(0.01)
    await desk.put(Erasure("ada"))
    await desk.writer.step(0.01)
    assert await desk.sums() == (1, 2, 0)
    keys = {name.decode() async for name in desk.redis.scan_iter("*outcomes*")}
    assert keys == {SUMS, _user("bob")}
    for name in keys:
        assert 0 < await desk.redis.ttl(name) <= KEEP_SECONDS


async def test_a_model_without_predictions_keeps_nothing(desk: Desk) -> None:
    at = now() - 60_000
    await desk.put(purchase("ada", at))
    await desk.put(purchase("bob", at))
    await desk.writer.step(0.01)
    assert [name async for name in desk.redis.scan_iter("*outcomes*")] == []
    await desk.put(impression("bob", at))
    await desk.writer.step(0.01)
    await desk.put(purchase("ada", at), purchase("bob", at))
    await desk.writer.step(0.01)
    assert await desk.sums() == (1, 2, 1)
    rule = LabelRule.of_model(MODEL)
    assert rule is not None
    left = [await desk.redis.pttl(_user(user)) for user in ("ada", "bob")]
    assert left[0] <= rule.late < left[1] <= rule.keep


async def test_a_day_is_shown_when_no_event_can_change_it(desk: Desk) -> None:
    await desk.put(impression("ada", now() - 60_000))
    await desk.writer.step(0.01)
    rule = LabelRule.of_model(MODEL)
    assert rule is not None
    answer = shown(SHOP, await desk.reader.read("shop", SHOP, rule))
    assert (answer["counts"], answer["days"]) == (True, [])


async def test_a_damaged_user_is_left_out_and_events_go_on(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    at = now() - 60_000
    await desk.put(impression("ada", at))
    await desk.writer.step(0.01)
    await desk.redis.set(_user("ada"), "ada was here")
    with caplog.at_level(logging.WARNING):
        await desk.put(impression("bob", at), Erasure("ada"))
        await desk.writer.step(0.01)
    assert (await desk.sums())[0] == 2
    assert "left out" in caplog.text
    assert "ada" not in caplog.text
    assert not await desk.redis.exists(_user("ada"))


@pytest.mark.parametrize("text", ["x", None], ids=["damaged", "missing"])
async def test_sums_that_are_lost_are_not_shown_any_more(desk: Desk, text: str | None) -> None:
    at = now() - 60_000
    await desk.put(impression("ada", at), impression("bob", at))
    await desk.writer.step(0.01)
    field = f"{SHOP} {at // DAY_MILLISECONDS}"
    change = ("HDEL", SUMS, field) if text is None else ("HSET", SUMS, field, text)
    await desk.redis.execute_command(*change)  # type: ignore[no-untyped-call]
    for entry in (Erasure("ada"), purchase("bob", at), impression("eve", at)):
        await desk.put(entry)
        await desk.writer.step(0.01)
        assert await desk.sums() == (0, 0, 0)
    assert {name.decode() for name in await desk.fields()} == {""}


async def test_a_damaged_index_starts_all_sums_anew(desk: Desk) -> None:
    at = now() - 60_000
    await desk.put(impression("ada", at), impression("bob", at))
    await desk.writer.step(0.01)
    for field in ("", "shop-old 1"):
        await desk.redis.execute_command("HSET", SUMS, field, "x")  # type: ignore[no-untyped-call]
    await desk.put(impression("eve", at))
    await desk.writer.step(0.01)
    await desk.put(Erasure("ada"), purchase("bob", at))
    await desk.writer.step(0.01)
    assert await desk.sums() == (1, 2, 0)
    assert len(await desk.fields()) == 2
