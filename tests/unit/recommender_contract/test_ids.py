"""Ids that are texts have one number each, the one in docs/contracts/ids.md."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from recommender_contract import ids
from tests.id_vectors import vectors


def test_a_text_has_the_id_defined_in_the_contract() -> None:
    assert {text: ids.hashed(text) for text in vectors()} == vectors()


@given(st.text(max_size=300))
def test_an_id_is_a_number_of_63_bits(text: str) -> None:
    if ids.fault(text) is None:
        assert 0 <= ids.hashed(text) < 2**63


@given(st.text(max_size=80))
def test_a_text_is_an_id_unless_it_is_empty_too_long_or_holds_a_control(text: str) -> None:
    controls = any(unicodedata.category(each) == "Cc" for each in text)
    fits = 1 <= len(text.encode()) <= 256
    assert (ids.fault(text) is None) == (fits and not controls)
    assert ids.fault(text.encode()) == ids.fault(text)
