"""What a model reads of a row follows from earlier events alone, whatever the label is."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.resource.hyperparameters import FeatureGroup
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data import negatives
from recommender_training.data.dataset import Dataset
from recommender_training.features import event_features, event_history
from recommender_training.features.assembly import Constants, Inputs
from tests import small_data

LABELS: dict[str, Any] = {
    "attributed": {
        "positiveTypes": [{"type": "buy"}],
        "attribution": {"impressions": ["view"], "hours": 0.01},
    },
    "drawn": {
        "positiveTypes": [{"type": "buy"}],
        "negatives": {"perPositive": 2},
        "positiveRate": 0.1,
    },
}
#: User, item, time and type.
ROWS = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(0, 3), st.integers(1, 200), st.sampled_from(["view", "buy"])
    ),
    min_size=1,
    max_size=25,
    unique=True,
)
FROZEN = Constants(3.0, 0.3, (FeatureGroup.DEMOGRAPHIC_RATES, FeatureGroup.ROLLING_POPULARITY))


def data(rows: list[Any], label: str) -> Dataset:
    declared = FeatureSchema.model_validate(
        {
            "label": LABELS[label],
            "users": [{"name": "tier", "kind": "Boolean", "coldStart": True}],
            "items": [{"name": "brand", "kind": "Categorical"}],
        }
    )
    events: Any = [
        (user, item, 5.0 if kind == "buy" else 2.0, time, {"event_type": kind})
        for user, item, time, kind in sorted(rows, key=lambda row: (row[2], *row[:2], row[3]))
    ]
    of_users = [{"id": number, "tier": "true" if number else "false"} for number in range(3)]
    of_items = [{"id": number, "brand": "ab"[number % 2]} for number in range(4)]
    return negatives.add_negatives(small_data.build(events, of_users, of_items, declared))


def read(found: Dataset, end: int) -> list[tuple[Any, ...]]:
    """The inputs of the rows up to a time, without their labels, and which rows they are."""
    events = found.events
    assert events.labels is not None
    rows = np.flatnonzero(events.time <= end)
    inputs: Inputs = event_features.build_features(found, 4, FROZEN).take(torch.from_numpy(rows))
    columns = [getattr(inputs, each.name) for each in fields(Inputs) if each.name != "label"]
    drawn = (~events.labels.logged[rows]).tolist()
    texts = ["|".join(str(column[n].tolist()) for column in columns) for n in range(len(rows))]
    return sorted(zip(events.time[rows].tolist(), drawn, texts, strict=True))


@pytest.mark.parametrize("label", LABELS)
@given(rows=ROWS, later=ROWS)
def test_no_input_changes_when_later_rows_are_added(
    label: str, rows: list[Any], later: list[Any]
) -> None:
    end = max(row[2] for row in rows)
    more = [(user, item, end + time, kind) for user, item, time, kind in later]
    assert read(data(rows, label), end) == read(data(rows + more, label), end)


def test_a_label_that_comes_later_is_no_feature() -> None:
    """A purchase after an impression makes it positive, but not before the purchase."""
    rows = [(0, 0, 1, "view"), (1, 0, 10, "view"), (0, 0, 20, "buy"), (1, 0, 90, "view")]
    found = data(rows, "attributed")
    assert found.events.label.tolist() == [True, False, False, False]
    before = event_history.counts_before(found.events)
    assert before.positives.tolist() == [0, 0, 0, 1]
    assert before.events.tolist() == [0, 1, 2, 3]
