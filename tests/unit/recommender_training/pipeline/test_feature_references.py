"""Settings that name a feature are refused, with what they may be, before the first fit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from recommender_training.common.errors import InputError
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.config.training import parse_config
from recommender_training.data.dataset import Dataset
from recommender_training.pipeline import feature_references
from tests import small_data

DECLARED = FeatureSchema.model_validate(
    {
        "users": [
            {"name": "tier", "kind": "Categorical"},
            {"name": "points", "kind": "Numeric"},
            {"name": "joined", "kind": "Timestamp"},
            {"name": "birth", "kind": "Timestamp", "calendar": "Month"},
            {"name": "likes", "kind": "MultiCategorical"},
            {"name": "vector", "kind": "Embedding", "length": 2},
        ],
        "items": [{"name": "brand", "kind": "Categorical"}, {"name": "made", "kind": "Timestamp"}],
        "context": [{"name": "device", "kind": "Categorical"}],
    }
)


@pytest.fixture(scope="module")
def data() -> Dataset:
    events: list[small_data.Event] = [(1, 1, 5.0, 0, {"device": "app"})]
    return small_data.build(
        events, [{"id": 1, "tier": "gold"}], [{"id": 1, "brand": "x"}], DECLARED
    )


def reweighted(by: str) -> dict[str, Any]:
    return {"mitigation": {"reweighting": {"by": by}}}


def exposed(by: str) -> dict[str, Any]:
    return {"mitigation": {"exposure": {"by": by}}}


def broken(feature: str) -> dict[str, Any]:
    return {"faultInjection": {"fault": "BrokenFeatures", "feature": feature}}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        reweighted("Segment"),
        reweighted("tier"),
        reweighted("points"),
        reweighted("birth"),
        exposed("Popularity"),
        exposed("brand"),
        broken("tier"),
        broken("device"),
        broken("brand"),
    ],
)
def test_names_that_the_data_declares_are_accepted(
    data: Dataset, settings: dict[str, Any]
) -> None:
    feature_references.check_references(parse_config(json.dumps(settings)), data)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (reweighted("tear"), "reweighting.by=tear: .*; use Segment, tier, points or birth"),
        (reweighted("device"), "reweighting.by=device"),  # a group of users does not change
        (reweighted("joined"), "reweighting.by=joined"),  # an age does
        (reweighted("likes"), "reweighting.by=likes"),
        (reweighted("vector"), "reweighting.by=vector"),
        (exposed("made"), "exposure.by=made: .*; use Popularity or brand"),
        (broken("points"), "faultInjection.feature=points: .*; use tier, likes, device or brand"),
    ],
)
def test_other_names_are_refused_with_those_there_are(
    data: Dataset, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        feature_references.check_references(parse_config(json.dumps(settings)), data)
    assert caught.value.reason == "InvalidConfig"
