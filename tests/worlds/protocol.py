"""How the benchmark judges: one time cut, peers tuned before it, the same requests for all.

The log before the cut is what the product and the peers get. A peer chooses its setting on the
last tenth of it, by the items that were really taken, fitted on what is before; then it is fitted
on all of it. Its state is as old as the version; the user's own events and popularity are live.

A list is worth the sum over its ten places of chance / log2(place + 1): the expected NDCG@10 of
the next item, without the noise of the one that was drawn. In worlds of shown lists, it is the
expected discounted number of clicks. The order of the chances has the most, by definition.

Shapes: I items, R requests.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from tests.worlds.peers import ease, item_knn, markov, own, popularity
from tests.worlds.peers.known import Known, Peer, Scorer, Setting
from tests.worlds.product import TOP
from tests.worlds.world import Bools, Doubles, Ints, Log, Request, World

PEERS: Mapping[str, Peer] = {
    **popularity.PEERS,
    **markov.PEERS,
    **item_knn.PEERS,
    **ease.PEERS,
    **own.PEERS,
}
DISCOUNTS = 1 / np.log2(np.arange(2, TOP + 2))
#: Requests that peers are tuned on, at most.
TUNED_ON = 300


def worth(items: Ints, chances: Doubles) -> float:
    """The value of a list; an item that is in it twice counts once."""
    places = np.sort(np.unique(items[:TOP], return_index=True)[1])
    return float(chances[items[places]] @ DISCOUNTS[places])


def best(chances: Doubles) -> float:
    """The value of the truth's own order."""
    return worth(np.argsort(-chances, kind="stable")[:TOP], chances)


def known(log: Log, user: int, time: int) -> Known:
    """What was known at a second, without its own events."""
    past = dataclasses.replace(log, columns={}).before(time)
    return Known(time, past.item[(past.user == user) & past.engaged], past)


def allowed(world: World, request: Request, given: Known) -> Bools:
    """[I] items that a list may have: what the shop has, without what never comes again."""
    may = np.zeros(len(world.born), np.bool_)
    if request.candidates is None:
        may[world.born <= request.time] = True
    else:
        may[request.candidates] = True
    if not world.repeats:
        may[given.items] = False
    return may


def ranked(scores: Doubles, may: Bools, given: Known) -> Ints:
    """The ten best items; ties are in the order of popularity."""
    counts = np.bincount(given.past.item[given.past.engaged], minlength=len(scores))
    order = np.lexsort((-counts, -np.where(may, scores, -np.inf)))
    return order[may[order]][:TOP]


def validation(world: World, log: Log, random: np.random.Generator) -> tuple[int, list[Request]]:
    """The second at which the last tenth begins, and its requests with what was taken.

    In a shown list that is every click, in other worlds the next positive item.
    """
    start = int(log.time[int(len(log) * 0.9)])
    rows = np.flatnonzero((log.time >= start) & log.positive)
    rows = np.sort(random.choice(rows, min(len(rows), TUNED_ON), replace=False))
    requests = []
    for row in rows:
        chances = np.zeros(len(world.born))
        chances[log.item[row]] = 1
        user, time = int(log.user[row]), int(log.time[row])
        same = (log.user == user) & (log.time == time)
        shown = log.item[same] if world.shown else None
        requests.append(Request(user, time, chances, shown))
    return start, requests


def values(
    world: World, scorer: Scorer, requests: Sequence[Request], givens: Sequence[Known]
) -> Doubles:
    """[R] values of a scorer's lists."""
    pairs = zip(requests, givens, strict=True)
    return np.array(
        [
            worth(ranked(scorer(given), allowed(world, request, given), given), request.chances)
            for request, given in pairs
        ]
    )


def tune(world: World, log: Log, random: np.random.Generator) -> dict[str, Setting]:
    """The setting of each peer that is best on the last tenth of a log."""
    start, requests = validation(world, log, random)
    givens = [known(log, request.user, request.time) for request in requests]
    before, count = log.before(start), len(world.born)
    both = bool((log.engaged != log.positive).any())
    chosen = {}
    for name, peer in PEERS.items():
        # Where all that is taken is positive, a setting and its twin are the same.
        grid = [each for each in peer.grid if both or each[-1] is not True]
        found = [
            values(world, peer.fit(before, count, each), requests, givens).sum() for each in grid
        ]
        chosen[name] = grid[int(np.argmax(found))]
    return chosen


def judged(world: World, random: np.random.Generator) -> dict[str, Doubles]:
    """[R] values of each peer's lists after the cut."""
    log = world.log.before(world.cut)
    settings = tune(world, log, random)
    givens = [known(world.log, request.user, request.time) for request in world.requests]
    return {
        name: values(world, PEERS[name].fit(log, len(world.born), setting), world.requests, givens)
        for name, setting in settings.items()
    }
