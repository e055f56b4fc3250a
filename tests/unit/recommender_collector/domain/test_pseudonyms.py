"""Keyed hashes of users."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from recommender_collector.domain.pseudonyms import Pseudonyms

KEY = b"0123456789abcdef"


def test_a_pseudonym_is_the_hmac_that_the_docs_state() -> None:
    expected = hmac.new(KEY, "adä".encode(), hashlib.sha256).hexdigest()[:32]
    pseudonyms = Pseudonyms(KEY)
    assert pseudonyms("adä") == expected
    assert pseudonyms("adä") == expected, "the second call starts anew"


def test_another_key_gives_another_pseudonym() -> None:
    assert Pseudonyms(KEY)("ada") != Pseudonyms(KEY[::-1])("ada")


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="15 bytes: give at least 16"):
        Pseudonyms(KEY[:15])
