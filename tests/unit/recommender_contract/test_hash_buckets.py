"""Hashed categories have one bucket each, always the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recommender_contract import hash_buckets
from recommender_contract.ids import hashed

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
COUNTS = st.integers(2, 50)


def test_the_hash_is_stable() -> None:
    """Another hash would move every category of every published version."""
    found = {text: hash_buckets.bucket(text, 1000) for text in ("a", "b", "größe", "日本")}
    assert found == {"a": 343, "b": 333, "größe": 705, "日本": 370}


@given(TEXTS, COUNTS)
def test_a_bucket_is_the_hash_of_an_id_modulo_their_number(text: str, count: int) -> None:
    found = hash_buckets.bucket(text, count)
    assert 0 <= found < count
    assert hash_buckets.bucket(text, 2**62) == hashed(text) % 2**62


@given(TEXTS, COUNTS)
def test_a_bucket_has_a_name_that_is_in_the_bucket_itself(text: str, count: int) -> None:
    index = hash_buckets.HashedIndex(hash_buckets.names(count))
    assert index[text] == index[index.name(text)]
    assert index.name(text) == f"#{index[text]}"
