"""Users of mixed lists who click more on the items of one version.

No answer says which version gave an item, so these users click once the files of the collector
say so: as users would whose taste is that of the version.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from recommender_client import EventClient, events
from recommender_serving.experiments.assignment import bucket
from tests.scenario import collecting
from tests.scenario.kube import Manifest
from tests.scenario.world import World

#: Some of the users are in the holdout; an interval needs a hundred with a click.
ASKING, ENOUGH = 160, 120
PERCENT = 20
#: `users` beyond those who ask: what ends the phase is its interval.
SPEC: Manifest = {"percent": PERCENT, "users": 1000, "seconds": 900}
#: A busy candidate may be late for a list, which is then not mixed: its user asks again.
ROUNDS = 6
#: Impressions of the serving path wait for seconds only, and a few may be dropped.
WRITTEN = 0.95
#: The version that answers, and the candidate, in `teams` of an impression.
CHAMPION, CANDIDATE = "A", "B"
Impression = dict[str, Any]


def preferring(world: World, version: str, prefix: str) -> None:
    """Let users ask for mixed lists, and four of five of them click on what the champion gave."""
    id_ = world.version(version)["status"]["interleaving"]["id"]
    lists = _mixed(world, itertools.islice(_users(id_, prefix), ASKING), prefix)
    assert len(lists) >= ENOUGH, f"{len(lists)} users got mixed lists\n{world.describe()}"
    clicks = [
        events.click(user, _item_of(CHAMPION if number % 5 else CANDIDATE, shown))
        for number, (user, shown) in enumerate(sorted(lists.items()))
    ]
    with EventClient(world.gateway, host=collecting.HOST) as client:
        assert client.send(*clicks).accepted == len(clicks)


def _users(id_: str, prefix: str) -> Iterator[str]:
    """Yield users whose lists are mixed, by the contract of the header."""
    names = (f"{prefix}{number}" for number in itertools.count())
    return (name for name in names if bucket(id_, name) < PERCENT * 100)


def _mixed(world: World, users: Iterable[str], prefix: str) -> dict[str, Impression]:
    """Return the mixed list of each user who got one."""
    waiting, asked = set(users), 0
    lists: dict[str, Impression] = {}
    for _ in range(ROUNDS):
        asked += _ask(world, waiting)
        lists = _newest(_until_shown(world, prefix, asked))
        waiting -= lists.keys()
        if len(lists) >= ENOUGH:
            break
    return lists


def _ask(world: World, users: set[str]) -> int:
    """Let users ask once and return how many of them are in no holdout; forget the others."""
    for user in sorted(users):
        answer = world.answer({"user_id": user, "top_n": 10})
        assert answer["version"] == world.champion, "nobody gets the candidate's list as it is"
        if answer["source"] != "model":
            users.discard(user)
    return len(users)


def _until_shown(world: World, prefix: str, answers: int) -> list[Impression]:
    """Wait for the impressions of so many answers, and return all."""
    found: list[Impression] = []

    def written() -> bool:
        found[:] = collecting.events(
            world, '"kind":"impression"', f'"user":"{prefix}', '"interleaved"'
        )
        return len(found) >= WRITTEN * answers

    world.until(f"the impressions of {answers} answers", written, 120)
    return found


def _newest(impressions: Iterable[Impression]) -> dict[str, Impression]:
    """Return the newest list of each user, if that is mixed."""
    newest = {each["user"]: each for each in sorted(impressions, key=lambda one: one["time"])}
    both = {CHAMPION, CANDIDATE}
    return {user: each for user, each in newest.items() if both <= {*each["interleaved"]["teams"]}}


def _item_of(team: str, shown: Impression) -> str:
    """Return the first item of a list that a version gave."""
    return str(shown["items"][shown["interleaved"]["teams"].index(team)])
