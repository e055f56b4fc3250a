"""Moments are exact sums, whatever is added and subtracted."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from recommender_collector.experiments.moments import COMPONENTS, Moments, UserMoments

vectors = st.lists(
    st.tuples(*(st.integers(0, 10**15) for _ in COMPONENTS)), min_size=1, max_size=8
)


@given(vectors, st.integers(0, 2**32))
def test_what_is_subtracted_is_gone_and_the_order_does_not_matter(
    found: list[tuple[int, ...]], seed: int
) -> None:
    shares = [UserMoments("a", False, each, ()) for each in found]
    moments, kept = Moments(), Moments()
    for each in shares:
        moments.add(each, 1)
    random.Random(seed).shuffle(shares)
    kept.add(shares[0], 1)
    for each in shares[1:]:
        moments.add(each, -1)
    assert moments == kept == Moments.decode(kept.encode())


def test_components_are_in_the_order_of_the_alphabet_as_their_products_are() -> None:
    assert list(COMPONENTS) == sorted(COMPONENTS)
    shown = Moments().shown("a")["products"]
    assert isinstance(shown, dict)
    assert len(shown) == 66
    assert all(key.split("*") == sorted(key.split("*")) for key in shown)
