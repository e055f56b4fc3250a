"""API objects from and to JSON text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.controller.json_text import parsed, text_of

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
#: JSON has neither NaN nor infinite numbers.
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
)


def kinds(value: Any) -> Any:
    """Return a value with its types: 1, 1.0 and True are equal in Python."""
    if isinstance(value, dict):
        return {key: kinds(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [kinds(inner) for inner in value]
    return type(value), value


@given(VALUES)
def test_a_value_survives_the_way_to_text_and_back(value: Any) -> None:
    assert kinds(parsed(text_of(value))) == kinds(value)


@given(VALUES)
def test_texts_mean_what_the_standard_library_reads(value: Any) -> None:
    assert kinds(parsed(json.dumps(value).encode())) == kinds(value)
    assert kinds(json.loads(text_of(value))) == kinds(value)


@pytest.mark.parametrize("depth", [100, 250, 400])
def test_deep_values_are_read_and_written(depth: int) -> None:
    text = b"[" * depth + b"]" * depth
    assert text_of(parsed(text)) == text


@pytest.mark.parametrize("text", [b"", b"{", b"no", b"{'a': 1}", b"[1] 2", b"\xff"])
def test_what_is_not_json_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the text is msgspec's
        parsed(text)
