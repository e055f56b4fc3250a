"""Series and seasons: the next episode, or a series of the season.

Process: a series has 4 to 12 episodes and one of four genres, whose demand is
exp(1.5 cos(2 pi (day / 28 - genre / 4))). A user who watches goes on with one of the begun series
with probability .8, in proportion to 2^-(series watched since), to its next episode; else, and if
all are finished, the user begins one, in proportion to demand x popularity (Zipf, power .8).
Evenings have one to four episodes, 40 minutes or so apart, about two days between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.worlds.world import (
    DAY,
    HOUR,
    START,
    TAKEN,
    Doubles,
    Recorder,
    World,
    draw,
    normalised,
    with_items,
    zipf,
)


@dataclass(frozen=True)
class Size:
    series: int
    users: int
    days: int = 56
    days_after: int = 7
    requests: int = 200


SIZES = {"small": Size(35, 200), "full": Size(120, 1500, 112, requests=1000)}
GENRES = 4


def demand(time: int) -> Doubles:
    """[G] demand for each genre at a second."""
    day = (time - START) / DAY
    return np.exp(1.5 * np.cos(2 * np.pi * (day / 28 - np.arange(GENRES) / GENRES)))


def generate(seed: int, size: str) -> World:
    of, random = SIZES[size], np.random.default_rng(seed)
    length = random.integers(4, 13, of.series)
    first = np.concatenate([[0], np.cumsum(length)[:-1]])
    genre, popular = random.integers(GENRES, size=of.series), zipf(of.series, 0.8, random)
    count = int(length.sum())
    cut, end = START + of.days * DAY, START + (of.days + of.days_after) * DAY
    recorder = Recorder(cut)
    for user in range(of.users):
        following: list[int] = []  # begun series, the last watched one first
        reached = np.zeros(of.series, np.int64)
        time = START + int(random.exponential(10 * DAY))
        while time < end:
            for _ in range(int(random.integers(1, 5))):
                fresh = demand(time)[genre] * popular * (reached == 0)
                going = [each for each in following if reached[each] < length[each]]
                share = 0.8 if going else 0.0
                if not fresh.any():
                    share = 1.0
                if share == 1.0 and not going:
                    break
                by_series: Doubles = (1 - share) * (normalised(fresh) if fresh.any() else fresh)
                if going:
                    by_series[going] += share * normalised(0.5 ** np.arange(len(going)))
                chances = np.zeros(count)
                possible = np.flatnonzero(by_series)
                chances[(first + reached)[possible]] = by_series[possible]
                if time >= end:
                    break
                recorder.ask(user, time, chances)
                item = draw(chances, random)
                recorder.event(user, item, time)
                watched = int(np.searchsorted(first, item, side="right")) - 1
                reached[watched] += 1
                following = [watched, *(each for each in following if each != watched)]
                time += HOUR // 2 + int(random.integers(1200))
            time += DAY // 2 + int(random.exponential(1.5 * DAY))
    items = [
        {"id": int(first[each]) + at + 1, "series": f"s{each}", "episode": at + 1,
         "genre": f"g{genre[each]}"}
        for each in range(of.series)
        for at in range(length[each])
    ]  # fmt: skip
    mapping = with_items(
        TAKEN,
        {"name": "series", "kind": "Categorical"},
        {"name": "episode", "kind": "Numeric", "minimum": 1},
        {"name": "genre", "kind": "Categorical"},
    )
    return World(
        "the next episode, among those that the user has not watched",
        recorder.log(),
        cut,
        recorder.requests(of.requests, random),
        mapping,
        np.full(count, START),
        items,
    )
