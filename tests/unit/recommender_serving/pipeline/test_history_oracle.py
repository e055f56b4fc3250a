"""What an answer tells of the history of a user to a caller who may name anybody: nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_serving.domain.types import RecommendRequest, SessionEvent
from recommender_serving.ranking.user_history import History
from tests.effort import COSTLY
from tests.unit.recommender_serving.serving_callers import NOTHING, Store, Stored, answers
from tests.unit.recommender_serving.serving_samples import (
    CATALOGUE,
    GENRES,
    NOW,
)

items = st.integers(0, CATALOGUE - 1)
stored = st.fixed_dictionaries(
    {name: st.frozensets(items, max_size=9) for name in NOTHING}
)  # fmt: skip
chosen = st.lists(items, min_size=1, max_size=9, unique=True)
#: What a caller may choose items by.
wishes = st.one_of(
    st.fixed_dictionaries({"candidate_items": chosen}),
    st.fixed_dictionaries({"excluded_items": chosen}),
    st.fixed_dictionaries({"seed_items": chosen}),
    st.fixed_dictionaries({"session": chosen}),
    st.fixed_dictionaries({"allow": st.sampled_from(GENRES)}),
    st.fixed_dictionaries({"deny": st.sampled_from(GENRES)}),
)


@COSTLY
@given(stored, wishes)
def test_the_answer_to_a_choice_of_an_unknown_caller_is_that_of_a_user_without_history(
    known: Stored, wish: Mapping[str, Any]
) -> None:
    asked = asyncio.run(answers(known, wish))
    assert asked == asyncio.run(answers(NOTHING, wish))


@COSTLY
@given(stored, chosen)
def test_each_candidate_of_an_unknown_caller_is_in_the_answer(
    known: Stored, candidates: list[int]
) -> None:
    for protocol, (found, _) in asyncio.run(
        answers(known, {"candidate_items": candidates})
    ).items():
        assert sorted(found) == sorted(candidates), protocol


HISTORY: Stored = {
    "recent": frozenset({1}), "known": frozenset({2, 3}), "unwanted": frozenset({4}),
}  # fmt: skip


@pytest.mark.parametrize("wish", [{"candidate_items": [1, 2, 3, 4, 5]}, {"session": [9]}])
async def test_a_trusted_caller_gets_answers_without_what_the_user_knows(
    wish: dict[str, Any],
) -> None:
    for protocol, (found, _) in (await answers(HISTORY, wish, trusting=True)).items():
        assert not {2, 3, 4} & set(found), protocol
        assert 5 in found


async def test_a_plain_request_leaves_out_what_its_user_knows_whoever_asks() -> None:
    for protocol, (found, _) in (await answers(HISTORY, {})).items():
        assert not {1, 2, 3, 4} & set(found), protocol


async def test_the_store_is_not_read_for_a_choice_of_an_unknown_caller() -> None:
    store = Store(HISTORY)
    history = History(store, lambda _: None, 5)
    asked = RecommendRequest(7, NOW, 3, session=(SessionEvent(1, NOW - 1),))
    assert await history.complete(asked) is asked
    assert store.reads == 0
