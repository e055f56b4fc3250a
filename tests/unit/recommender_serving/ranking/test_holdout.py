"""Users of the holdout get what the store knows of them, as everybody does."""

from __future__ import annotations

from pathlib import Path

import pytest

from recommender_serving.domain.types import Past, RecommendRequest
from recommender_serving.ranking.circuit_breaker import CircuitBreaker
from recommender_serving.ranking.holdout import HoldoutRecommender
from recommender_serving.ranking.user_history import History
from recommender_serving.store.user_reader import StoreError, User
from tests.unit.recommender_serving.serving_fakes import GOOD, PLAIN, Parts, giving
from tests.unit.recommender_serving.serving_samples import request


class Users:
    """Everybody has seen the baseline's best item; or the store does not answer."""

    hides = True

    def __init__(self, *, gone: bool) -> None:
        self._gone = gone

    async def read(self, user: int) -> User:
        if self._gone:
            raise StoreError
        return User((), Past(frozenset({PLAIN.items[0]})))


async def best(folder: Path, asked: RecommendRequest, *, gone: bool) -> int:
    parts = Parts(folder, giving(GOOD), giving(PLAIN))
    plain = parts.recommender._holdout
    assert plain is not None
    history = History(Users(gone=gone), lambda _: None, 2, 5.0, CircuitBreaker())
    answer = await HoldoutRecommender(plain._fallbacks, parts.metrics, history).answer(asked)
    return answer.items[0]


@pytest.mark.parametrize(("gone", "place"), [(False, 1), (True, 0)])
async def test_the_baseline_leaves_out_what_the_store_says_and_answers_without_it(
    tmp_path: Path, gone: bool, place: int
) -> None:
    asked = request(user_id=7, held=True)
    assert await best(tmp_path, asked, gone=gone) == PLAIN.items[place]
