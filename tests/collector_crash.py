"""Load on the collector while its parts are killed, and the count of what is lost or double."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import httpx
from redis.asyncio import Redis

from recommender_contract.ids import hashed
from recommender_contract.online_store import Set, key
from tests.collector_experiment import Drawn, phases
from tests.collector_rig import Rig, Sender, clicks

#: Seconds: what was killed waits before it tries again, and the machine is busy with others.
PATIENCE = 120
PARTS = ("redis", "serve", "write")
BATCH = 40  # clicks, all of one user, so that the store's bound of a user is not reached


@dataclass(frozen=True)
class Outcome:
    """What happened to the acknowledged events, in the files and in the store."""

    events: int
    kills: dict[str, int]
    failed_attempts: int
    repeated: int  # sent again although they were durable
    lost: int
    double: int
    wrong_moments: int  # arms of the experiment whose moments are not those of all events


async def kill_under_load(rig: Rig, *, events: int, kills: int, seed: int = 5) -> Outcome:
    """Send at least `events`, and on until `kills` parts were killed; then count.

    Every part is killed in turn, then in a random order, at random times under load, from the
    first events to the last ones.
    """
    sender, experiment = Sender(rig.url), Drawn()
    parts = (*PARTS, "kafka") if rig.kafka else PARTS
    acts: list[dict[str, object]] = []
    killed: Counter[str] = Counter()
    number = 0

    async def stream(client: httpx.AsyncClient) -> None:
        nonlocal number
        while number * BATCH < events or killed.total() < kills:
            number += 1
            batch = _batch(number - 1)
            acts.extend(batch)
            await sender.send(client, batch)
            await sender.send(client, experiment.batch(str(batch[0]["user"])))
            await asyncio.sleep(0.005)

    async def kill() -> None:
        choice = random.Random(seed)
        while killed.total() < kills:
            await asyncio.sleep(choice.uniform(0.05, 0.4))
            count = killed.total()
            if number * BATCH < events * count / kills:
                continue
            name = parts[count] if count < len(parts) else choice.choice(parts)
            await asyncio.to_thread(_kill, rig, name)
            killed[name] += 1

    async with httpx.AsyncClient(timeout=60) as client:
        await sender.send(client, experiment.opening())
        if rig.kafka:  # others' events are in other partitions, and may be read before it
            await phases(rig, client)
        await asyncio.gather(kill(), *(stream(client) for _ in range(4)))
    sent = number * BATCH
    await _settled(rig, sent + len(experiment.sent))
    stored = await _stored(rig, number, sent)
    lost, double = _compared(rig, stored, sent)
    wrong = await experiment.wrong(rig, acts)
    return Outcome(sent, dict(killed), sender.failed, sender.repeated, lost, double, wrong)


def _compared(rig: Rig, stored: Counter[object], sent: int) -> tuple[int, int]:
    """How many events are lost, and how many are double, in the files and in the store."""
    files = Counter(row["item_id"] for row in rig.interactions())
    archive = Counter(row["id"] for row in rig.archived())
    lost = double = 0
    for found, expected in (
        (files, [f"i{n}" for n in range(sent)]),
        (archive, [f"e{n}" for n in range(sent)]),
        (stored, [hashed(f"i{n}") for n in range(sent)]),
    ):
        lost += sum(1 for name in expected if not found[name])
        double += found.total() - sum(1 for count in found.values() if count)
    return lost, double


def _kill(rig: Rig, name: str) -> None:
    broker = rig.kafka if name == "kafka" else rig.redis if name == "redis" else None
    if broker is not None:
        broker.kill()
        broker.start()
        return
    part = rig.serve if name == "serve" else rig.write
    part.kill()
    part.start(rig.redis.url)


def _batch(number: int) -> list[dict[str, object]]:
    batch = clicks(number * BATCH, BATCH)
    for event in batch:
        event["user"] = f"u{number}"
    return batch


async def _settled(rig: Rig, sent: int) -> None:
    """Wait until the files hold as many events as were sent, or do not grow for so long."""
    last, still = -1, 0
    while still < 2 * PATIENCE and last < sent:
        count = len(await asyncio.to_thread(rig.archived))
        still, last = (still + 1, last) if count == last else (0, count)
        await asyncio.sleep(0.5)


async def _stored(rig: Rig, users: int, sent: int) -> Counter[object]:
    """The recent items of all users, when the writer has applied all or does not go on."""
    client: Redis = Redis.from_url(rig.redis.url)
    wanted = {hashed(f"i{n}") for n in range(sent)}  # the users of the experiment have others, too
    found: Counter[object] = Counter()
    try:
        for _ in range(10 * PATIENCE):
            found = Counter(await _items(client, range(users)))
            if wanted <= found.keys():
                break
            await asyncio.sleep(0.1)
    finally:
        await client.aclose()
    return found


async def _items(client: Redis, users: Iterable[int]) -> list[int]:
    pipeline = client.pipeline(transaction=False)
    for user in users:
        pipeline.zrange(key("shop", hashed(f"u{user}"), Set.RECENT), 0, -1)
    return [int(m.split(b" ")[0]) for members in await pipeline.execute() for m in members]
