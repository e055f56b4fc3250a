"""The Helm chart.

`pytest --update-golden` writes the expected manifests anew; read the difference before committing.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from recommender_operator.api import base_url
from recommender_operator.process import settings
from tests.chart import (
    CHART,
    DIGEST,
    MODES,
    ROOT,
    Manifest,
    manifests,
    of_kind,
    rendered,
    run_helm,
    template,
)
from tests.exported import series

GOLDEN = Path(__file__).parent / "golden" / "chart"
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
SETTINGS = (ROOT / "docs" / "contracts" / "settings.md").read_text(encoding="utf-8")
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))


def leaves(values: dict[str, Any], at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*at, key))
        else:
            yield (*at, key)


def test_helm_finds_nothing_to_complain_about() -> None:
    done = run_helm("lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("mode", sorted(MODES))
def test_the_chart_renders_what_was_reviewed(mode: str, request: pytest.FixtureRequest) -> None:
    # CRDs are generated, and compared elsewhere.
    shown = [m for m in rendered(mode) if m["kind"] != "CustomResourceDefinition"]
    shown.sort(
        key=lambda m: (m["kind"], m["metadata"].get("namespace", ""), m["metadata"]["name"])
    )
    text = yaml.safe_dump_all(shown, sort_keys=True, width=98)
    golden = GOLDEN / f"{mode}.yaml"
    if request.config.getoption("--update-golden"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"operater.logLevel": "INFO"}, "operater"),
        ({"operator.loglevel": "INFO"}, "loglevel"),
        ({"operator.logLevel": "LOUD"}, "/operator/logLevel"),
        ({"operator.workers": "0"}, "/operator/workers"),
        ({"tracing.endpoint": "collector:4318"}, "/tracing/endpoint"),
        ({"tracing.endpoint": "http://me:pa55@collector:4318"}, "/tracing/endpoint"),
        ({"tracing.ratio": "1.5"}, "/tracing/ratio"),
        ({"transformer.logFormat": "xml"}, "/transformer/logFormat"),
        ({"transformer.logUserSalt": "a-plain-key-of-logs"}, "transformer.logUserKey.secretName"),
        ({"operator.replicas": "0"}, "/operator/replicas"),
        ({"operator.instance": "no spaces"}, "/operator/instance"),
        ({"operator.leaseSeconds": "0"}, "/operator/leaseSeconds"),
        ({"operator.resources.limits.gpu": "1"}, "gpu"),
        ({"images.operator.pullPolicy": "Sometimes"}, "/images/operator/pullPolicy"),
        ({"images.triton.tag": ""}, "/images/triton/tag"),
        ({"images.serving.repository": "UPPER"}, "/images/serving/repository"),
        ({"watchNamespaces": "shop"}, "/watchNamespaces"),
        ({"watchNamespaces": "{Shop}"}, "/watchNamespaces/0"),
        ({"gateway.name": "null"}, "name"),
        ({"gateway.domain": "no_underscores"}, "/gateway/domain"),
        ({"analysis.prometheusUrls": "{http://p:9090/?x=1}"}, "/analysis/prometheusUrls/0"),
        ({"gateway.allowedHosts.Shop": "{a.b}"}, "Shop"),
        ({"gateway.allowedHosts.shop": "{.a.b}"}, "/gateway/allowedHosts/shop/0"),
        ({"runtime.extraArgs": "{log-verbose}"}, "/runtime/extraArgs/0"),
        ({"crds.keep": "maybe"}, "/crds/keep"),
        ({"clusterWide": "sometimes"}, "/clusterWide"),
        ({"admissionPolicy.enabled": "no thanks"}, "/admissionPolicy/enabled"),
        ({"operator.instance": "Two"}, "/operator/instance"),
        ({"images.operator.digest": "sha256:abc"}, "/images/operator/digest"),
        ({"images.serving.digest": "md5:" + "0" * 64}, "/images/serving/digest"),
        ({"metrics.podMonitor.interval": "often"}, "/metrics/podMonitor/interval"),
        ({"networkPolicy.apiServerPorts": "{70000}"}, "/networkPolicy/apiServerPorts/0"),
        (
            {"networkPolicy.models.metricsFrom[0].pods": "prometheus"},
            "/networkPolicy/models/metricsFrom/0",
        ),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_with_its_name(
    values: dict[str, str], field: str
) -> None:
    done = template(values)
    assert done.returncode != 0
    assert field in done.stderr


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"serviceAccount.create": "false"}, "serviceAccount.name"),
        ({"images.training.pullPolicy": "Always"}, "images.serving.pullPolicy"),
        ({"clusterWide": "true", "watchNamespaces": "{shop}"}, "exclude each other"),
    ],
)
def test_values_that_do_not_go_together_are_refused(values: dict[str, str], said: str) -> None:
    done = template(values)
    assert done.returncode != 0
    assert said in done.stderr


def test_the_schema_takes_the_addresses_that_the_operator_takes() -> None:
    addresses = SCHEMA["properties"]["analysis"]["properties"]["prometheusUrls"]["items"]
    assert addresses["pattern"] == base_url.PATTERN
    assert addresses["maxLength"] == base_url.MAX_LENGTH


def test_the_schema_knows_every_value_and_no_other() -> None:
    def names(schema: dict[str, Any], at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
        for key, inner in schema["properties"].items():
            if "properties" in inner:
                assert inner["additionalProperties"] is False, (*at, key)
                yield from names(inner, (*at, key))
            else:
                yield (*at, key)

    assert SCHEMA["additionalProperties"] is False
    # The second is of a former release, and refused with the remedy.
    optional: set[tuple[str, ...]] = {("global",), ("transformer", "logUserSalt")}
    optional |= {p for p in names(SCHEMA) if "resources" in p}
    assert set(leaves(VALUES)) - optional == set(names(SCHEMA)) - optional


#: Described where the like of them comes first.
REPEATED = re.compile(
    r"images\.(training|serving|triton|store)\.\w+|(operator|console|collector.*)\.resources\..*"
    r"|metrics\.podMonitor\.(interval|labels)|metrics\.prometheusRule\.labels"
)


def test_every_value_is_described_above_it() -> None:
    path: list[str] = []
    previous = ""
    bare = []
    for line in (CHART / "values.yaml").read_text(encoding="utf-8").splitlines():
        if found := re.match(r"^( *)([A-Za-z]+):( \S)?", line):
            path[len(found[1]) // 2 :] = [found[2]]
            if found[3] and not previous.strip().startswith("#"):
                bare.append(".".join(path))
        previous = line
    assert [name for name in bare if not REPEATED.fullmatch(name)] == []
    assert "images.training.tag" in bare


@pytest.mark.parametrize("mode", sorted(MODES))
def test_every_container_meets_the_restricted_standard(mode: str) -> None:
    pods = [m["spec"]["template"]["spec"] for m in of_kind(mode, "Deployment")]
    pods += [m["spec"] for m in of_kind(mode, "Pod", "ServingRuntime", "ClusterServingRuntime")]
    assert len(pods) >= 3
    for pod in pods:
        for container in pod["containers"]:
            merged = {**pod.get("securityContext", {}), **container["securityContext"]}
            assert merged["allowPrivilegeEscalation"] is False
            assert merged["capabilities"] == {"drop": ["ALL"]}
            assert merged["runAsNonRoot"] is True
            assert merged["runAsUser"] > 0
            assert merged["seccompProfile"] == {"type": "RuntimeDefault"}


def test_only_the_operators_pod_gets_a_token() -> None:
    (account,) = of_kind("defaults", "ServiceAccount")
    (deployment,) = of_kind("defaults", "Deployment")
    (test,) = of_kind("defaults", "Pod")
    assert account["automountServiceAccountToken"] is False
    assert deployment["spec"]["template"]["spec"]["automountServiceAccountToken"] is True
    assert test["spec"]["automountServiceAccountToken"] is False


def test_the_operators_command_is_one_that_it_has() -> None:
    (deployment,) = of_kind("defaults", "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    program, *arguments = container["command"]
    said = subprocess.run(
        [sys.executable, "-m", "recommender_operator", *arguments, "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert program == "recommender-operator"
    assert said.returncode == 0, said.stderr
    assert "RECOMMENDER_NAMESPACE" in said.stdout


def test_a_new_pod_of_the_operator_stands_by_before_an_old_one_ends() -> None:
    (deployment,) = of_kind("defaults", "Deployment")
    spec = deployment["spec"]
    assert spec["replicas"] == 2
    rolling = {"maxUnavailable": 0, "maxSurge": 1}
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": rolling}
    for constraint in spec["template"]["spec"]["topologySpreadConstraints"]:
        assert constraint["labelSelector"] == spec["selector"]
        assert constraint["whenUnsatisfiable"] == "ScheduleAnyway"


def test_replicas_have_a_disruption_budget_and_a_single_pod_has_none() -> None:
    (budget,) = of_kind("defaults", "PodDisruptionBudget")
    (deployment,) = of_kind("defaults", "Deployment")
    assert budget["spec"]["minAvailable"] == 1
    assert budget["spec"]["selector"] == deployment["spec"]["selector"]
    alone = template({"operator.replicas": "1"})
    assert "PodDisruptionBudget" not in alone.stdout


def test_the_kubelet_restarts_what_stands_still_and_counts_a_standby_as_ready() -> None:
    (deployment,) = of_kind("defaults", "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    paths = {p: container[p]["httpGet"]["path"] for p in ("livenessProbe", "readinessProbe")}
    assert paths == {"livenessProbe": "/healthz", "readinessProbe": "/readyz"}


@pytest.mark.parametrize("mode", sorted(MODES))
def test_the_operator_holds_its_own_lease_and_touches_no_other(mode: str) -> None:
    (deployment,) = of_kind(mode, "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    given = {entry["name"]: entry.get("value") for entry in container["env"]}
    (role,) = [r for r in of_kind(mode, "Role") if r["metadata"]["name"].endswith("-lease")]
    assert role["metadata"]["namespace"] == "recommender-system"
    create, own = role["rules"]
    for rule in (create, own):
        assert (rule["apiGroups"], rule["resources"]) == (["coordination.k8s.io"], ["leases"])
    assert create["verbs"] == ["create"]
    assert own["verbs"] == ["get", "patch"]
    assert own["resourceNames"] == [given["RECOMMENDER_LEASE_NAME"]]


def test_the_operators_settings_are_those_of_the_contract() -> None:
    (deployment,) = of_kind("defaults", "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    contract = set(re.findall(r"`(RECOMMENDER_[A-Z_]+)`", SETTINGS))
    read = {settings.variable(field) for field in settings.Settings.model_fields}
    assert {entry["name"] for entry in container["env"]} == contract == read


@pytest.mark.parametrize("mode", sorted(MODES))
def test_the_operator_takes_what_the_chart_sets(mode: str) -> None:
    (deployment,) = of_kind(mode, "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    environment = {entry["name"]: entry.get("value", "from-the-pod") for entry in container["env"]}
    taken = settings.load(environment)
    assert taken.gateway_domain == VALUES["gateway"]["domain"]
    assert taken.workers == VALUES["operator"]["workers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"health": taken.health_port, "metrics": taken.metrics_port}


def test_the_settings_of_the_operator_follow_the_values() -> None:
    (deployment,) = of_kind("namespaced", "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    given = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert given["RECOMMENDER_WATCH_NAMESPACES"] == "shop,news"
    assert given["RECOMMENDER_IMAGE_PULL_SECRETS"] == "registry"
    assert given["RECOMMENDER_TRITON_RUNTIME"] == VALUES["runtime"]["name"]
    assert given["RECOMMENDER_TRAINING_IMAGE"] == "localhost/recommender/training:0.1.0"


def test_the_operator_watches_its_own_namespace_unless_the_values_name_others_or_all() -> None:
    watched = {}
    for mode in MODES:
        (deployment,) = of_kind(mode, "Deployment")
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        given = {entry["name"]: entry.get("value") for entry in container["env"]}
        watched[mode] = given["RECOMMENDER_WATCH_NAMESPACES"]
    assert watched == {
        "defaults": "recommender-system",
        "namespaced": "shop,news",
        "everything": "",
    }


def images_of(values: dict[str, str]) -> dict[str, str]:
    """Return the images that the chart hands out, by role."""
    found = manifests(values)
    (deployment,) = (m for m in found if m["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    given = {entry["name"]: entry.get("value") for entry in container["env"]}
    (runtime,) = (m for m in found if m["kind"] == "ServingRuntime")
    return {
        "operator": container["image"],
        "training": given["RECOMMENDER_TRAINING_IMAGE"],
        "serving": given["RECOMMENDER_SERVING_IMAGE"],
        "triton": runtime["spec"]["containers"][0]["image"],
    }


def test_an_image_is_named_by_its_digest_where_there_is_one() -> None:
    digests = {f"images.{role}.digest": DIGEST for role in VALUES["images"]}
    assert images_of(digests) == {
        "operator": f"localhost/recommender/operator@{DIGEST}",
        "training": f"localhost/recommender/training@{DIGEST}",
        "serving": f"localhost/recommender/serving@{DIGEST}",
        # Kubernetes pulls what the digest names, and shows the tag.
        "triton": f"nvcr.io/nvidia/tritonserver:26.08-py3@{DIGEST}",
    }


def test_triton_listens_where_the_contract_says() -> None:
    (runtime,) = of_kind("defaults", "ServingRuntime")
    (container,) = runtime["spec"]["containers"]
    assert container["name"] == "kserve-container"
    for argument in ("--http-port=8000", "--grpc-port=9000", "--model-store=/mnt/models"):
        assert argument in container["args"]
    # The operator adds these where KServe's mode allows them.
    assert not {"ports", "readinessProbe", "livenessProbe", "startupProbe"} & set(container)


def alerts() -> list[Manifest]:
    (rules,) = of_kind("everything", "PrometheusRule")
    return [alert for group in rules["spec"]["groups"] for alert in group["rules"]]


def test_alerts_use_only_metrics_that_exist() -> None:
    used = {
        n for a in alerts() for n in re.findall(r"(?:recommender|transformer)_[a-z_]+", a["expr"])
    }
    assert len(used) >= 5
    assert used - series() == set()
    for alert in alerts():
        assert {"summary", "description"} <= set(alert["annotations"])
        assert alert["labels"]["severity"] in {"warning", "critical"}


def test_every_alert_leads_to_its_section_of_the_runbooks() -> None:
    page = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (\w+)$", page, re.MULTILINE)
    assert sorted(sections) == sorted(alert["alert"] for alert in alerts())
    for alert in alerts():
        anchor = f"docs/runbooks.md#{alert['alert'].lower()}"
        assert alert["annotations"]["runbook_url"] == anchor
    published = {
        "metrics.prometheusRule.enabled": "true",
        "metrics.prometheusRule.runbookUrl": "https://wiki.example.com/recommender",
    }
    (rules,) = (m for m in manifests(published) if m["kind"] == "PrometheusRule")
    first = rules["spec"]["groups"][0]["rules"][0]["annotations"]["runbook_url"]
    assert first == "https://wiki.example.com/recommender#recommenderoperatordown"


def test_the_runbooks_name_only_metrics_that_exist() -> None:
    page = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
    used = set(re.findall(r"`((?:recommender|transformer)_[a-z_]+)", page))
    known = series() | {name.rsplit("_", 1)[0] for name in series()}
    assert len(used) >= 8
    assert used - known == set()


def test_the_rules_without_the_prometheus_operator_are_those_of_the_chart(
    request: pytest.FixtureRequest,
) -> None:
    (rules,) = of_kind("everything", "PrometheusRule")
    text = yaml.safe_dump(rules["spec"], sort_keys=False, width=98)
    path = ROOT / "manifests" / "monitoring" / "rules.yaml"
    if request.config.getoption("--update-golden"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
