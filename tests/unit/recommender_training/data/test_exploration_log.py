"""Explored places as arrays: each id is found among the known ones, as one by one."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.data import schema
from recommender_training.data.exploration_log import ExplorationLog

IDS = st.integers(0, 30)


@given(
    st.lists(st.tuples(IDS, st.lists(IDS, min_size=2, max_size=6, unique=True)), max_size=8),
    st.sets(IDS).map(sorted),
)
def test_pools_have_the_places_of_their_known_items(
    rows: list[tuple[int, list[int]]], known: list[int]
) -> None:
    table = pl.DataFrame(
        [(user, 7, pool[-1], 3, " ".join(map(str, pool))) for user, pool in rows],
        schema=schema.EXPLORED_SCHEMA,
        orient="row",
    )
    ids = np.array(known, dtype=np.int64)
    place = {each: row for row, each in enumerate(known)}
    found = ExplorationLog.of(table, ids, ids)
    assert found.size.tolist() == [len(pool) for _, pool in rows]
    assert found.user.tolist() == [place.get(user, -1) for user, _ in rows]
    assert found.item.tolist() == [place.get(pool[-1], -1) for _, pool in rows]
    for row, (_, pool) in enumerate(rows):
        own = [place.get(each, -1) for each in pool]
        assert found.pool[row].tolist() == own + [-1] * (found.pool.shape[1] - len(own))
