"""Simulated users act as they are said to."""

from __future__ import annotations

import random

import pytest

from recommender_client.simulation.behaviour import Behaviour

ITEMS = tuple(f"i{n}" for n in range(10))


def test_preferences_follow_from_the_seed_and_nothing_else() -> None:
    one, same, other = Behaviour(seed=1), Behaviour(seed=1, click=0.9), Behaviour(seed=2)
    pairs = [(user, item) for user in range(50) for item in ITEMS]
    liked = [one.likes(*pair) for pair in pairs]
    assert liked == [same.likes(*pair) for pair in pairs]
    assert liked != [other.likes(*pair) for pair in pairs]
    assert 0.1 < sum(liked) / len(liked) < 0.3


def test_clicks_are_as_frequent_as_expected() -> None:
    behaviour, chance = Behaviour(seed=3), random.Random(4)
    expected = sum(behaviour.expected_clicks(user, ITEMS) for user in range(2000))
    clicks = sum(len(behaviour.acts(user, ITEMS, chance)) for user in range(2000))
    assert clicks == pytest.approx(expected, rel=0.1)


def test_the_first_position_and_liked_items_get_more_clicks() -> None:
    behaviour = Behaviour(seed=3)
    liked = next(f"x{n}" for n in range(100) if behaviour.likes("ada", f"x{n}"))
    other = next(f"x{n}" for n in range(100) if not behaviour.likes("ada", f"x{n}"))
    first, second = (
        behaviour.expected_clicks("ada", each) for each in ((liked, other), (other, liked))
    )
    assert first > second > behaviour.expected_clicks("ada", (other, other))


def test_only_liked_items_are_bought() -> None:
    behaviour, chance = Behaviour(seed=3, buy=1, mistake=1, decay=0), random.Random(1)
    acts = behaviour.acts("ada", ITEMS, chance)
    assert {item for item, bought in acts if bought} == {
        item for item, _ in acts if behaviour.likes("ada", item)
    }


@pytest.mark.parametrize("wrong", [{"click": 1.5}, {"liked": -0.1}, {"decay": float("nan")}])
def test_what_is_no_probability_is_refused_by_its_name(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Behaviour(**wrong)  # type: ignore[arg-type]
