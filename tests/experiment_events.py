"""Events of users in experiments, drawn at random."""

from __future__ import annotations

import random

from recommender_collector.domain.events import Erasure, Event, Exposure, Served
from recommender_contract.events import Kind, Source

EXPERIMENTS = ("0a1b2c3d", "99999999")
MINUTE = 60_000  # milliseconds
ACTS = (Kind.CLICK, Kind.CLICK, Kind.PURCHASE, Kind.DWELL, Kind.DISLIKE, Kind.BASKET)


def impression(
    user: str, time: int, experiment: str = EXPERIMENTS[0], phase: int = 0, arm: str = "shop-a",
    version: str | None = None, path: str | None = "model", cap: float = 10.0,
    segments: tuple[tuple[str, str], ...] = (), served: Served | None = None,
    of_group: int | None = None,
) -> Event:  # fmt: skip
    """An impression of one item, answered by the assigned version unless another is given."""
    return Event(
        "e", Kind.IMPRESSION, user, ("tea",), time, version=version or arm, path=path,
        exposure=Exposure(experiment, phase, arm, cap, segments), served=served,
        of_group=of_group,
    )  # fmt: skip


def act(kind: Kind, user: str, time: int, item: str = "tea", value: float | None = None) -> Event:
    """Something that a user does."""
    if kind in (Kind.PURCHASE, Kind.DWELL) and value is None:
        value = 2.5
    return Event("e", kind, user, (item,), time, value)


def drawn(choice: random.Random, start: int, minutes: int, users: int = 4) -> Event:
    """One event of a user, at a whole or half minute after the start."""
    user = f"u{choice.randrange(users)}"
    time = start + choice.randrange(2 * minutes) * MINUTE // 2
    if choice.random() < 0.5:
        kind = choice.choice(ACTS)
        return act(kind, user, time, f"i{choice.randrange(3)}", choice.choice((0.125, 2.5, 7.0)))
    own = int(user[1:]) % 2 if choice.random() < 0.9 else choice.randrange(2)
    arm = ("shop-a", "shop-b")[own]
    return impression(
        user,
        time,
        choice.choice(EXPERIMENTS),
        # Later phases are later, but for a while both are on their way.
        min(2, max(0, (time - start) * 3 // (minutes * MINUTE) + choice.choice((-1, 0, 0, 0)))),
        arm,
        version=choice.choice((arm, arm, "shop-a")),
        path=choice.choice((None, *Source)),
        cap=choice.choice((10.0, 10.0, 3.0)),
        segments=choice.choice(((), (("age", "unknown"), ("device", choice.choice("abc"))))),
        served=choice.choice(
            (None, Served(choice.choice((3.5, 400)), 200, choice.random() < 0.3))
        ),
        of_group=choice.choice((None, 0, 1)),
    )


Records = list[list[tuple[int, Event | Erasure]]]


def log(seed: int, count: int, start: int, minutes: int = 600, late: int = 120) -> Records:
    """Records of entries with the times at which they are read, up to `late` minutes late.

    Both experiments are open all the time: one user is in them every half an hour.
    """
    choice = random.Random(seed)
    entries: list[tuple[int, Event | Erasure]] = []
    for half in range(minutes // 30):
        time = start + half * 30 * MINUTE
        entries += [(time, impression("beat", time, name)) for name in EXPERIMENTS]
    for _ in range(count):
        event = drawn(choice, start, minutes)
        entries.append(
            (event.time + choice.choice((0, 1, late)) * choice.randrange(MINUTE), event)
        )
    for _ in range(choice.randrange(3)):
        time = start + choice.randrange(minutes * MINUTE)
        entries.append((time, Erasure(f"u{choice.randrange(4)}")))
    # Entries of one time may be in any order, but for the first two, which open the experiments.
    entries.sort(key=lambda each: (each[0], choice.random() if each[0] > start else 0))
    return _records(choice, entries)


def _records(choice: random.Random, entries: list[tuple[int, Event | Erasure]]) -> Records:
    """Entries in records, each of which gathers for ten minutes at most."""
    records, rest = [entries[:2]], entries[2:]
    while rest:
        size = choice.choice((1, 2, 5, 20))
        record = [each for each in rest[:size] if each[0] <= rest[0][0] + 10 * MINUTE]
        records.append(record)
        rest = rest[len(record) :]
    return records
