"""Raw contents come back as they went; what does not fit its shape is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_serving.protocols.raw_tensors import FORMATS, pack, unpack

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "BOOL": st.booleans(),
    "INT32": st.integers(-(2**31), 2**31 - 1),
    "INT64": st.integers(-(2**63), 2**63 - 1),
    "FP32": st.floats(width=32, allow_nan=False),
    "FP64": st.floats(allow_nan=False),
    "BYTES": st.text(max_size=20),
}
DTYPES = {"BOOL": "?", "INT32": "<i4", "INT64": "<i8", "FP32": "<f4", "FP64": "<f8"}


@given(st.data(), st.sampled_from(sorted(VALUES)))
def test_values_come_back_as_they_went(data: st.DataObject, datatype: str) -> None:
    values = data.draw(st.lists(VALUES[datatype], max_size=20))
    back = unpack(datatype, [len(values)], pack(datatype, values))
    assert back == ([v.encode() for v in values] if datatype == "BYTES" else values)
    assert unpack(datatype, [1, len(values)], pack(datatype, values)) == back


@given(st.data(), st.sampled_from(sorted(FORMATS)))
def test_the_layout_is_that_of_numpy(data: st.DataObject, datatype: str) -> None:
    values = data.draw(st.lists(VALUES[datatype], max_size=20))
    assert pack(datatype, values) == np.array(values, DTYPES[datatype]).tobytes()


@given(
    st.sampled_from([*VALUES, "FP16", "nonsense"]),
    st.lists(st.integers(-2, 5), max_size=3),
    st.binary(max_size=60),
)
def test_any_bytes_are_decoded_or_refused(datatype: str, shape: list[int], raw: bytes) -> None:
    try:
        values = unpack(datatype, shape, raw)
    except ValueError:
        return
    assert len(values) == np.prod(shape, dtype=int)
    assert len(raw) >= len(values)


@pytest.mark.parametrize(
    "raw", [b"\x01", b"\x00\x00\x00", b"\xff\xff\xff\xff", b"\x05\x00\x00\x00abcd"]
)
def test_a_text_beyond_the_end_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="beyond"):
        unpack("BYTES", [1], raw)
