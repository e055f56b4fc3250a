"""Tastes and behaviour are known, the same everywhere, and what they say they are."""

from __future__ import annotations

import math
import random
import statistics
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_client import Kind
from recommender_simulate.behaviour import Behaviour
from recommender_simulate.user_tastes import Tastes

ITEMS = tuple(f"item-{number}" for number in range(10))


def test_another_process_finds_the_same_tastes() -> None:
    program = (
        "from recommender_simulate.user_tastes import Tastes; "
        "print(repr(Tastes(7).chance('u', 5)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) == Tastes(7).chance("u", 5)


def test_tastes_differ_by_seed_user_and_item() -> None:
    chances = {
        Tastes(seed).chance(user, item)
        for seed in (1, 2)
        for user in ("u", "v")
        for item in ("i", "j")
    }
    assert len(chances) == 8


def test_log_odds_have_the_declared_mean_and_spread() -> None:
    tastes = Tastes(3, click_rate=0.2, spread=1.5)
    chances = [tastes.chance(user, item) for user in range(200) for item in range(1000, 1200)]
    odds = [math.log(chance / (1 - chance)) for chance in chances]
    assert statistics.mean(odds) == pytest.approx(math.log(0.25), abs=0.1)
    assert statistics.stdev(odds) == pytest.approx(1.5, rel=0.1)


@given(st.integers(), st.text(min_size=1, max_size=20), st.floats(0.001, 0.999))
def test_without_spread_all_items_are_alike(seed: int, user: str, rate: float) -> None:
    assert Tastes(seed, rate, 0.0).chance(user, "i") == pytest.approx(rate)


def test_clicks_agree_with_their_expectation_also_with_appeal() -> None:
    tastes, behaviour, draws = Tastes(5), Behaviour(purchase_share=0.3), random.Random(1)
    for appeal in (1.0, 1.5):
        acts = [behaviour.act(tastes, "ada", ITEMS, draws, appeal) for _ in range(20_000)]
        clicks = [sum(act.kind is Kind.CLICK for act in each) for each in acts]
        expected = behaviour.expected_clicks(tastes, "ada", ITEMS, appeal)
        error = statistics.stdev(clicks) / math.sqrt(len(clicks))
        assert abs(statistics.mean(clicks) - expected) < 4 * error
        bought = [act for each in acts for act in each if act.kind is Kind.PURCHASE]
        assert len(bought) / sum(clicks) == pytest.approx(0.3, abs=0.02)
        assert all(act.value is not None and act.value > 0 for act in bought)


def test_a_better_list_is_expected_to_be_clicked_more() -> None:
    tastes, behaviour = Tastes(9), Behaviour()
    best = sorted(ITEMS, key=lambda item: -tastes.chance("ada", item))
    assert behaviour.expected_clicks(tastes, "ada", best) > behaviour.expected_clicks(
        tastes, "ada", best[::-1]
    )


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (lambda: Tastes(click_rate=1.0), "click_rate"),
        (lambda: Tastes(spread=math.nan), "spread"),
        (lambda: Behaviour(purchase_share=2.0), "purchase_share"),
        (lambda: Behaviour(price=-1.0), "price"),
    ],
)
def test_impossible_settings_are_named(wrong: object, field: str) -> None:
    with pytest.raises(ValueError, match=field):
        wrong()  # type: ignore[operator]
