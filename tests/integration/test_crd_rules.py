"""A real API server accepts the definitions and the samples, and rejects invalid specs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from recommender_operator.api import crd
from recommender_operator.api.spec import Hyperparameters, RecommenderModelSpec
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
from tests.sources import SOURCE, source

pytestmark = pytest.mark.integration

STEPS = "rollout.steps"
RAW, STORE = (f"{each}.persistentVolumeClaim.claimName" for each in ("data.source", "storage"))
PATH = "data.source.persistentVolumeClaim.path"


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
    body["metadata"]["name"] = name  # two samples may have one name
    created = server.create(body, field_validation="Strict")
    expected = RecommenderModelSpec.model_validate(body["spec"])
    assert RecommenderModelSpec.model_validate(created["spec"]) == expected
    stored, dumped = created["spec"], expected.dump()
    gates = [gate.model_dump(mode="json", by_alias=True, exclude_none=True)
             for gate in expected.evaluation.gates]  # fmt: skip
    stored["evaluation"].setdefault("gates", gates)  # no default of the schema
    assert stored == dumped


def test_server_side_apply_merges_gates_and_replaces_steps(server: Server) -> None:
    def applied(manager: str, **sections: Any) -> Json:
        body = sample("minimal")
        body["metadata"] = {"name": "merged"}
        body["spec"] = sections
        stored: Json = server.apply("merged", body, manager)["spec"]
        return stored

    base = sample("minimal")["spec"]
    found = applied("team", **base)
    assert "gates" not in found["evaluation"], "a default would stay beside the gates of a team"
    gates = [{"metric": "ndcgAt10", "min": 0.1}, {"metric": "logLoss", "max": 0.6}]
    steps = [{"weight": 20}, {"weight": 100}]
    applied("team", **base, evaluation={"gates": gates}, rollout={"steps": steps})
    found = applied("platform", evaluation={"gates": [{"metric": "auc", "min": 0.7}]})
    assert [each["metric"] for each in found["evaluation"]["gates"]] == [
        "ndcgAt10",
        "logLoss",
        "auc",
    ]
    assert found["rollout"]["steps"] == steps, "the default plan is gone"
    found = applied("team", **base, evaluation={"gates": gates[:1]})
    assert [each["metric"] for each in found["evaluation"]["gates"]] == ["ndcgAt10", "auc"]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (STEPS, [{"weight": w} for w in (50, 10, 100)], "must be strictly increasing"),
        (STEPS, [{"weight": w} for w in (10, 10, 100)], "must be strictly increasing"),
        (STEPS, [{"weight": w} for w in (10, 50)], "last weight of rollout.steps must be 100"),
        (STEPS, [], "should have at least 1 items"),
        (STEPS, [{"weight": 0}, {"weight": 100}], "spec.rollout.steps[0].weight"),
        (
            "rollout.analysis",
            {"provider": "Prometheus"},
            "requires rollout.analysis.prometheusUrl",
        ),
        ("serving.host", "*.example.com", "serving.host must be a host name in"),
        ("serving.host", "Films.example.com", "serving.host must be a host name in"),
        ("serving.host", "films.example.com.", "serving.host must be a host name in"),
        ("serving.host", "films..example.com", "serving.host must be a host name in"),
        ("serving.host", "10.0.0.1", "serving.host must be a host name in"),
        ("serving.host", "a" * 64 + ".example.com", "serving.host must be a host name in"),
        ("rollout.analysis", {"prometheusUrl": "http://p:9090/#x"}, "no '?', '#', '@', '%'"),
        ("rollout.analysis", {"prometheusUrl": "http://p:9090/?x"}, "must be a base URL"),
        ("rollout.analysis", {"prometheusUrl": "http://p:9090@q"}, "must be a base URL"),
        ("rollout.analysis", {"prometheusUrl": "http://p:9090/a/../b"}, "must be a base URL"),
        ("rollout.analysis", {"prometheusUrl": "http://p:9090/a%2fb"}, "must be a base URL"),
        ("rollout.analysis", {"prometheusUrl": "http://p:9090/a\\b"}, "must be a base URL"),
        ("rollout.analysis", {"prometheusUrl": "http://p:9090/\n"}, "must be a base URL"),
        ("rollout.analysis", {"stepSeconds": 60, "deadlineSeconds": 9}, "must be at least"),
        ("evaluation.gates", [{"metric": "auc", "min": 0.6}] * 2, "gates[1]: Duplicate value"),
        ("evaluation.gates", [{"metric": "auc"}], "at least one of min, max and championMargin"),
        ("evaluation.gates", [{"metric": "auc", "min": 0.9, "max": 0.1}], "above its max"),
        ("evaluation.gates", [{"metric": "beauty", "min": 1}], "Unsupported value"),
        (
            "evaluation.gates",
            [{"metric": "auc", "min": 0.6, "required": True}],
            "required applies to ndcgAt10MinusBestPeer, offPolicyGain",
        ),
        (
            "evaluation.gates",
            [{"metric": "calibrationError", "max": 0.1, "judgeBy": "BeyondChance"}],
            "requires a metric with an interval: auc, logLoss",
        ),
        (
            "evaluation.gates",
            [{"metric": "offPolicyGain", "championMargin": 0}],
            "set min instead of championMargin",
        ),
        (
            "evaluation.gates",
            [{"metric": "offPolicyGain", "min": 0, "max": 1}],
            "set min instead of max",
        ),
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
                "source": SOURCE,
                "version": "i3.u1.t0-0123456789abcdef",
                "asOf": "2026-11-01T06:00:00Z",
            },
            "data.version and data.asOf are mutually exclusive",
        ),
        (PATH, "a/../b", f"{PATH} must be a path such as"),
        (PATH, "a//b", f"{PATH} must be a path such as"),
        (PATH, "a/", f"{PATH} must be a path such as"),
        (PATH, "a/./b", f"{PATH} must be a path such as"),
        (PATH, "a\\b", f"spec.{PATH}"),
        (PATH, "/etc", f"spec.{PATH}"),
        (RAW, "../pods", f"{RAW} must be the name"),
        (STORE, "a/b", f"{STORE} must be the name"),
        (
            "data.source",
            source("artifacts", "lake/movies"),
            f"{PATH} must not be in a folder of the operator",
        ),
        ("training.hyperparameters", {"learningRate": 0}, "should be greater than 0"),
        ("training.hyperparameters", {"dropout": 1}, "should be less than 1"),
        (
            "data.source",
            {"format": "CSV"},
            "data.source requires exactly one of: persistentVolumeClaim",
        ),
        (
            "data.source.persistentVolumeClaim",
            {},
            "spec.data.source.persistentVolumeClaim.claimName: Required value",
        ),
        ("storage", {}, "storage requires exactly one of: persistentVolumeClaim"),
        ("metadata.name", "a" * 41, "at most 40 characters"),
        ("metadata.name", "a.b", "must be a DNS label"),
        ("metadata.name", "1a", "must be a DNS label"),
    ],
)
def test_an_invalid_spec_is_rejected_with_field_and_reason(
    server: Server, path: str, value: Any, message: str
) -> None:
    assert message in refusal(lambda: server.create(changed(path, value), dry_run="All"))


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
        ({"storage": {"persistentVolumeClaim": {"claimName": "other"}}}, "storage is immutable"),
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
    body["spec"]["training"] = {"hyperparameters": {"epochs": 3}}
    training = server.create(body)["spec"]["training"]
    assert training["hyperparameters"]["epochs"] == 3
    assert training["hyperparameters"]["embeddingDim"] == Hyperparameters().embedding_dim
    assert training["resources"] == {"requests": {}, "limits": {}}


def test_variants_without_weights_to_compress_are_rejected_with_the_reason(server: Server) -> None:
    body = changed(
        "training",
        {"export": {"variants": ["Int8"]}, "hyperparameters": {"retrieval": "TwoTower"}},
    )
    assert "export.variants requires" in refusal(lambda: server.create(body, dry_run="All"))


def test_days_until_an_item_comes_again_are_accepted_with_their_mode(server: Server) -> None:
    body = changed("training", {"repeats": "AfterDays", "repeatsAfterDays": 7.5})
    body["metadata"]["name"] = "repeats"
    created = server.create(body, dry_run="All", field_validation="Strict")
    assert created["spec"]["training"]["repeatsAfterDays"] == 7.5


@pytest.mark.parametrize(
    "training",
    [
        {"repeats": "AfterDays"},
        {"repeatsAfterDays": 7},
        {"repeats": "Never", "repeatsAfterDays": 7},
    ],
)
def test_days_without_their_mode_are_rejected_with_the_reason(
    server: Server, training: Json
) -> None:
    body = changed("training", training)
    assert "and only then" in refusal(lambda: server.create(body, dry_run="All"))


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
