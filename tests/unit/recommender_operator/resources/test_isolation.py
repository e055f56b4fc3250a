"""Only a version's own transformers, and those who read metrics, reach its Triton."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from recommender_operator.resources import inference_service, isolation, labels
from recommender_operator.resources.labels import Component, Manifest
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model, version

NAME = "movies-0123abcd"
MONITORING = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
OPEN = dataclasses.replace(OPTIONS, metrics_from=(MONITORING,))


def service() -> Manifest:
    made = inference_service.standard(model(), version(), OPTIONS)
    made["metadata"]["uid"] = "uid-service"
    return made


def test_the_policy_equals_its_golden_file(golden: Callable[[str, Any], None]) -> None:
    golden("network_policy", isolation.policy("movies", NAME, service(), OPEN))


def test_the_policy_selects_triton_and_admits_the_transformers_of_the_same_version() -> None:
    spec = isolation.policy("movies", NAME, service(), OPTIONS)["spec"]
    parts = service()["spec"]
    chosen = spec["podSelector"]["matchLabels"].items()
    assert chosen <= parts["predictor"]["labels"].items()
    assert not chosen <= parts["transformer"]["labels"].items(), "clients reach the transformer"
    (rule,) = spec["ingress"]
    (peer,) = rule["from"]
    admitted = peer["podSelector"]["matchLabels"].items()
    assert admitted <= parts["transformer"]["labels"].items()
    other = labels.of_component("movies", "movies-other", Component.TRANSFORMER)
    assert not admitted <= other.items()
    called = int(parts["predictor"]["model"]["ports"][0]["containerPort"])
    assert [port["port"] for port in rule["ports"]] == [called]


def test_nobody_reads_metrics_unless_it_is_declared() -> None:
    """A rule without `from` would admit every pod."""
    for options, rules in ((OPTIONS, 1), (OPEN, 2)):
        ingress = isolation.policy("movies", NAME, service(), options)["spec"]["ingress"]
        assert len(ingress) == rules
        assert all(rule["from"] for rule in ingress)
    assert ingress[1]["from"] == [MONITORING]
    assert ingress[1]["ports"] == [{"protocol": "TCP", "port": isolation.TRITON_METRICS_PORT}]


def test_a_policy_is_current_until_the_settings_change_whatever_the_version() -> None:
    for name in (NAME, "movies-other"):
        made = isolation.policy("movies", name, service(), OPTIONS)
        assert isolation.is_current(made, OPTIONS)
        assert not isolation.is_current(made, OPEN)
    del made["metadata"]["annotations"]
    assert not isolation.is_current(made, OPTIONS)
