"""The version whose predictions are compared with labels."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from recommender_operator.reconcile.collector_readings import compared_version
from tests.sources import SOURCE
from tests.unit.recommender_operator.resources import builder_inputs

LABELLED = {
    "persistentVolumeClaim": {"claimName": "raw"}, "format": "CSV",
    "mapping": {
        "interactions": {
            "files": "i.csv", "user": "u", "item": "i", "timestamp": "t", "eventType": "kind",
            "eventTypes": [{"type": "impression", "value": 1}, {"type": "purchase", "value": 5}],
        },
        "label": {
            "positiveTypes": [{"type": "purchase"}],
            "attribution": {"impressions": ["impression"], "hours": 24},
        },
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "champion"),
    [
        ({}, "movies-0a1b2c3d"),
        ({"retrain": {"drift": {"enabled": False}}}, None),
        ({"serving": {"impressions": 0}}, None),
        ({"data": {"source": SOURCE}}, None),
    ],
    ids=["attributed", "no monitor", "no impressions", "ratings"],
)
def test_predictions_are_compared_where_impressions_have_labels(
    changes: dict[str, Any], champion: str | None
) -> None:
    spec = {"data": {"source": LABELLED}, "serving": {"impressions": 1}, **changes}
    model = builder_inputs.model(**spec)
    served = model.status.model_copy(update={"champion": "movies-0a1b2c3d"})
    assert compared_version(dataclasses.replace(model, status=served)) == champion
    assert compared_version(model) is None, "nothing serves"
