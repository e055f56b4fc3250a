"""The order of new items is compared with the true probabilities and with simple orders."""

from __future__ import annotations

import numpy as np
import pytest

from recommender_examples.shop_settings import Settings
from recommender_examples.shop_world import DAY_MS, START_MS, World
from tests.benchmarks import schema_new_items


def test_the_true_order_has_an_ndcg_of_one_and_the_reverse_less_than_chance() -> None:
    gain = np.exp(np.random.default_rng(0).normal(size=(20, 40)))
    assert schema_new_items.ndcg(gain, gain) == pytest.approx(np.ones(20))
    chance = schema_new_items.ndcg_of_chance(gain)
    assert (schema_new_items.ndcg(-gain, gain) < chance).all()


def test_chance_is_the_mean_over_random_orders() -> None:
    random = np.random.default_rng(1)
    gain = np.exp(random.normal(size=(1, 12)))
    shuffled = random.permuted(np.tile(np.arange(12.0), (4000, 1)), axis=1)
    found = schema_new_items.ndcg(shuffled, np.tile(gain, (4000, 1))).mean()
    assert found == pytest.approx(schema_new_items.ndcg_of_chance(gain)[0], abs=0.01)


def test_with_fewer_items_than_the_rank_all_of_them_count() -> None:
    gain = np.array([[1.0, 3.0, 2.0]])
    assert schema_new_items.ndcg(gain, gain)[0] == pytest.approx(1.0)


def test_the_odds_of_newer_items_are_larger_by_what_the_shop_adds() -> None:
    world = World.of(Settings(users=20, items=60, days=4), 1)
    world.items.created[:2] = START_MS, START_MS - 700 * DAY_MS
    end = START_MS // 1000
    user, item = np.array([3]), np.array([0, 1])
    odds = schema_new_items.true_odds(world, user, item, end)[0]
    logit = world.logits(user[:, None], item[None, :])[0]
    assert np.log(odds) - logit == pytest.approx([1.0, 0.0], abs=1e-6)
