"""Rows are found by raw id, whatever the order of the ids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_serving.artifact.row_index import ABSENT, RowIndex

ids = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(ids, unique=True, max_size=20), ids)
def test_each_id_has_its_row_and_no_other_has_one(listed: list[int], other: int) -> None:
    rows = RowIndex(listed)
    assert len(rows) == len(listed)
    assert [rows.row_of(each) for each in listed] == list(range(len(listed)))
    assert (rows.row_of(other) == ABSENT) == (other not in listed)
    if listed:
        assert rows.smallest == min(listed)


@given(st.lists(ids, min_size=1, unique=True, max_size=20), st.data())
def test_an_id_that_is_listed_twice_is_refused(listed: list[int], data: st.DataObject) -> None:
    repeated = data.draw(st.sampled_from(listed))
    with pytest.raises(ValueError, match=f"the id {repeated} is listed twice"):
        RowIndex(data.draw(st.permutations([*listed, repeated])))
