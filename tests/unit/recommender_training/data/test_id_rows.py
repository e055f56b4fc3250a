"""Ids with few events share rows of an embedding table, and the table is as short as promised."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.data.id_rows import IdRows, assign, shared_row

IDS = st.dictionaries(st.integers(0, 2**62), st.integers(0, 8), min_size=1, max_size=60)


@given(events=IDS, least=st.integers(1, 6), buckets=st.integers(1, 8))
def test_frequent_ids_have_rows_of_their_own_and_rare_ones_share(
    events: dict[int, int], least: int, buckets: int
) -> None:
    ids = np.array(sorted(events), dtype=np.int64)
    counts = np.array([events[each] for each in ids.tolist()], dtype=np.int64)
    found = assign(ids, counts, least, buckets)
    rare = (counts > 0) & (counts < least)
    if rare.sum() <= buckets:
        assert found == IdRows.own(len(ids)), "sharing would save nothing"
        return
    assert found.of is not None
    assert found.sharing == rare.sum()
    assert found.of[0] == 0
    own, rows = found.of[1:][counts >= least], found.of[1:]
    assert sorted(own.tolist()) == list(range(1, len(own) + 1)), "each has one, in order"
    assert (rows[counts == 0] == 0).all(), "of these nothing is known"
    assert found.count == 1 + len(own) + buckets
    shared = 1 + len(own) + shared_row(ids[rare], buckets)
    assert rows[rare].tolist() == shared.tolist()
    assert shared.max() < found.count


@given(events=IDS, more=st.integers(0, 2**62))
def test_the_bucket_of_an_id_does_not_depend_on_the_others(
    events: dict[int, int], more: int
) -> None:
    ids = np.array(sorted(events), dtype=np.int64)
    every = np.array(sorted({*events, more}), dtype=np.int64)
    of = dict(zip(every.tolist(), shared_row(every, 7).tolist(), strict=True))
    assert [of[each] for each in ids.tolist()] == shared_row(ids, 7).tolist()


def test_buckets_are_the_same_in_every_release_and_about_equally_full() -> None:
    assert shared_row(np.array([0, 1, 2, 2**62]), 1000).tolist() == [535, 465, 110, 75]
    counts = np.bincount(shared_row(np.arange(100_000), 100), minlength=100)
    assert counts.min() > 850
    assert counts.max() < 1150
