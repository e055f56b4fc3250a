"""What the loop's shop declares: table of users, context, and the check of a served model."""

from __future__ import annotations

import datetime
import itertools
import zlib
import zoneinfo
from typing import Any

import pytest

from recommender_client import events
from recommender_collector.domain.declaration import Declaration
from recommender_collector.domain.validation import Rules, event_of
from recommender_simulate.arguments import parser
from tests.scenario import loop, loop_declared

NAME = "loop-12ab"
PARTS = {
    "user": ("interests", "profile"),
    "context": ("words", "query_vector", "opened"),
}


def test_the_simulator_chooses_from_the_context_that_is_declared() -> None:
    given = parser().parse_args(["--random", *loop_declared.words()])
    chosen = {name: list(values) for name, values in given.context}
    assert chosen == {name: list(values) for name, values in loop_declared.CHOICES.items()}


def test_the_collector_accepts_each_context() -> None:
    values: Any = loop.collected(NAME)
    rules = Rules(Declaration.model_validate({"models": values["models"]}).models[NAME])
    choices = loop_declared.CHOICES
    for each in itertools.product(*choices.values()):
        context = dict(zip(choices, each, strict=True))
        click = events.click("sim-1", "item-1", context=context)
        taken = event_of(click.body(), rules, click.time)
        assert taken.context is not None
        assert taken.context.keys() == choices.keys()


def test_interests_and_profiles_follow_from_tastes() -> None:
    rows = {user: loop_declared.row(loop.TASTES, user) for user in loop.USERS}
    for user, row in rows.items():
        assert len(row["interests"]) <= loop_declared.MOST_INTERESTS
        for theme in row["interests"]:
            assert loop.TASTES.chance(user, theme) > loop.TASTES.click_rate
    known = {theme for row in rows.values() for theme in row["interests"]}
    assert known == set(loop_declared.THEMES)
    assert any(not row["interests"] for row in rows.values()), "a missing value is there too"
    assert len({tuple(row["profile"]) for row in rows.values()}) == len(rows)


class Served:
    """A served model that reads all features but some, and local hours in a time zone."""

    def __init__(self, ignored: str = "", zone: str = "Europe/Berlin", ages: bool = False) -> None:
        self.ignored, self.zone, self.ages = ignored, zoneinfo.ZoneInfo(zone), ages

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        read = {f"{part}.{name}": asked[part][name] for part in PARTS for name in PARTS[part]}
        read.pop(self.ignored, None)
        if "context.opened" in read and not self.ages:
            at = datetime.datetime.fromtimestamp(read["context.opened"], self.zone)
            read["context.opened"] = at.hour
        score = zlib.crc32(str(read).encode()) / 2**32
        items = asked["candidate_items"][: asked.get("top_n", 10)]
        return {"source": "model", "items": items, "scores": [score] * len(items)}


def test_a_model_that_reads_what_is_declared_passes() -> None:
    world: Any = Served()
    loop_declared.check_read(world, loop.ITEMS[:20])


@pytest.mark.parametrize(
    "name", [f"{part}.{name}" for part, names in PARTS.items() for name in names]
)
def test_a_model_that_does_not_read_a_feature_is_noticed(name: str) -> None:
    world: Any = Served(ignored=name)
    with pytest.raises(AssertionError, match=f"{name} is not read"):
        loop_declared.check_read(world, loop.ITEMS[:20])


def test_a_model_that_reads_an_age_or_another_zone_is_noticed() -> None:
    aged: Any = Served(ages=True)
    with pytest.raises(AssertionError, match="the same local hour"):
        loop_declared.check_read(aged, loop.ITEMS[:20])
    shifted: Any = Served(zone="Asia/Kolkata")  # its hours begin 30 minutes later
    with pytest.raises(AssertionError, match="the same local hour"):
        loop_declared.check_read(shifted, loop.ITEMS[:20])
