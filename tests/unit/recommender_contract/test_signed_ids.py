"""A request id with a proof is that of its model, user and id alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.events import MAX_LABEL
from recommender_contract.signed_ids import signed, verified

KEY, OTHER = b"0123456789abcdef", b"fedcba9876543210"
ids = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=105)


@given(ids, st.integers(0, 2**63))
def test_a_signed_id_is_verified_and_has_the_id(id_: str, user: int) -> None:
    text = signed(id_, "shop", user, KEY)
    assert len(text) <= MAX_LABEL
    assert text.isascii()
    assert text.isprintable()
    assert verified(text, "shop", user, [OTHER, KEY]) == id_


@pytest.mark.parametrize(
    ("model", "user", "keys"),
    [("news", 7, [KEY]), ("shop", 8, [KEY]), ("shop", 7, [OTHER]), ("shop", 7, [])],
)
def test_a_proof_of_another_model_user_or_key_is_none(
    model: str, user: int, keys: list[bytes]
) -> None:
    assert verified(signed("r-1", "shop", 7, KEY), model, user, keys) is None


@given(ids)
def test_what_nobody_signed_is_not_proven(text: str) -> None:
    assert verified(text, "shop", 7, [KEY]) is None


def test_every_changed_character_breaks_the_proof() -> None:
    text = signed("r-1", "shop", 7, KEY)
    # The last one has bits that no byte needs.
    for place in range(len(text)):
        changed = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        assert verified(changed, "shop", 7, [KEY]) is None


def test_an_id_that_is_too_long_for_a_proof_stays_as_it_is() -> None:
    assert signed("r" * 106, "shop", 7, KEY) == "r" * 106
