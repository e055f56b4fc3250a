"""Operator, transformer, collector and training mean the same features by label segments."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from recommender_collector.domain.declaration import Mapping as Declared
from recommender_collector.domain.declaration import Model
from recommender_operator.api.spec_mapping import DataMapping
from recommender_operator.resources import label_segments
from recommender_operator.resources.transformer_env import variables
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data_checks import segment_rows
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model, version
from tests.unit.recommender_operator.resources.built_manifests import MAPPING

KINDS = ["Categorical", "Boolean", "Numeric", "Timestamp"]
LABEL = {
    "positiveTypes": [{"type": "purchase"}],
    "attribution": {"impressions": ["impression"], "hours": 24},
}


def features(prefix: str, *, served: bool) -> st.SearchStrategy[list[dict[str, Any]]]:
    fields = {"kind": st.sampled_from(KINDS), "fairness": st.booleans()}
    each = st.fixed_dictionaries(
        fields | ({"servedAs": st.none() | st.just("1")} if served else {})
    )
    return st.lists(each, min_size=1, max_size=5).map(
        lambda found: [
            {"name": f"{prefix}{n}"} | {k: v for k, v in one.items() if v is not None}
            for n, one in enumerate(found)
        ]
    )


def mapping(context: list[dict[str, Any]], users: list[dict[str, Any]]) -> dict[str, Any]:
    interactions = {
        **MAPPING["interactions"], "eventType": "kind", "eventTypes": [{"type": "purchase"}],
        "features": context,
    }  # fmt: skip
    of_users = {"files": "users/*", "id": "user_id", "features": users}
    return {**MAPPING, "interactions": interactions, "users": of_users, "label": LABEL}


def fair(name: str, kind: str) -> dict[str, Any]:
    return {"name": name, "kind": kind, "fairness": True}


@example(
    [fair(f"c{n}", kind) for n, kind in enumerate(["Numeric"] * 3 + ["Boolean"])],
    [fair("u", "Numeric")],
)
@example([fair("c", "Numeric")], [fair(f"u{n}", "Categorical") for n in range(3)])
@given(features("c", served=True), features("u", served=False))
def test_impressions_say_what_the_collector_cannot_see_in_their_context(
    context: list[dict[str, Any]], users: list[dict[str, Any]]
) -> None:
    given_ = mapping(context, users)
    declared = Model(mapping=Declared.model_validate(given_))
    said = label_segments.segment_features(DataMapping.model_validate(given_))
    assert {*said, *declared.segments} == {*declared.told_segments}
    assert not {*said} & {*declared.segments}
    assert len(declared.told_segments) <= label_segments.MOST
    # Served as a text that every kind accepts: what it is does not matter here.
    served = [each | {"kind": "Categorical"} if each.get("servedAs") else each for each in context]
    read = FeatureSchema.model_validate({"context": served, "users": users})
    assert [each.name for each in segment_rows.dividing(read)] == list(declared.told_segments)
    divides = label_segments.divides(DataMapping.model_validate(given_))
    assert divides is bool(declared.told_segments)


def test_no_list_divides_predictions() -> None:
    lists = [fair("tags", "MultiCategorical"), fair("vector", "Embedding") | {"length": 2}]
    given_ = mapping(lists, [each | {"name": f"u_{each['name']}"} for each in lists])
    assert label_segments.segment_features(DataMapping.model_validate(given_)) == ()
    assert Model(mapping=Declared.model_validate(given_)).told_segments == ()


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
        source = {"claimName": "raw", "path": "shop", "format": "CSV", "mapping": each}
        of = model(serving={"impressions": 1}, data={"source": source})
        told = {one["name"]: one["value"] for one in variables(of, version(), own)}
        found[name] = told.get("RECOMMENDER_LABEL_SEGMENTS")
    assert found == {"label": "age", "none": None}
