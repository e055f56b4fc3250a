"""A transformer is told which features divide labels, beside those that impressions have."""

from __future__ import annotations

import dataclasses
from typing import Any

from recommender_contract.resource.mapping import DataMapping
from recommender_operator.resources import label_segments
from recommender_operator.resources.transformer_env import variables
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model, version
from tests.unit.recommender_operator.resources.built_manifests import MAPPING

LABEL = {
    "positiveTypes": [{"type": "purchase"}],
    "attribution": {"impressions": ["impression"], "hours": 24},
}


def mapping(context: list[dict[str, Any]], users: list[dict[str, Any]]) -> dict[str, Any]:
    interactions = {
        **MAPPING["interactions"], "eventType": "kind", "eventTypes": [{"type": "purchase"}],
        "features": context,
    }  # fmt: skip
    of_users = {"files": "users/*", "id": "user_id", "features": users}
    return {**MAPPING, "interactions": interactions, "users": of_users, "label": LABEL}


def test_without_a_mapping_there_are_none() -> None:
    assert label_segments.segment_features(None) == ()
    assert label_segments.segment_features(DataMapping.model_validate({**MAPPING})) == ()


def test_the_transformer_is_told_only_if_predictions_are_compared() -> None:
    own = dataclasses.replace(OPTIONS, collector_url="http://c.team.svc", store_namespace="team")
    age = {"name": "age", "kind": "Numeric", "fairness": True}
    whole = mapping([{"name": "device", "kind": "Categorical", "fairness": True}], [age])
    without_label = {name: part for name, part in whole.items() if name != "label"}
    found = {}
    for name, each in (("label", whole), ("none", without_label)):
        source = {
            "persistentVolumeClaim": {"claimName": "raw", "path": "shop"},
            "format": "CSV",
            "mapping": each,
        }
        of = model(serving={"impressions": 1}, data={"source": source})
        told = {one["name"]: one["value"] for one in variables(of, version(), own)}
        found[name] = told.get("RECOMMENDER_LABEL_SEGMENTS")
    assert found == {"label": "age", "none": None}
