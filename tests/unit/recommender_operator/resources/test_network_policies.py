"""Only a version's own transformers, and those who read metrics, reach its Triton."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from recommender_operator.adapters.traffic.knative import knative_manifests
from recommender_operator.observed import JobKind
from recommender_operator.resources import inference_service, jobs, labels, network_policies
from recommender_operator.resources.labels import Component, Manifest
from recommender_operator.resources.options import Options
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model, version
from tests.unit.recommender_operator.resources.test_train_jobs import runtime

NAME = "movies-0123abcd"
MONITORING = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
OPEN = dataclasses.replace(OPTIONS, metrics_from=(MONITORING,))
BEYOND = {"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}], "ports": [{"port": 443}]}
CLOSED = dataclasses.replace(
    OPTIONS,
    model_egress=(BEYOND,),
    store_url="redis://recommender-operator-store.team.svc:6379/0",
    store_namespace="team",
    collector_url="http://recommender-operator-collector.team.svc",
    tracing_endpoint="http://otel.tracing:4318",
)


def service() -> Manifest:
    made = inference_service.standard(model(), version(), OPTIONS)
    made["metadata"]["uid"] = "uid-service"
    return made


def knative() -> Manifest:
    made = knative_manifests.service(model(), version(), None, OPTIONS)
    made["metadata"]["uid"] = "uid-service"
    return made


def policies(options: Options, of: str = NAME) -> dict[str, Manifest]:
    """The policies of a version by component."""
    found = network_policies.policies(model(), of, service(), options)
    return {each["spec"]["podSelector"]["matchLabels"][labels.COMPONENT]: each for each in found}


def triton(options: Options) -> Manifest:
    return policies(options)[Component.PREDICTOR]


def transformer(options: Options) -> Manifest:
    return policies(options)[Component.TRANSFORMER]


def test_the_policies_equal_their_golden_files(golden: Callable[[str, Any], None]) -> None:
    golden("network_policy", triton(OPEN))
    golden("network_policy_transformer", transformer(CLOSED))
    golden("network_policy_knative", knative_manifests.policy(model(), knative(), CLOSED))
    golden("network_policy_jobs", network_policies.of_jobs(model(), CLOSED))


def test_the_policy_selects_triton_and_admits_the_transformers_of_the_same_version() -> None:
    spec = triton(OPTIONS)["spec"]
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
        ingress = triton(options)["spec"]["ingress"]
        assert len(ingress) == rules
        assert all(rule["from"] for rule in ingress)
    assert ingress[1]["from"] == [MONITORING]
    assert ingress[1]["ports"] == [
        {"protocol": "TCP", "port": network_policies.TRITON_METRICS_PORT}
    ]


def test_a_policy_is_current_until_the_settings_change_whatever_the_version() -> None:
    every = [each for name in (NAME, "movies-other") for each in policies(OPTIONS, name).values()]
    for made in (*every, network_policies.of_jobs(model(), OPTIONS)):
        assert network_policies.is_current(made, OPTIONS)
        assert not network_policies.is_current(made, OPEN)
        assert not network_policies.is_current(made, CLOSED)
    del made["metadata"]["annotations"]
    assert not network_policies.is_current(made, OPTIONS)


def _ports(rule: Manifest) -> set[int]:
    return {port["port"] for port in rule["ports"]}


def test_triton_calls_nobody_unless_it_is_declared() -> None:
    assert triton(OPTIONS)["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert triton(OPTIONS)["spec"]["egress"] == []
    dns, beyond = triton(CLOSED)["spec"]["egress"]
    assert (_ports(dns), beyond) == ({53}, BEYOND)


def test_a_transformer_calls_its_triton_its_peers_the_collector_and_no_others() -> None:
    parts = service()["spec"]
    spec = transformer(CLOSED)["spec"]
    chosen = spec["podSelector"]["matchLabels"].items()
    assert chosen <= parts["transformer"]["labels"].items()
    assert not chosen <= parts["predictor"]["labels"].items()
    assert spec["policyTypes"] == ["Egress"], "any Gateway reaches it"
    dns, own, peers, store, collector, traces, beyond = spec["egress"]
    assert (_ports(dns), _ports(traces), beyond) == ({53}, {4318}, BEYOND)
    (called,) = own["to"]
    assert called["podSelector"]["matchLabels"].items() <= parts["predictor"]["labels"].items()
    others = labels.of_component("movies", "movies-other", Component.TRANSFORMER)
    (called,) = peers["to"]
    assert called["podSelector"]["matchLabels"].items() <= others.items()
    listened = {int(p["containerPort"]) for p in parts["transformer"]["containers"][0]["ports"]}
    assert _ports(peers) == listened
    assert (_ports(store), _ports(collector)) == ({6379}, {8080})
    assert (
        store["to"]
        == collector["to"]
        == [{"podSelector": {"matchLabels": network_policies.COLLECTOR}}]
    )


def test_a_rule_is_as_wide_as_where_it_leads_and_missing_if_nothing_is_there() -> None:
    assert [_ports(rule) for rule in transformer(OPTIONS)["spec"]["egress"]] == [
        {53}, {9000}, {8080, 8081},
    ]  # fmt: skip
    elsewhere = dataclasses.replace(CLOSED, store_namespace="news")
    assert len(transformer(elsewhere)["spec"]["egress"]) == 5
    external = dataclasses.replace(CLOSED, store_url="rediss://store.example")
    assert transformer(external)["spec"]["egress"][3] == {
        "ports": [{"protocol": "TCP", "port": 6379}]
    }


def test_workers_of_a_training_reach_one_another_and_no_job_is_reached_by_others() -> None:
    spec = network_policies.of_jobs(model(), OPTIONS)["spec"]
    made = jobs.job(model(), version(), JobKind.CHECK, 1, {}, OPTIONS)
    (node,) = runtime()["spec"]["template"]["spec"]["replicatedJobs"]
    worker = node["template"]["spec"]["template"]["metadata"]["labels"]
    (expression,) = spec["podSelector"]["matchExpressions"]
    for pod in (made["spec"]["template"]["metadata"]["labels"], worker):
        assert spec["podSelector"]["matchLabels"].items() <= pod.items()
        assert expression["key"] in pod
    assert expression["key"] not in service()["spec"]["transformer"]["labels"]
    ((peer,),) = (rule["from"] for rule in spec["ingress"])
    assert peer["podSelector"]["matchLabels"].items() <= worker.items()
    dns, peers = spec["egress"]
    assert (_ports(dns), peers) == ({53}, {"to": [peer]})


def test_in_knative_mode_the_pods_of_revisions_open_no_port_of_triton() -> None:
    spec = knative_manifests.policy(model(), knative(), OPEN)["spec"]
    own = knative()["spec"]["predictor"]["labels"].items()
    assert spec["podSelector"]["matchLabels"].items() <= own
    (anybody, monitoring) = spec["ingress"]
    (container,) = (
        each
        for each in knative()["spec"]["predictor"]["containers"]
        if each["name"] == "transformer-container"
    )
    opened = {port["port"] for port in anybody["ports"]}
    assert {port["containerPort"] for port in container["ports"]} <= opened
    assert opened.isdisjoint({8000, 9000, 8002})
    assert monitoring["from"] == [MONITORING]
    assert spec["egress"] == [network_policies.DNS]
