"""What a request reads from the store equals what training computes from the lake.

Both sides are the real ones: the log, both writers and the store in Redis, the files, the
ingestion, the tables, and the histories that training rows are made of.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from recommender_collector.collector_metrics import WriterMetrics
from recommender_collector.domain.declaration import Model, parse_declaration
from recommender_collector.domain.events import Event
from recommender_collector.domain.lines import Line, Lines, digest, line_of
from recommender_collector.log.redis_log import RedisLog
from recommender_collector.store.experiment_store import ExperimentStore
from recommender_collector.store.user_store import OnlineStore
from recommender_collector.writers.experiment_writer import Experiments
from recommender_collector.writers.file_batches import Batches
from recommender_collector.writers.lake_writer import RECORDS, LakeWriter, Pace
from recommender_collector.writers.online_writer import OnlineWriter
from recommender_contract.events import Kind
from recommender_contract.ids import hashed
from recommender_contract.resource.mapping import Format
from recommender_serving.store.sessions import history
from recommender_serving.store.user_reader import UserReader
from recommender_training.data.load import load_dataset
from recommender_training.features.event_history import Histories
from recommender_training.ingestion import ingest
from recommender_training.ingestion.mapping_argument import parse_mapping
from tests import redis_server
from tests.unit.recommender_collector.collector_samples import mapping

NOW = 1_795_000_000
LENGTH = 5
KINDS = (Kind.CLICK, Kind.PURCHASE, Kind.IMPRESSION, Kind.DISLIKE)
TYPES = [{"type": "click", "value": 3.3}, {"type": "purchase", "value": 5}]
_FULL = mapping(eventTypes=TYPES)
SECTION = {
    "interactions": {k: v for k, v in _FULL["interactions"].items() if k != "features"},
    "ids": _FULL["ids"],
}
#: Item, seconds since 1970, value in single precision.
Seen = tuple[int, int, float]
#: What was known at the second of an event of a user.
Known = dict[tuple[int, int], tuple[Seen, ...]]


class Desk:
    """A store and files of one model, from nothing."""

    def __init__(self, url: str, folder: Path) -> None:
        self.folder = folder
        self.model: Model = parse_declaration(
            orjson.dumps({"models": {"shop": {"mapping": SECTION}}})
        ).models["shop"]
        self.redis: Redis = Redis.from_url(url)
        self.log = RedisLog(self.redis, {"shop": 86_400})
        metrics = WriterMetrics(CollectorRegistry(), ["shop"])
        store = OnlineStore(self.redis, 86_400)
        experiments = Experiments(ExperimentStore(self.redis), "shop", self.model)
        self.online = OnlineWriter(self.log, store, "shop", self.model, metrics, experiments)
        self.lake = LakeWriter(
            self.log, Batches(folder / "raw"), "shop", self.model, metrics, Pace(seconds=1e9)
        )
        self.users = UserReader(url, "shop")
        self.records = 0

    async def __aenter__(self) -> Desk:
        await self.redis.flushall()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.users.close()
        await self.redis.aclose()

    async def put(self, events: Sequence[Event]) -> None:
        """Append events as the collector does, and let the store have them."""
        await self.log.append(
            "shop", Lines.of(Line(digest(each.id), line_of(each)) for each in events)
        )
        await self.online.step(wait=0.001)
        self.records += 1

    async def known(self, user: int, second: int) -> tuple[Seen, ...]:
        """What a request of the user at the second reads."""
        found = history((await self.users.read(user)).recent, second, LENGTH)
        return tuple((each.item, each.timestamp, float(np.float32(each.value))) for each in found)

    async def trained(self) -> Known:
        """What training computes for each row of the lake."""
        for _ in range(self.records // RECORDS + 1):
            await self.lake.step(wait=0.001)
        await self.lake.flush()
        read = parse_mapping(orjson.dumps(SECTION).decode(), Format.JSON_LINES)
        checked = ingest.ingest_and_check(
            self.folder / "raw", self.folder / "lake", kind=Format.JSON_LINES, mapping=read,
            now=NOW, max_quarantined_share=0.0,
        )  # fmt: skip
        _, data = load_dataset(self.folder / "lake", checked.data_version, None)
        events, rows = data.events, np.arange(len(data.events))
        found: Known = {}
        for row, session in enumerate(Histories.of(events).before(rows, LENGTH)):
            at = session[session >= 0]
            of = zip(
                data.items.ids[events.item[at]].tolist(),
                events.time[at].tolist(),
                events.value[at].tolist(),
                strict=True,
            )
            user = int(data.users.ids[events.user[row]])
            found[user, int(events.time[row])] = tuple(of)
        return found


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server.running(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


events = st.builds(
    lambda number, kind, user, item, second, milli: Event(
        f"e{number}", kind, f"u{user}", (f"i{item}",), 1000 * (NOW - second) + milli
    ),
    st.integers(0, 40),  # now and then the id of another one: only the first counts
    st.sampled_from([Kind.CLICK, *KINDS]),
    st.integers(0, 1),
    st.integers(0, 1),
    # Mostly the same seconds; and pauses beyond any session.
    st.one_of(st.integers(100, 101), st.integers(100, 101), st.integers(100, 80_000)),
    st.integers(0, 999),
)


@given(st.lists(events, min_size=15, max_size=40), st.integers(1, 10), st.data())
def test_the_store_and_the_lake_know_the_same(
    store: str, arrived: list[Event], size: int, data: Any
) -> None:
    """Events arrive in any order (late ones too), some of them twice."""
    again = data.draw(st.lists(st.sampled_from(arrived), max_size=5))
    first = Event("first", Kind.CLICK, "u0", ("i0",), 1000 * (NOW - 90_000))
    sent = [first, *arrived, *again]

    async def compare(folder: Path) -> None:
        async with Desk(store, folder) as desk:
            for start in range(0, len(sent), size):
                await desk.put(sent[start : start + size])
            trained = await desk.trained()
            assert (hashed("u0"), NOW - 90_000) in trained
            for (user, second), known in trained.items():
                assert await desk.known(user, second) == known

    with tempfile.TemporaryDirectory() as scratch:
        asyncio.run(compare(Path(scratch)))


def _day(users: int, count: int) -> list[Event]:
    """A day of pages: bursts of a few clicks in a second, in the order of time."""
    drawn = random.Random(11)
    times = sorted(drawn.randrange(80_000) for _ in range(count // 3))
    found = []
    for number, second in enumerate(times):
        user = f"u{int(users * drawn.random() ** 3)}"
        for place in range(drawn.randint(1, 5)):
            kind = drawn.choices(KINDS, [6, 2, 3, 1])[0]
            at = 1000 * (NOW - 86_000 + second) + drawn.randrange(1000)
            item = f"i{drawn.randrange(12)}"
            found.append(Event(f"e{number}-{place}", kind, user, (item,), at))
    return found


async def test_a_replayed_day_has_no_mismatch(store: str, tmp_path: Path) -> None:
    """Each event asks for what is known when it happens, and only then becomes known."""
    day = _day(users=60, count=900)
    asked: Known = {}
    async with Desk(store, tmp_path) as desk:
        for event in day:
            at = hashed(str(event.user)), event.time // 1000
            asked[at] = await desk.known(*at)
            await desk.put([event])
        trained = await desk.trained()
    assert len(trained) > 250, "seconds of users that are compared"
    mismatches = [at for at, known in trained.items() if asked[at] != known]
    assert len(mismatches) == 0
    assert max(map(len, trained.values())) == LENGTH
