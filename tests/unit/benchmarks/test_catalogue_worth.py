"""What lists are worth is the same as with the odds of every request and item in memory."""

from __future__ import annotations

import numpy as np
import pytest
from lab.benchmarks.catalogue_worth import Asking

from recommender_training.samples.shop_settings import Settings
from recommender_training.samples.shop_world import START_MS, World
from tests.benchmarks import catalogue_worth, schema_new_items

RANDOM = np.random.default_rng(3)
ITEMS = RANDOM.permutation(60)[:50]
ASKING = Asking(
    World.of(Settings(users=20, items=60, days=4), 1),
    RANDOM.integers(20, size=9),
    ITEMS,
    START_MS // 1000 + 4 * 86_400,
)
ALL = np.ones(50, dtype=np.bool_)
SOME = RANDOM.random(50) < 0.4
TOP = np.array([RANDOM.permutation(50)[:10] for _ in range(9)])


@pytest.mark.parametrize("counts", [ALL, SOME], ids=["all", "some"])
@pytest.mark.parametrize("block", [1, 100, 1000])
def test_blocks_of_requests_give_what_all_at_once_give(
    counts: np.ndarray, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue_worth, "_BLOCK", block)
    (worth,) = ASKING.worth(counts)
    odds = schema_new_items.true_odds(ASKING.world, ASKING.users, ITEMS, ASKING.end)
    gain = odds * counts
    assert (worth.best == np.argsort(-gain, axis=1)[:, :10]).all()
    assert ASKING.ndcg(TOP, worth) == pytest.approx(schema_new_items.ndcg_of(TOP, gain))
    chance = schema_new_items.ndcg_of_chance(gain)
    assert catalogue_worth.ndcg_of_chance(worth) == pytest.approx(chance)


def test_the_best_list_has_an_ndcg_of_one_and_one_without_a_counted_item_none() -> None:
    every, some = ASKING.worth(ALL, SOME)
    assert ASKING.ndcg(every.best, every) == pytest.approx(np.ones(9))
    others = np.flatnonzero(~SOME)[:10]
    assert (ASKING.ndcg(np.tile(others, (9, 1)), some) == 0).all()
