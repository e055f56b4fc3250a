"""Name and version are read from a text as from the object that it stands for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.controller.kube import KubeError
from recommender_operator.controller.store import place_of, version_of
from recommender_operator.controller.unparsed import Unparsed

NAMES = st.text("abc-", max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["name", "uid"]), inner),
)
HEADS = st.fixed_dictionaries(
    {"name": NAMES},
    optional={
        "namespace": NAMES,
        "uid": NAMES,
        "resourceVersion": st.integers(0, 2**70).map(str) | st.just("x"),
        "labels": VALUES,
        "managedFields": VALUES,
    },
)


@given(HEADS, st.dictionaries(st.sampled_from(["spec", "status", "name", "uid"]), VALUES))
def test_it_has_the_name_and_the_version_of_its_object(head: Any, rest: Any) -> None:
    thing = {**rest, "metadata": head}
    text = Unparsed(json.dumps(thing).encode())
    assert text.place == place_of(thing)
    assert text.version == version_of(thing)
    assert text.uid == head.get("uid", "")
    assert text.parsed() == thing


@pytest.mark.parametrize("text", [b"", b"7", b"{}", b'{"metadata": 7}', b"[" * 100_000])
def test_what_is_no_object_of_the_api_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Unparsed(text)


def test_an_object_that_cannot_be_parsed_is_named() -> None:
    text = Unparsed(b'{"metadata": {"name": "a", "namespace": "team"}, "spec": "\xff"}')
    with pytest.raises(KubeError, match="team/a: "):
        text.parsed()
