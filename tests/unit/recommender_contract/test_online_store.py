"""The online store has the keys and values of the present release, byte for byte.

Transformers and writers of two releases share a store during an upgrade.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract import online_store
from recommender_contract.online_store import Hide, Set

ITEM, TIME = 42, 1_795_000_000_250


def test_keys_and_members_are_those_of_the_present_release(
    recorded: Callable[[str, Any], None],
) -> None:
    recorded(
        "online_store.json",
        {
            "keys": {name.value: online_store.key("shop", 7, name) for name in Set},
            "member": online_store.member(ITEM, 4.5, "click", TIME),
            "members": dict(sorted(online_store.LIMITS.items())),
            "trends": online_store.trends("shop"),
            "segment": online_store.segment_of({"device": "phone", "country": "DE"}),
            "all": online_store.ALL,
            "hidden": {name.value: name.set.value for name in Hide},
            "half_life": online_store.HALF_LIFE,
        },
    )


@given(st.integers(-(2**63), 2**63 - 1), st.floats(-1e12, 1e12), st.integers(0, 10**12))
def test_a_member_says_the_item_and_the_value_exactly(item: int, value: float, time: int) -> None:
    text = online_store.member(item, value, "click", time).encode()
    assert online_store.interaction(text) == (item, value)


def test_an_event_counts_half_after_the_half_life() -> None:
    score = online_store.worth(TIME / 1000) + math.log2(3)
    later = TIME / 1000 + online_store.HALF_LIFE
    assert online_store.decayed(score, later) == pytest.approx(1.5)


def test_by_default_nobody_gets_what_was_disliked_nor_what_never_comes_again() -> None:
    never = online_store.hidden_by_default(comes_again=False)
    assert never == {Hide.INTERACTED, Hide.BOUGHT, Hide.DISLIKED}
    assert online_store.hidden_by_default(comes_again=True) == {Hide.DISLIKED}
