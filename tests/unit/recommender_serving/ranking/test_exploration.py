"""The last place of a list is drawn among the best items for it, and nothing else changes."""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.events import Source
from recommender_serving.domain.selection import Selection
from recommender_serving.domain.types import (
    Answer,
    FallReason,
    Found,
    Past,
    RankerError,
    Ranking,
    RecommendRequest,
)
from recommender_serving.ranking.answer_cache import Bounds, Cache
from recommender_serving.ranking.exploration import Explorer, pool_of
from recommender_serving.ranking.list_composition import (
    Composer,
    Diversity,
    Exposure,
    ListLimits,
    Pair,
)
from recommender_serving.ranking.selection_rules import select
from recommender_serving.triton.inputs import Tensors
from tests.unit.recommender_serving.ranking.test_list_composition import GENRES, catalogues, limits
from tests.unit.recommender_serving.serving_fakes import PLAIN, Parts, Watching, failing, giving
from tests.unit.recommender_serving.serving_samples import (
    VOCABULARY,
    further,
    request,
    session,
    vocabulary_of,
)

some = st.frozensets(st.integers(0, 24), max_size=8)


class Turns:
    """Explores always, and draws each item in turn."""

    def __init__(self) -> None:
        self.turn = -1

    def random(self) -> float:
        return 0.0

    def randrange(self, stop: int, /) -> int:
        self.turn += 1
        return self.turn % stop


class Lists:
    """The list of a request, and the pool of its last place, of items ranked 0, 1, 2, ...."""

    def __init__(
        self, catalogue: list[list[int]], of: ListLimits, asked: RecommendRequest, size: int
    ) -> None:
        items = vocabulary_of(
            VOCABULARY | {"items": further({"genre": (GENRES, catalogue)})}
        ).items
        composer = Composer(items, of, lambda _: None)
        ranked: list[Pair] = [(item, -float(item)) for item in range(len(catalogue))]
        chosen = select(ranked, asked, items, composer)
        self.usual = [item for item, _ in chosen]
        found = pool_of(ranked, chosen, asked, items, composer, size)
        assert all(score == -item for item, score in found)  # scores stay with their items
        self.pool = [item for item, _ in found]


def may_stand(item: int, usual: list[int], catalogue: list[list[int]], of: ListLimits) -> bool:
    """Whether the list with this item at its end is as good, by the limits, as the usual one."""
    names = [{GENRES[code] for code in codes} for codes in catalogue]

    def shown(items: Sequence[int], each: Exposure) -> int:
        return sum(bool(each.categories & names[item]) for item in items)

    other = [*usual[:-1], item]
    counts = Counter(name for item in other for name in names[item])
    return all(
        counts[name] <= each.max_per_category for each in of.diversity for name in names[item]
    ) and all(
        shown(other, each)
        >= min(shown(usual, each), math.floor(len(usual) * each.min_share + 1e-9))
        for each in of.exposure
    )


@given(catalogues, limits, some, some, st.integers(2, 12), st.integers(2, 8))
def test_the_pool_has_the_best_items_that_may_stand_at_the_last_place(
    catalogue: list[list[int]],
    of: ListLimits,
    known: frozenset[int],
    excluded: frozenset[int],
    top_n: int,
    size: int,
) -> None:
    asked = request(top_n=top_n, past=Past(known=known), selection=Selection(excluded=excluded))
    found = Lists(catalogue, of, asked, size)
    able = [
        item
        for item in range(len(catalogue))
        if item not in found.usual[:-1]
        and item not in known | excluded
        and may_stand(item, found.usual, catalogue, of)
    ]
    enough = len(found.usual) == top_n and len(able) >= size
    assert found.pool == (able[:size] if enough else [])


@given(catalogues, limits, st.integers(2, 12), st.integers(2, 8))
def test_the_item_that_would_stand_there_is_the_best_of_the_pool(
    catalogue: list[list[int]], of: ListLimits, top_n: int, size: int
) -> None:
    found = Lists(catalogue, of, request(top_n=top_n), size)
    assert not found.pool or found.pool[0] == found.usual[-1]


def test_a_group_that_needs_the_last_place_keeps_it() -> None:
    catalogue = [[0]] * 10 + [[1]] * 10
    half = ListLimits((), (Exposure("genre", frozenset({"comedy"}), 0.5),))
    found = Lists(catalogue, half, request(top_n=4), 3)
    assert (found.usual, found.pool) == ([0, 10, 1, 11], [11, 12, 13])


def test_a_category_that_is_full_stays_out_of_the_pool() -> None:
    two = ListLimits((Diversity("genre", 2),), ())
    found = Lists([[0]] * 5 + [[1]] * 5, two, request(top_n=4), 3)
    assert (found.usual, found.pool) == ([0, 1, 5, 6], [6, 7, 8])


ANSWER = Answer((1, 2, 3), (0.9, 0.8, 0.7), Source.MODEL, pool=((3, 0.7), (4, 0.6), (5, 0.2)))
pools = st.lists(st.integers(10, 99), min_size=2, max_size=20, unique=True).map(
    lambda items: tuple((item, 1 / item) for item in items)
)


def explored(explorer: Explorer, answer: Answer) -> Answer:
    return explorer.drawn(answer) if explorer.chosen(answer) else answer


@given(pools, st.lists(st.integers(100, 200), min_size=1, max_size=5, unique=True))
def test_each_item_of_the_pool_is_drawn_as_often_and_only_the_last_place_changes(
    pool: tuple[Pair, ...], before: list[int]
) -> None:
    usual = Answer(
        (*before, pool[0][0]), (*(1.0,) * len(before), pool[0][1]), Source.MODEL, pool=pool
    )
    counted: list[None] = []
    explorer = Explorer(0.01, Turns(), lambda: counted.append(None))
    drawn = [explored(explorer, usual) for _ in pool]
    assert [(each.items[-1], each.scores[-1]) for each in drawn] == list(pool)
    for each in drawn:
        assert (each.items[:-1], each.scores[:-1]) == (usual.items[:-1], usual.scores[:-1])
        assert (each.explored, each.pool, each.source) == (True, pool, Source.MODEL)
    assert len(counted) == len(pool)


def test_the_share_and_the_draws_are_those_of_the_source_of_chance() -> None:
    explorer = Explorer(0.2, random.Random(7), lambda: None)
    answers = [explored(explorer, ANSWER) for _ in range(30_000)]
    drawn = Counter(each.items[-1] for each in answers if each.explored)
    assert sum(drawn.values()) == pytest.approx(6000, abs=5 * math.sqrt(30_000 * 0.2 * 0.8))
    for count in drawn.values():
        assert count == pytest.approx(2000, abs=5 * math.sqrt(6000 * 2 / 9))
    assert set(drawn) == {3, 4, 5}
    assert all(each is ANSWER for each in answers if not each.explored)


def test_an_answer_without_a_pool_is_never_chosen() -> None:
    plain = Answer((1, 2), (0.9, 0.8), Source.MODEL)
    assert not Explorer(0.2, Turns(), pytest.fail).chosen(plain)


async def of_chain(folder: Path, **changes: Any) -> tuple[Answer, int]:
    """The answer of a chain with a pool of ten, and the number of items that it asked for."""
    ranker = Watching()
    parts = Parts(folder, ranker, giving(PLAIN), pool=10)
    return await parts.chain.answer(request(**changes)), ranker.wanted


async def test_the_model_is_asked_for_the_items_of_the_pool(tmp_path: Path) -> None:
    answer, wanted = await of_chain(tmp_path, top_n=3, past=Past(known=frozenset({0, 4})))
    assert (answer.items, wanted) == ((1, 2, 3), 3 + 2 + 9)
    assert [item for item, _ in answer.pool] == [3, 5, 6, 7, 8, 9, 10, 11, 12, 13]
    assert not answer.explored


@pytest.mark.parametrize(
    "changes",
    [
        {"top_n": 1},
        {"top_n": 20, "past": Past(known=frozenset(range(22)))},
        {"selection": Selection(candidates=tuple(range(30)))},
        {"selection": Selection(seeds=(4,)), "session": session(4)},
    ],
    ids=["one place", "too few items", "candidates", "seeds"],
)
async def test_some_answers_have_no_pool(tmp_path: Path, changes: dict[str, Any]) -> None:
    answer, _ = await of_chain(tmp_path, **changes)
    assert (answer.source, answer.pool) == (Source.MODEL, ())


@pytest.mark.parametrize("source", [Source.BASELINE, Source.POPULARITY])
async def test_only_the_model_explores(tmp_path: Path, source: Source) -> None:
    broken = failing(RankerError(FallReason.ERROR))
    baseline = Watching() if source is Source.BASELINE else broken
    answer = await Parts(tmp_path, broken, baseline, pool=2).chain.answer(request(top_n=2))
    assert (answer.source, answer.pool) == (source, ())


async def test_without_a_pool_the_model_is_asked_for_no_more(tmp_path: Path) -> None:
    ranker = Watching()
    answer = await Parts(tmp_path, ranker, giving(PLAIN)).chain.answer(request(top_n=3))
    assert (answer.pool, ranker.wanted) == ((), 3)


class Slow(Watching):
    """Lets others ask before it ranks."""

    async def rank(self, tensors: Tensors, top_n: int, timeout: float) -> Ranking:
        await asyncio.sleep(0)
        return await super().rank(tensors, top_n, timeout)


async def test_an_answer_that_is_kept_or_shared_is_no_drawn_one(tmp_path: Path) -> None:
    chain = Parts(tmp_path, Slow(), giving(PLAIN), pool=3).chain
    found: list[Found] = []
    cache = Cache(
        chain,
        Bounds(seconds=5, entries=3, bytes=2**20),
        found.append,
        lambda *_: None,
        lambda: 0.0,
    )
    explorer = Explorer(0.2, Turns(), lambda: None)

    async def ask() -> Answer:
        answer, _ = await cache.answer(request(top_n=2))
        assert (answer.items, answer.explored) == ((0, 1), False)
        return explored(explorer, answer)

    at_once = await asyncio.gather(ask(), ask())
    later = [await ask(), await ask()]
    assert [each.items for each in (*at_once, *later)] == [(0, 1), (0, 2), (0, 3), (0, 1)]
    assert found == [Found.MISS, Found.JOINED, Found.HIT, Found.HIT]
