"""The package's answers, back in the order of the generated shop's impressions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import polars as pl

from recommender_contract import ids
from tests.benchmarks import schema_models

START = datetime(2026, 1, 5, tzinfo=UTC)


def test_an_answer_belongs_to_the_user_the_item_and_the_second_of_an_impression() -> None:
    """The data set knows seconds alone."""
    shown = [("u1", "a", 0.2), ("u2", "a", 0.3), ("u1", "a", 1.9), ("u1", "b", 1.5)]
    log = pl.DataFrame(
        {
            "user_id": [user for user, _, _ in shown],
            "item_id": [item for _, item, _ in shown],
            "time": [START + timedelta(seconds=after) for _, _, after in shown],
        }
    )
    users = np.sort([ids.hashed("u1"), ids.hashed("u2")])
    items = np.sort([ids.hashed("a"), ids.hashed("b")])
    events = SimpleNamespace(
        user=np.searchsorted(users, [ids.hashed(user) for user, _, _ in shown]),
        item=np.searchsorted(items, [ids.hashed(item) for _, item, _ in shown]),
        time=log["time"].dt.epoch("s").to_numpy(),
    )
    data = SimpleNamespace(
        users=SimpleNamespace(ids=users), items=SimpleNamespace(ids=items), events=events
    )
    prepared = cast("Any", SimpleNamespace(data=data, split=SimpleNamespace(test=np.arange(4))))
    found = schema_models.of_impressions(prepared, np.array([0.1, 0.2, 0.3, 0.4]), log.reverse())
    assert found.tolist() == [0.4, 0.3, 0.2, 0.1]
