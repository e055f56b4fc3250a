"""The figures of a simulation."""

from __future__ import annotations

import random

import pytest

from recommender_client.simulation.tally import Arm, Tally, table


def test_the_interval_covers_the_rate_of_users_who_differ() -> None:
    covered, chance = 0, random.Random(2)
    for _ in range(300):
        arm = Arm()
        for user in range(200):
            rate = chance.choice((0.0, 0.4))  # of this user, 0.2 on average
            for _ in range(chance.randrange(1, 20)):
                arm.add(user, int(chance.random() < rate), 0, rate, model=True)
        found, half = arm.click_through()
        covered += abs(found - 0.2) <= half
    assert 0.9 <= covered / 300 <= 0.99


def test_the_summary_has_each_arm_and_what_went_wrong() -> None:
    tally = Tally(failed=2, undelivered=1)
    tally.arm("b").add("ada", 1, 1, 0.5, model=False)
    tally.arm("a").add("eve", 0, 0, 0.25, model=True)
    tally.arm("a").add("eve", 2, 0, 0.25, model=True)
    summary = tally.summary()
    assert list(summary["arms"]) == ["a", "b"]
    assert summary["arms"]["a"] == {
        "users": 1, "answers": 2, "clicks": 2, "purchases": 0, "fallbacks": 0,
        "click_through": 1.0, "half_interval": None, "expected_click_through": 0.25,
    }  # fmt: skip
    assert (summary["failed"], summary["undelivered"], tally.answers) == (2, 1, 3)
    lines = table(summary).splitlines()
    assert [line.split()[0] for line in lines] == ["arm", "a", "b", "2"]


def test_nothing_seen_has_no_rate() -> None:
    assert Tally().summary()["arms"] == {}
    assert all(value != value for value in Arm().click_through())


@pytest.mark.parametrize("answers", [1, 50])
def test_fallbacks_are_counted(answers: int) -> None:
    arm = Arm()
    for _ in range(answers):
        arm.add(1, 0, 0, 0.0, model=False)
    assert arm.fallbacks == answers
