"""Experiments that are damaged, or have no room: everything else goes on, in a real Redis."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from recommender_collector.domain.events import Erasure
from recommender_collector.domain.formats import Damaged
from recommender_collector.experiments.experiment import CLOSE_SECONDS, Experiment
from recommender_collector.experiments.subject import Subject
from recommender_contract.events import Kind
from recommender_contract.ids import hashed
from tests.experiment_desk import SPANS, Desk, now
from tests.experiment_events import EXPERIMENTS, act, impression

FIRST = EXPERIMENTS[0]
FIELD = f"{{shop}}:experiment:{FIRST}"
DAMAGE = "return redis.call(unpack(ARGV))"
DAMAGES = {
    "a user of another format": ("HSET", f"{FIELD}:users", str(hashed("ada")), "[0,1]"),
    "a user that is no JSON": ("HSET", f"{FIELD}:users", str(hashed("ada")), "{"),
    "a user of an unknown arm": (
        "HSET", f"{FIELD}:users", str(hashed("ada")),
        "[1,5,0,[[0,0,0,9,1,0,[[7,0,0]],0,[0,0],[0,0,0,0,0],[0,0,0],[0,0,0,0,0]]],[],[5,[]]]",
    ),
    "moments that are short": ("HSET", FIELD, "0 shop-a", "1 2 3"),
    "moments of another format": ("HSET", FIELD, "0 shop-a", "0 " + "0 " * 80),
    "a first exposure that is no number": ("HSET", FIELD, "0", "now"),
    "an entry that is no JSON": ("HSET", "{shop}:experiments", FIRST, "?"),
    "an entry of another format": ("HSET", "{shop}:experiments", FIRST, '[5,["shop-a"]]'),
    "moments of another type": ("SET", FIELD, "1"),
    "users of another type": ("SET", f"{FIELD}:users", "1"),
}  # fmt: skip


@pytest.fixture
def desk(redis: Redis) -> Desk:
    return Desk(redis)


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_experiment_ends_and_everything_else_goes_on(
    desk: Desk, damage: str
) -> None:
    at, other = now(), EXPERIMENTS[1]
    await desk.put(impression("ada", at), impression("ada", at, other))
    await desk.writer.step()
    before = await desk.answer(other)
    await desk.redis.eval(DAMAGE, 0, *DAMAGES[damage])  # type: ignore[misc]
    await desk.put(
        impression("ada", at + 1), act(Kind.CLICK, "ada", at + 2), impression("eve", at, other)
    )
    offset = await desk.writer.step()
    assert await desk.redis.get("{shop}:store:offset") == offset.encode()
    assert await desk.redis.zcard(f"{{shop}}:user:{hashed('ada')}:recent") == 1
    with pytest.raises(Damaged):
        await desk.answer()
    assert await desk.redis.exists(FIELD, f"{FIELD}:users") == 0
    value = desk.registry.get_sample_value
    ended = value("recommender_writer_damaged_experiments_total", {"model": "shop"})
    assert ended == 1 + ("unknown" in damage)
    if "unknown" not in damage:  # else nobody knows which one it is
        assert await desk.answer(other) != before
    await desk.put(impression("ada", at + 3), Erasure("ada"))
    await desk.writer.step()
    assert value("recommender_writer_damaged_experiments_total", {"model": "shop"}) == ended
    labels = {"model": "shop", "reason": "damaged"}
    assert value("recommender_writer_ignored_exposures_total", labels) == 2 - ("unknown" in damage)


async def test_an_error_in_an_experiment_stops_nothing_else(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = now()
    await desk.put(impression("ada", at), act(Kind.CLICK, "bob", at))
    await desk.writer.step()
    with monkeypatch.context() as patch:
        patch.setattr(Subject, "shares", lambda *_: 1 / 0)
        await desk.put(Erasure("ada"), Erasure("bob"), act(Kind.CLICK, "eve", at))
        await desk.writer.step()
    assert await desk.redis.zcard(f"{{shop}}:user:{hashed('eve')}:recent") == 1
    assert await desk.redis.exists(FIELD, f"{FIELD}:users") == 0
    assert not any("early" in name for name in await desk.keys())
    with pytest.raises(Damaged):
        await desk.answer()


async def test_damaged_early_acts_of_a_user_do_not_count(desk: Desk) -> None:
    at = now()
    await desk.put(impression("eve", at))
    await desk.put(act(Kind.CLICK, "ada", at))
    await desk.writer.step()
    early = f"{{shop}}:experiment:early:{hashed('ada')}"
    await desk.redis.set(early, "[0,[1]]")
    await desk.put(impression("ada", at))
    await desk.writer.step()
    ((arm,),) = (phase["arms"] for phase in await desk.answer())
    assert (arm["users"], "clicks" in arm["sums"]) == (2, False)
    await desk.put(Erasure("ada"))
    await desk.writer.step()
    assert not await desk.redis.exists(early)


async def test_the_answer_says_that_there_is_no_room(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recommender_collector.experiments.registry.FEW_USERS", 1)
    at = now()
    await desk.put(*(impression("ada", at, f"{n:08x}") for n in range(4)))
    await desk.writer.step()
    assert (await desk.reader.read("shop", "ffffffff", SPANS)).ignored
    assert not (await desk.reader.read("shop", "00000000", SPANS)).ignored
    monkeypatch.setattr("recommender_collector.experiments.registry.FEW_USERS", 2)
    assert not (await desk.reader.read("shop", "ffffffff", SPANS)).ignored


async def test_a_closed_experiment_keeps_moments_and_no_users(desk: Desk) -> None:
    at = now()
    await desk.put(impression("ada", at))
    await desk.writer.step()
    before = await desk.answer()
    old = Experiment(at - CLOSE_SECONDS * 1000 - 1, ["shop-a"], 1)
    listed = {FIRST: old.encode()}
    await desk.redis.hset("{shop}:experiments", mapping=listed)  # type: ignore[misc]
    await desk.put(act(Kind.CLICK, "eve", at))
    await desk.writer.step()
    assert await desk.redis.exists(FIELD, f"{FIELD}:users") == 1
    account = await desk.reader.read("shop", FIRST, SPANS)
    assert (await desk.answer(), account.ignored) == (before, True)


@pytest.mark.parametrize("megabytes", [0, 1024])
async def test_without_memory_experiments_take_no_more_users(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, megabytes: int
) -> None:
    monkeypatch.setattr("recommender_collector.store.experiment_store.FULL", 1e-6)
    await desk.redis.config_set("maxmemory", megabytes * 2**20)
    await desk.put(impression("ada", now()))
    await desk.writer.step()
    await desk.redis.config_set("maxmemory", 0)
    value = desk.registry.get_sample_value
    labels = {"model": "shop", "reason": "memory"}
    assert value("recommender_writer_ignored_exposures_total", labels) == (megabytes > 0)
    assert bool(await desk.answer()) == (megabytes == 0)


@pytest.mark.parametrize(("full", "most"), [(1e-6, 9), (1.0, 9), (1.0, 1)])
async def test_a_measure_says_that_it_takes_no_more_users(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, full: float, most: int
) -> None:
    await desk.put(impression("ada", now(), arm="holdout"))
    await desk.writer.step()
    await desk.redis.config_set("maxmemory", 1024 * 2**20)
    monkeypatch.setattr("recommender_collector.store.experiment_store.FULL_OF_MEASURES", full)
    monkeypatch.setattr("recommender_collector.store.experiment_store.MOST_USERS", most)
    monkeypatch.setattr(
        "recommender_collector.experiments.experiment_accumulator.MOST_USERS", most
    )
    at = now()
    await desk.put(impression("eve", at, arm="holdout"), impression("eve", at, EXPERIMENTS[1]))
    await desk.writer.step()
    account = await desk.reader.read("shop", FIRST, SPANS)
    other = await desk.reader.read("shop", EXPERIMENTS[1], SPANS)
    await desk.redis.config_set("maxmemory", 0)
    has_room = full == 1 and most > 1
    assert account.moments[0]["holdout"].users == 1 + has_room
    assert (account.ignored, other.ignored) == (not has_room, False)
    assert other.moments[0]["shop-a"].users == 1
