"""From the log to the online store, in a real Redis."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from recommender_collector.collector_metrics import WriterMetrics
from recommender_collector.domain.events import Erasure, Event
from recommender_collector.domain.lines import Line, Lines, digest, line_of
from recommender_collector.log.redis_log import RedisLog
from recommender_collector.store.experiment_store import ExperimentStore
from recommender_collector.store.user_store import OnlineStore
from recommender_collector.writers.experiment_writer import Experiments
from recommender_collector.writers.online_writer import OnlineWriter
from recommender_contract.events import Kind
from recommender_contract.ids import hashed
from recommender_contract.online_store import LIMITS, Hide, Set, hidden_by_default, key
from recommender_serving.domain.types import Past
from recommender_serving.store.user_reader import UserReader
from tests.redis_server import RedisServer
from tests.unit.recommender_collector.collector_samples import model
from tests.unit.recommender_collector.writers.test_hostile_lines import NASTY

AT = 1_795_000_000_000
DAY = 86_400
CLICK = Event("e", Kind.CLICK, "ada", ("tea",), AT)


class Desk:
    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.log = RedisLog(redis, {"shop": DAY})
        self.registry = CollectorRegistry()
        self.store = OnlineStore(redis, DAY)
        self.number = 0

    def writer(self) -> OnlineWriter:
        metrics = WriterMetrics(CollectorRegistry(), ["shop"])
        experiments = Experiments(ExperimentStore(self.redis), "shop", model())
        return OnlineWriter(self.log, self.store, "shop", model(), metrics, experiments)

    async def put(self, *entries: Event | Erasure) -> None:
        lines = []
        for entry in entries:
            self.number += 1
            if isinstance(entry, Event):
                entry = entry._replace(id=f"e{self.number}")
            lines.append(Line(digest(str(self.number)), line_of(entry)))
        await self.log.append("shop", Lines.of(lines))

    async def items(self, name: Set, user: str = "ada") -> list[str]:
        """The members of a set, oldest first; of recent ones the item."""
        found = await self.redis.zrange(key("shop", hashed(user), name), 0, -1)
        return [member.split(b" ")[0].decode() for member in found]


@pytest.fixture
def desk(redis: Redis) -> Desk:
    return Desk(redis)


def number(*items: str) -> list[str]:
    return [str(hashed(item)) for item in items]


async def test_events_are_in_the_store_in_the_order_of_their_time(desk: Desk) -> None:
    await desk.put(
        CLICK._replace(items=("b",), time=AT + 2),
        CLICK._replace(items=("a",), time=AT + 1),
        CLICK._replace(items=("c",), kind=Kind.PURCHASE, time=AT + 3),
        CLICK._replace(items=("d",), kind=Kind.IMPRESSION, time=AT + 4),
    )
    await desk.writer().step()
    assert await desk.items(Set.RECENT) == number("a", "b", "c")
    assert await desk.items(Set.SEEN) == number("a", "b", "c", "d")
    assert await desk.items(Set.BOUGHT) == number("c")
    assert await desk.items(Set.DISLIKED) == []


async def test_each_event_has_its_effect_once_with_two_writers(desk: Desk) -> None:
    first, second = desk.writer(), desk.writer()
    offset = await desk.store.offset("shop")
    await desk.put(CLICK)
    (record,) = await desk.log.read("shop", offset, 1, 0.01)
    assert await first.step() == record.offset
    # The second one had read the same record before.
    assert await second._one(record, offset, {}) is None
    await desk.put(CLICK._replace(time=AT + 1000))
    await second.step()
    await first.step(wait=0.01)
    assert len(await desk.items(Set.RECENT)) == 2


async def test_sets_are_bounded_and_keep_the_newest(desk: Desk) -> None:
    many = [CLICK._replace(items=(f"i{n}",), time=AT + n) for n in range(LIMITS[Set.SEEN] + 50)]
    for start in range(0, len(many), 100):
        await desk.put(*many[start : start + 100])
    await desk.writer().step()
    assert len(await desk.items(Set.SEEN)) == LIMITS[Set.SEEN]
    recent = await desk.items(Set.RECENT)
    assert recent == number(*(each.items[0] for each in many[-LIMITS[Set.RECENT] :]))  # type: ignore[arg-type]


async def test_idle_users_are_forgotten(desk: Desk) -> None:
    await desk.put(CLICK._replace(kind=Kind.PURCHASE))
    await desk.writer().step()
    for name in (Set.RECENT, Set.SEEN, Set.BOUGHT):
        assert 0 < await desk.redis.ttl(key("shop", hashed("ada"), name)) <= DAY


async def test_an_erasure_forgets_what_is_before_it_and_nothing_after(desk: Desk) -> None:
    await desk.put(CLICK, CLICK._replace(user="eve"))
    await desk.writer().step()
    await desk.put(CLICK._replace(items=("b",)), Erasure("ada"), CLICK._replace(items=("c",)))
    await desk.writer().step()
    assert await desk.items(Set.RECENT) == number("c")
    assert await desk.items(Set.SEEN) == number("c")
    assert await desk.items(Set.RECENT, "eve") == number("tea")


async def test_no_line_of_another_program_stops_the_writer(desk: Desk) -> None:
    lines = [b"junk", *NASTY]
    found = [Line(digest(f"x{number}"), line) for number, line in enumerate(lines)]
    await desk.log.append("shop", Lines.of(found))
    await desk.put(CLICK)
    await desk.writer().step()
    assert await desk.items(Set.RECENT) == number("tea")


@pytest.mark.parametrize(
    ("hide", "known", "unwanted"),
    [
        (hidden_by_default(comes_again=False), ["clicked", "bought"], ["bad"]),
        ([Hide.SEEN], ["clicked", "bought", "bad", "shown"], []),
        ([Hide.BOUGHT], ["bought"], []),
        ([Hide.DISLIKED], [], ["bad"]),
        ([], [], []),
    ],
)
async def test_a_reader_knows_what_answers_should_leave_out(
    desk: Desk, server: RedisServer, hide: list[Hide], known: list[str], unwanted: list[str]
) -> None:
    await desk.put(
        CLICK._replace(items=("clicked",)),
        CLICK._replace(items=("bought",), kind=Kind.PURCHASE),
        CLICK._replace(items=("bad",), kind=Kind.DISLIKE),
        CLICK._replace(items=("shown",), kind=Kind.IMPRESSION),
    )
    await desk.writer().step()
    users = UserReader(server.url, "shop", hide=hide)
    past = (await users.read(hashed("ada"))).past
    assert past == Past(frozenset(map(hashed, known)), frozenset(map(hashed, unwanted)))
    await desk.put(Erasure("ada"))
    await desk.writer().step()
    assert (await users.read(hashed("ada"))).past == Past()
    await users.close()
