"""A real API server accepts the definitions and the samples, and rejects invalid specs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from recommender_operator.api import crd
from recommender_operator.api.spec import RecommenderModelSpec
from tests.integration.crd_rig import (
    GROUP,
    SAMPLES,
    VERSION,
    Json,
    Server,
    changed,
    installed,
    refusal,
    sample,
)

pytestmark = pytest.mark.integration

STEPS = "rollout.steps"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with installed() as server:
        yield server


@pytest.mark.parametrize("name", sorted(crd.render_all()))
def test_a_definition_is_established_and_structural(server: Server, name: str) -> None:
    conditions = server.conditions(name)
    assert conditions["Established"] == "True"
    assert conditions["NamesAccepted"] == "True"
    assert "NonStructuralSchema" not in conditions


@pytest.mark.parametrize("name", sorted(path.stem for path in SAMPLES.glob("*.yaml")))
def test_a_sample_is_accepted_and_gets_the_defaults_of_the_models(
    server: Server, name: str
) -> None:
    body = sample(name)
    created = server.create(body, field_validation="Strict")
    expected = RecommenderModelSpec.model_validate(body["spec"])
    assert RecommenderModelSpec.model_validate(created["spec"]) == expected
    assert created["spec"] == expected.dump()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (STEPS, [{"weight": w} for w in (50, 10, 100)], "must be strictly increasing"),
        (STEPS, [{"weight": w} for w in (10, 10, 100)], "must be strictly increasing"),
        (STEPS, [{"weight": w} for w in (10, 50)], "last weight of rollout.steps must be 100"),
        (STEPS, [], "should have at least 1 items"),
        (STEPS, [{"weight": 0}, {"weight": 100}], "spec.rollout.steps[0].weight"),
        ("analysis", {"provider": "Prometheus"}, "requires analysis.prometheusUrl"),
        ("serving.host", "*.example.com", "serving.host must be a host name in"),
        ("serving.host", "Films.example.com", "serving.host must be a host name in"),
        ("serving.host", "films.example.com.", "serving.host must be a host name in"),
        ("serving.host", "films..example.com", "serving.host must be a host name in"),
        ("serving.host", "10.0.0.1", "serving.host must be a host name in"),
        ("serving.host", "a" * 64 + ".example.com", "serving.host must be a host name in"),
        ("analysis", {"prometheusUrl": "http://p:9090/#x"}, "no '?', '#', '@', '%'"),
        ("analysis", {"prometheusUrl": "http://p:9090/?x"}, "must be a base URL"),
        ("analysis", {"prometheusUrl": "http://p:9090@q"}, "must be a base URL"),
        ("analysis", {"prometheusUrl": "http://p:9090/a/../b"}, "must be a base URL"),
        ("analysis", {"prometheusUrl": "http://p:9090/a%2fb"}, "must be a base URL"),
        ("analysis", {"prometheusUrl": "http://p:9090/a\\b"}, "must be a base URL"),
        ("analysis", {"prometheusUrl": "http://p:9090/\n"}, "must be a base URL"),
        ("analysis", {"stepSeconds": 60, "deadlineSeconds": 9}, "must be at least"),
        ("evaluation.gates", [{"metric": "auc"}], "at least one of min, max and championMargin"),
        ("evaluation.gates", [{"metric": "auc", "min": 0.9, "max": 0.1}], "above its max"),
        ("evaluation.gates", [{"metric": "beauty", "min": 1}], "Unsupported value"),
        (
            "evaluation.gates",
            [{"metric": "calibrationError", "max": 0.1, "judgeBy": "Interval"}],
            "requires a metric with an interval: auc, logLoss",
        ),
        (
            "evaluation.gates",
            [{"metric": "worstSegmentAuc", "championMargin": 0, "judgeBy": "Interval"}],
            "compared with the champion on the same rows: auc, logLoss, ndcgAt10",
        ),
        (
            "serving",
            {"replicas": 3, "autoscaling": {"maxReplicas": 2}},
            "maxReplicas must not be below replicas",
        ),
        (
            "serving",
            {"transformerReplicas": 5, "autoscaling": {"maxReplicas": 4}},
            "maxReplicas must not be below replicas",
        ),
        ("serving.autoscaling", {}, "maxReplicas: Required value"),
        ("data.version", "newest", "spec.data.version"),
        ("data.asOf", "yesterday", "spec.data.asOf"),
        ("data.snapshots", {"every": "Weekly"}, "Unsupported value"),
        ("data.snapshots", {"keep": 0}, "greater than or equal to 1"),
        ("retrain", {"afterSnapshots": 1}, "retrain.afterSnapshots requires data.snapshots"),
        (
            "data",
            {
                "source": {"claimName": "raw"},
                "version": "i3.u1.t0-0123456789abcdef",
                "asOf": "2026-11-01T06:00:00Z",
            },
            "data.version and data.asOf are mutually exclusive",
        ),
        ("data.source.path", "a/../b", "data.source.path must be a path such as"),
        ("data.source.path", "a//b", "data.source.path must be a path such as"),
        ("data.source.path", "a/", "data.source.path must be a path such as"),
        ("data.source.path", "a/./b", "data.source.path must be a path such as"),
        ("data.source.path", "a\\b", "spec.data.source.path"),
        ("data.source.path", "/etc", "spec.data.source.path"),
        ("data.source.claimName", "../pods", "data.source.claimName must be the name"),
        ("storage.claimName", "a/b", "storage.claimName must be the name"),
        (
            "data.source",
            {"claimName": "artifacts", "path": "lake/movies"},
            "data.source.path must not be in a folder of the operator",
        ),
        ("training.hyperparameters", {"learningRate": 0}, "should be greater than 0"),
        ("training.hyperparameters", {"dropout": 1}, "should be less than 1"),
        ("storage", {}, "spec.storage.claimName: Required value"),
        ("metadata.name", "a" * 41, "at most 40 characters"),
        ("metadata.name", "a.b", "must be a DNS label"),
        ("metadata.name", "1a", "must be a DNS label"),
    ],
)
def test_an_invalid_spec_is_rejected_with_field_and_reason(
    server: Server, path: str, value: Any, message: str
) -> None:
    assert message in refusal(lambda: server.create(changed(path, value), dry_run="All"))


def requiring(**requirement: Any) -> Json:
    term = {"matchExpressions": [{"key": "zone", **requirement}]}
    required = {"nodeSelectorTerms": [term]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
                                          required}}}  # fmt: skip


def near(**requirement: Any) -> Json:
    selector = {"matchExpressions": [{"key": "app", **requirement}]}
    term = {"labelSelector": selector, "topologyKey": "kubernetes.io/hostname"}
    return {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
                                             [term]}}}  # fmt: skip


@pytest.mark.parametrize("section", ["training", "serving"])
def test_everything_that_places_pods_is_accepted(server: Server, section: str) -> None:
    scheduling: Json = {
        "nodeSelector": {"cloud.google.com/gke-nodepool": "gpu"},
        "tolerations": [
            {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
            {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30},
            {"key": "team", "operator": "Equal", "value": "web"},
        ],
        **near(operator="In", values=["x"]),
        "serviceAccountName": "trainer",
        "priorityClassName": "batch",
        "podLabels": {"azure.workload.identity/use": "true", "team": "web"},
        "podAnnotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
    }
    body = changed(f"{section}.scheduling", scheduling)
    body["metadata"]["name"] = "placed"
    created = server.create(body, dry_run="All", field_validation="Strict")
    found = RecommenderModelSpec.model_validate(created["spec"])
    assert found == RecommenderModelSpec.model_validate(body["spec"])
    assert created["spec"] == found.dump()


@pytest.mark.parametrize("section", ["training", "serving"])
@pytest.mark.parametrize(
    ("scheduling", "message"),
    [
        ({"podLabels": {"recommender.dev/model": "x"}}, "podLabels has a key that is reserved"),
        ({"podLabels": {"app": "x"}}, "podLabels has a key that is reserved"),
        ({"podLabels": {"a b": "x"}}, "podLabels must be label keys"),
        ({"podLabels": {"team": "a b"}}, "podLabels.team"),
        (
            {"podAnnotations": {"sidecar.istio.io/inject": "true"}},
            "podAnnotations has a key that is reserved",
        ),
        (
            {"podAnnotations": {"serving.kserve.io/autoscalerClass": "hpa"}},
            "podAnnotations has a key that is reserved",
        ),
        ({"podAnnotations": {"a/b/c": "x"}}, "podAnnotations must be label keys"),
        ({"nodeSelector": {"a b": "x"}}, "nodeSelector must be label keys"),
        ({"tolerations": [{"value": "x"}]}, "without a key requires the operator Exists"),
        (
            {"tolerations": [{"key": "a", "operator": "Exists", "value": "x"}]},
            "must not have a value",
        ),
        (
            {"tolerations": [{"key": "a", "tolerationSeconds": 3, "effect": "NoSchedule"}]},
            "requires the effect NoExecute",
        ),
        ({"priorityClassName": "system-node-critical"}, "must not be a class of the system"),
        ({"serviceAccountName": "A"}, "serviceAccountName"),
        (requiring(operator="In"), "at least one with In"),
        (requiring(operator="Exists", values=["a"]), "none with Exists"),
        (requiring(operator="Gt", values=["a"]), "require one integer"),
        (near(operator="NotIn"), "at least one with In"),
    ],
)
def test_what_cannot_place_pods_is_rejected_with_its_field(
    server: Server, section: str, scheduling: Json, message: str
) -> None:
    body = changed(f"{section}.scheduling", scheduling)
    assert message in refusal(lambda: server.create(body, dry_run="All"))


SOURCE: Json = {"claimName": "raw-data", "path": "shop", "format": "CSV"}
EVENTS: Json = {"files": "events/*.csv", "user": "u", "item": "i", "timestamp": "t",
                "value": "v"}  # fmt: skip
UNVALUED = {name: value for name, value in EVENTS.items() if name != "value"}


def typed(*types: Json) -> Json:
    return {"interactions": UNVALUED | {"eventType": "e", "eventTypes": list(types)}}


@pytest.mark.parametrize("kind", ["CSV", "JSONLines", "Parquet", "Delta"])
def test_a_mapping_is_accepted_for_files_of_each_format(server: Server, kind: str) -> None:
    source = SOURCE | {"format": kind, "mapping": {"interactions": EVENTS}}
    body = changed("data.source", source)
    body["metadata"]["name"] = "mapped"
    created = server.create(body, dry_run="All", field_validation="Strict")
    mapping = created["spec"]["data"]["source"]["mapping"]
    assert mapping["partitionBy"] == "Day"
    assert mapping["ids"] == {"user": "Integer", "item": "Integer"}
    assert mapping["interactions"] == EVENTS | {
        "lowest": 1, "highest": 5, "timestampUnit": "Seconds",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({}, "CSV, JSONLines, Parquet and Delta require data.source.mapping"),
        (
            {"format": "MovieLens100K", "mapping": {"interactions": EVENTS}},
            "columns of MovieLens100K are fixed",
        ),
        ({"format": "Excel"}, "Unsupported value"),
        ({"mapping": {}}, "mapping.interactions: Required value"),
        ({"mapping": {"interactions": UNVALUED}}, "requires value, or eventTypes"),
        ({"mapping": typed({"type": "view"})}, "requires value, or eventTypes"),
        (
            {"mapping": typed({"type": "view", "value": 1}, {"type": "view", "value": 2})},
            "must not contain a type twice",
        ),
        ({"mapping": typed({"type": "view", "value": 6})}, "less than or equal to 5"),
        ({"mapping": typed()}, "should have at least 1 items"),
        (
            {"mapping": {"interactions": EVENTS | {"value": "v", "highest": 1}}},
            "must be below highest",
        ),
        (
            {"mapping": {"interactions": EVENTS | {"eventTypes": [{"type": "a"}]}}},
            "requires eventType",
        ),
        (
            {"mapping": {"interactions": EVENTS | {"timestamp": "t", "timestampUnit": "Days"}}},
            "Unsupported value",
        ),
        ({"mapping": {"interactions": EVENTS | {"user": ""}}}, "at least 1 chars"),
        ({"mapping": {"interactions": EVENTS, "ids": {"user": "Uuid"}}}, "Unsupported value"),
        ({"mapping": {"interactions": EVENTS | {"files": "/etc/*"}}}, "interactions.files"),
        ({"mapping": {"interactions": EVENTS | {"files": "a/../../b"}}}, "inside the source"),
        ({"mapping": {"interactions": EVENTS | {"files": "a**/b"}}}, "a whole path segment"),
        (
            {"mapping": {"interactions": EVENTS, "users": {"files": "../u", "id": "i"}}},
            "inside the source",
        ),
        (
            {
                "mapping": {
                    "interactions": EVENTS,
                    "users": {"files": "u", "id": "i", "validFromUnit": "Seconds"},
                }
            },
            "mapping.users.validFromUnit requires validFrom",
        ),
        (
            {"mapping": {"interactions": EVENTS, "csv": {"delimiter": '"'}}},
            "must differ",
        ),
        ({"mapping": {"interactions": EVENTS, "csv": {"delimiter": "::"}}}, "csv.delimiter"),
        (
            {"format": "Parquet", "mapping": {"interactions": EVENTS, "csv": {}}},
            "require data.source.format CSV",
        ),
        (
            {"format": "JSONLines", "mapping": {"interactions": EVENTS | {"columns": ["u"]}}},
            "require data.source.format CSV",
        ),
    ],
)
def test_an_invalid_mapping_is_rejected_with_its_field(
    server: Server, source: Json, message: str
) -> None:
    body = changed("data.source", SOURCE | source)
    assert message in refusal(lambda: server.create(body, dry_run="All"))


TYPED: Json = UNVALUED | {
    "eventType": "e",
    "eventTypes": [{"type": "view", "value": 2}, {"type": "buy", "value": 5}],
}
BUY: Json = {"positiveTypes": [{"type": "buy", "weight": 5}]}
SHOWN: Json = {"attribution": {"impressions": ["view"], "hours": 24}}
DRAWN: Json = {"negatives": {"perPositive": 4}, "positiveRate": 0.01}


@pytest.mark.parametrize(
    "label", [{"minimumValue": 3}, BUY | SHOWN, BUY | DRAWN, {"positiveRate": 0.1}]
)
def test_a_label_is_accepted(server: Server, label: Json) -> None:
    body = changed("data.source", SOURCE | {"mapping": {"interactions": TYPED, "label": label}})
    body["metadata"]["name"] = "labelled"
    created = server.create(body, dry_run="All", field_validation="Strict")
    found = created["spec"]["data"]["source"]["mapping"]["label"]
    assert found.keys() == label.keys()


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ({"minimumValue": 3} | BUY, "minimumValue and positiveTypes of mapping.label"),
        ({"minimumValue": 6}, "should be less than or equal to 5"),
        (SHOWN, "mapping.label.attribution requires positiveTypes"),
        (
            BUY | {"attribution": {"impressions": ["buy"], "hours": 1}},
            "must not be in positiveTypes and in attribution.impressions",
        ),
        (
            BUY | {"attribution": {"impressions": ["view", "view"], "hours": 1}},
            "attribution.impressions must not contain a type twice",
        ),
        (
            BUY | {"attribution": {"impressions": ["view"], "hours": 0}},
            "hours in body should be greater than 0",
        ),
        (
            BUY | {"attribution": {"impressions": ["seen"], "hours": 1}},
            "attribution.impressions must be in mapping.interactions.eventTypes",
        ),
        ({"positiveTypes": [{"type": "gift"}]}, "positiveTypes must be in mapping.interactions"),
        (
            {"positiveTypes": [{"type": "buy"}, {"type": "buy", "weight": 2}]},
            "positiveTypes must not contain a type twice",
        ),
        (BUY | SHOWN | DRAWN, "negatives and attribution of mapping.label"),
        ({"negatives": {}}, "mapping.label.negatives requires positiveRate"),
        ({"positiveRate": 1}, "should be less than 1"),
    ],
)
def test_an_invalid_label_is_rejected_with_its_field(
    server: Server, label: Json, message: str
) -> None:
    body = changed("data.source", SOURCE | {"mapping": {"interactions": TYPED, "label": label}})
    assert message in refusal(lambda: server.create(body, dry_run="All"))


def test_positive_types_require_the_column_of_the_types(server: Server) -> None:
    mapping: Json = {"interactions": dict(EVENTS), "label": BUY}
    body = changed("data.source", SOURCE | {"mapping": mapping})
    message = "positiveTypes requires mapping.interactions.eventType"
    assert message in refusal(lambda: server.create(body, dry_run="All"))


def declared(**tables: list[Json]) -> Json:
    """A mapping with these features of each table."""
    mapping: Json = {"interactions": dict(EVENTS)}
    for table, features in tables.items():
        mapping.setdefault(table, {"files": f"{table}.csv", "id": "id"})["features"] = features
    return SOURCE | {"mapping": mapping}


KINDS: dict[str, Json] = {
    "Categorical": {"maxCategories": 10, "fairness": True, "missing": ["-1", "N/A"]},
    "MultiCategorical": {"separator": "|", "maxCategories": 10},
    "Boolean": {"column": "x"},
    "Numeric": {"minimum": 0, "maximum": 9, "edges": [1, 2.5, 9], "fairness": True},
    "Timestamp": {"unit": "Year"},
    "Embedding": {"length": 1024},
}


def test_features_of_each_kind_are_accepted(server: Server) -> None:
    items = [{"name": f"a_{kind.lower()}", "kind": kind, **more} for kind, more in KINDS.items()]
    users: list[Json] = [{"name": "age", "kind": "Numeric", "bands": 4, "coldStart": True},
             {"name": "signed_up", "kind": "Timestamp", "edges": [30, 365]}]  # fmt: skip
    context: list[Json] = [{"name": "position", "kind": "Numeric", "minimum": 1, "servedAs": "1"},
               {"name": "logged_in", "kind": "Boolean", "servedAs": "true"}]  # fmt: skip
    items.append({"name": "words", "kind": "MultiCategorical", "hashBuckets": 100})
    context.append({"name": "query", "kind": "Categorical", "hashBuckets": 100_000})
    body = changed("data.source", declared(items=items, users=users, interactions=context))
    body["metadata"]["name"] = "declared"
    created = server.create(body, dry_run="All", field_validation="Strict")
    mapping = created["spec"]["data"]["source"]["mapping"]
    assert mapping["users"]["features"] == [
        users[0] | {"fairness": False},
        users[1] | {"fairness": False, "coldStart": False},
    ]
    assert RecommenderModelSpec.model_validate(created["spec"]) == (
        RecommenderModelSpec.model_validate(body["spec"])
    )


def test_the_maximum_number_of_features_is_accepted(server: Server) -> None:
    def many(table: str) -> list[Json]:
        return [{"name": f"{table[:2]}{place:038}", "kind": "Numeric",
                 "edges": list(range(100)), "missing": [f"{n:064}" for n in range(10)]}
                for place in range(50)]  # fmt: skip

    tables = {table: many(table) for table in ("users", "items", "interactions")}
    body = changed("data.source", declared(**tables))
    body["metadata"]["name"] = "longest"
    server.create(body, dry_run="All", field_validation="Strict")


NUMBER: Json = {"name": "price", "kind": "Numeric"}
TIME: Json = {"name": "a", "kind": "Timestamp"}
TEXT: Json = {"name": "brand", "kind": "Categorical"}


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"users": [TEXT, TEXT]}, "mapping.users.features must not have a name twice"),
        ({"users": [TEXT], "items": [TEXT]}, "mapping.users and one of mapping.items"),
        ({"interactions": [TEXT], "items": [TEXT]}, "mapping.items and one of mapping.interact"),
        ({"interactions": [TEXT], "users": [TEXT]}, "mapping.users and one of mapping.interact"),
        ({"items": [TEXT], "users": [TEXT | {"name": "last_brand"}]}, "drift metrics use this"),
        ({"users": [TEXT | {"name": "segment"}]}, "is taken by a field"),
        ({"users": [TEXT | {"name": "Brand"}]}, "features[0].name"),
        ({"users": [TEXT | {"kind": "Colour"}]}, "Unsupported value"),
        (
            {"users": [TEXT | {"kind": "MultiCategorical"}]},
            "Categorical, Boolean, Numeric or Timestamp",
        ),
        ({"interactions": [TIME | {"edges": [0, 1]}]}, "must be above 0 for a Timestamp"),
        (
            {"interactions": [TIME | {"servedAs": "1"}]},
            "servedAs in mapping.interactions.features",
        ),
        ({"users": [TIME | {"coldStart": True}]}, "values that time does not change"),
        ({"items": [TIME | {"bands": 3}]}, "only the age of users and interactions has bands"),
        (
            {"items": [{"name": "a", "kind": "Embedding", "length": 2, "fairness": True}]},
            "requires categories or bands",
        ),
        ({"items": [{"name": "a", "kind": "Embedding"}]}, "requires length"),
        ({"items": [{"name": "a", "kind": "Embedding", "length": 1025}]}, "length"),
        (
            {"items": [TEXT | {"hashBuckets": 9, "maxCategories": 9}]},
            "hashBuckets and maxCategories in mapping.items.features",
        ),
        (
            {"users": [TEXT | {"hashBuckets": 9, "coldStart": True}]},
            "hashBuckets in mapping.users.features excludes fairness and coldStart",
        ),
        ({"items": [TEXT | {"length": 3}]}, "length in mapping.items.features requires kind"),
        ({"items": [TEXT | {"edges": [1]}]}, "edges in mapping.items.features requires kind"),
        ({"items": [TEXT | {"unit": "Year"}]}, "unit in mapping.items.features requires kind"),
        ({"items": [NUMBER | {"separator": "|"}]}, "requires kind MultiCategorical"),
        ({"items": [NUMBER | {"maxCategories": 3}]}, "Categorical or MultiCategorical"),
        ({"items": [NUMBER | {"edges": [1], "bands": 3}]}, "mutually exclusive"),
        ({"items": [NUMBER | {"edges": [1], "transform": "Log"}]}, "edges and transform in"),
        ({"items": [TEXT | {"transform": "Log"}]}, "transform in mapping.items.features requires"),
        ({"items": [NUMBER | {"edges": [2, 1]}]}, "must be strictly increasing"),
        ({"items": [NUMBER | {"edges": [1, 1]}]}, "must be strictly increasing"),
        ({"items": [NUMBER | {"minimum": 1, "maximum": 1}]}, "must be below maximum"),
        ({"items": [NUMBER | {"minimum": 1, "edges": [1, 2]}]}, "must be above minimum"),
        ({"items": [NUMBER | {"maximum": 1, "edges": [1, 2]}]}, "not above maximum"),
        ({"items": [NUMBER | {"minimum": -2e15}]}, "minimum"),
        ({"items": [TIME | {"fairness": True}]}, "edges, bands and fairness of a Timestamp"),
        ({"items": [TEXT | {"coldStart": True}]}, "coldStart is not a setting of mapping.items"),
        ({"items": [TEXT | {"servedAs": "x"}]}, "servedAs is not a setting of mapping.items"),
        ({"users": [TEXT | {"servedAs": "x"}]}, "servedAs is not a setting of mapping.users"),
        ({"interactions": [NUMBER | {"servedAs": "first"}]}, "must be a number from minimum"),
        ({"interactions": [NUMBER | {"servedAs": "0", "minimum": 1}]}, "from minimum to maximum"),
        ({"interactions": [TEXT | {"kind": "Boolean", "servedAs": "1"}]}, "must be true or false"),
    ],
)
def test_an_invalid_feature_is_rejected_with_its_place_and_the_remedy(
    server: Server, tables: Json, message: str
) -> None:
    body = changed("data.source", declared(**tables))
    assert message in refusal(lambda: server.create(body, dry_run="All"))


def searched(space: Json, **others: Any) -> Json:
    return {"search": {"space": space}} | others


@pytest.mark.parametrize(
    "space",
    [
        {},
        {name: {} for name in ("batchSize", "dropout", "embeddingDim", "historyLength",
                               "learningRate", "userDropout", "weightDecay")},
        {"epochs": {"min": 1, "max": 20}, "patience": {"choices": [1, 2]}},
        {"learningRate": {"min": 0.001, "max": 1, "log": True}},
        {"dropout": {"min": 0, "max": 0.999}, "weightDecay": {"choices": [0, 1]}},
    ],
)  # fmt: skip
def test_a_search_is_accepted_with_the_defaults_of_the_model(server: Server, space: Json) -> None:
    body = changed("training", searched(space))
    body["metadata"]["name"] = "searched"
    created = server.create(body, dry_run="All", field_validation="Strict")
    expected = RecommenderModelSpec.model_validate(body["spec"])
    assert created["spec"]["training"] == expected.training.dump()


@pytest.mark.parametrize(
    ("training", "message"),
    [
        (searched({"dropuot": {}}), "may contain only these hyperparameters: batchSize, dropout"),
        (searched({"precision": {}}), "may contain only these hyperparameters"),
        (searched({"dropout": {"min": 0, "choices": [0.1]}}), "either choices, or min and max"),
        (searched({"dropout": {"log": True, "choices": [0.1]}}), "either choices, or min and max"),
        (searched({"dropout": {"min": 0.3, "max": 0.3}}), "must be below max"),
        (searched({"dropout": {"min": 0, "max": 1}}), "dropout of training.search.space must be"),
        (searched({"dropout": {"choices": [0.1, -1]}}), "must be at least 0 and below 1"),
        (searched({"learningRate": {"min": 0}}), "must be above 0 and at most 1"),
        (searched({"weightDecay": {"min": 0, "log": True}}), "requires a min above 0"),
        (searched({"embeddingDim": {"max": 513}}), "must be at least 4 and at most 512"),
        (searched({"epochs": {}}), "epochs and patience of training.search.space require min"),
        (searched({"patience": {"min": 1}}), "of training.search.space require min and max"),
        (searched({"dropout": {"choices": []}}), "should have at least 1 items"),
        (searched({}, algorithm="LogisticRegression"), "requires training.algorithm DeepRanker"),
        (
            {"search": {"seconds": 3600}, "deadlineSeconds": 3600},
            "must be below training.deadlineSeconds",
        ),
        ({"search": {"seconds": 3600}}, "must be below training.deadlineSeconds"),
        ({"search": {"sampler": "Oracle"}}, "Unsupported value"),
        ({"search": {"folds": 6}}, "less than or equal to 5"),
    ],
)
def test_an_invalid_search_is_rejected_with_its_field(
    server: Server, training: Json, message: str
) -> None:
    body = changed("training", training)
    assert message in refusal(lambda: server.create(body, dry_run="All"))


def test_a_custom_host_requires_the_gateway(server: Server) -> None:
    body = changed("serving", {"host": "movies.example"})
    body["metadata"]["name"] = "own-host"
    server.create(body, dry_run="All")
    body["spec"]["rollout"]["traffic"] = "Knative"
    reported = refusal(lambda: server.create(body, dry_run="All"))
    assert "serving.host requires rollout.traffic Gateway" in reported


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"storage": {"claimName": "other"}}, "storage.claimName is immutable"),
        ({"rollout": {"traffic": "Knative"}}, "rollout.traffic is immutable"),
    ],
)
def test_a_change_of_an_immutable_field_is_rejected(
    server: Server, change: Json, message: str
) -> None:
    body = sample("minimal")
    body["metadata"]["name"] = f"fixed-{uuid.uuid4().hex[:6]}"
    server.create(body)
    assert message in refusal(lambda: server.patch(body["metadata"]["name"], {"spec": change}))


def test_the_spec_of_a_version_is_immutable(server: Server) -> None:
    name = f"movies-{uuid.uuid4().hex[:8]}"
    data = sample("minimal")["spec"]["data"]
    version = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "ModelVersion",
        "metadata": {"name": name},
        "spec": {"model": "movies", "specHash": "0" * 64, "data": data, "training": {}},
    }
    server.create(version, "modelversions", field_validation="Strict")
    change = {"spec": {"trigger": "other"}}
    message = refusal(lambda: server.patch(name, change, "modelversions"))
    assert "spec of a ModelVersion is immutable" in message


def test_a_partial_value_keeps_the_other_defaults(server: Server) -> None:
    body = sample("minimal")
    body["metadata"]["name"] = "partial"
    body["spec"]["training"] = {"resources": {"cpu": "2"}}
    resources = server.create(body)["spec"]["training"]["resources"]
    assert resources == {"cpu": "2", "memory": "3Gi", "gpus": 0}


def test_variants_without_weights_to_compress_are_rejected_with_the_reason(server: Server) -> None:
    body = changed(
        "training",
        {"export": {"variants": ["Int8"]}, "hyperparameters": {"retrieval": "TwoTower"}},
    )
    assert "export.variants requires" in refusal(lambda: server.create(body, dry_run="All"))


@pytest.mark.parametrize("workers", [1, 2, 16])
def test_valid_workers_are_accepted(server: Server, workers: int) -> None:
    body = changed("training", {"workers": workers})
    body["metadata"]["name"] = f"workers-{workers}"
    created = server.create(body, dry_run="All", field_validation="Strict")
    assert created["spec"]["training"]["workers"] == workers


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"workers": 0}, "greater than or equal to 1"),
        ({"workers": 17}, "less than or equal to 16"),
        (
            {"workers": 2, "algorithm": "LogisticRegression"},
            "training.workers above 1 requires training.algorithm DeepRanker",
        ),
        (
            {"workers": 2, "search": {"parallelism": 2}},
            "training.search requires training.workers 1",
        ),
        ({"workers": 2, "search": {}}, "training.search requires training.workers 1"),
    ],
)
def test_invalid_workers_are_rejected_with_the_reason(
    server: Server, training: Json, message: str
) -> None:
    body = changed("training", training)
    assert message in refusal(lambda: server.create(body, dry_run="All"))
