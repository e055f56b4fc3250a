"""The console in the Helm chart.

`pytest --update-golden` writes the expected manifests anew; read the difference before committing.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from recommender_console import report_pods, settings
from recommender_operator.resources import labels
from tests import chart
from tests.chart import Manifest

GOLDEN = Path(__file__).parent / "golden" / "chart" / "console.yaml"
ENABLED = {"console.enabled": "true", "networkPolicy.enabled": "true"}


def of_console(values: dict[str, str]) -> list[Manifest]:
    found = [m for m in chart.manifests(values) if m["metadata"]["name"].endswith("-console")]
    return sorted(found, key=lambda m: str(m["kind"]))


def one(kind: str, **values: str) -> Manifest:
    (found,) = [m for m in of_console({**ENABLED, **values}) if m["kind"] == kind]
    return found


def pod(**values: str) -> dict[str, Any]:
    return dict(one("Deployment", **values)["spec"]["template"]["spec"])


def test_the_chart_renders_what_was_reviewed(request: pytest.FixtureRequest) -> None:
    text = yaml.safe_dump_all(of_console(ENABLED), sort_keys=True, width=98)
    if request.config.getoption("--update-golden"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_who_may_open_the_console_does_not_hang_on_another_switch() -> None:
    peer = {"console.from[0].podSelector.matchLabels.app": "gateway"}
    (policy,) = [
        m for m in of_console({"console.enabled": "true", **peer}) if m["kind"] == "NetworkPolicy"
    ]
    assert policy["spec"]["ingress"][0]["from"] == [
        {"podSelector": {"matchLabels": {"app": "gateway"}}}
    ]
    assert "egress" not in policy["spec"]


def test_the_console_is_not_installed_unless_asked_for() -> None:
    assert of_console({"networkPolicy.enabled": "true"}) == []
    assert "recommender-console" not in chart.rendered_text("everything")


@pytest.mark.parametrize("mode", sorted(chart.MODES))
def test_the_console_has_no_rights_and_no_token(mode: str) -> None:
    every = chart.manifests({**chart.MODES[mode], **ENABLED})
    (account,) = [
        m for m in every
        if m["kind"] == "ServiceAccount" and m["metadata"]["name"].endswith("-console")
    ]  # fmt: skip
    assert account["automountServiceAccountToken"] is False
    bound = [
        subject["name"]
        for m in every
        if m["kind"] in ("RoleBinding", "ClusterRoleBinding")
        for subject in m["subjects"]
    ]
    assert account["metadata"]["name"] not in bound
    spec = pod(**chart.MODES[mode])
    assert spec["serviceAccountName"] == account["metadata"]["name"]
    assert spec["automountServiceAccountToken"] is False
    assert not any("secret" in v or "projected" in v for v in spec["volumes"])


def test_its_pod_meets_the_restricted_standard() -> None:
    spec = pod()
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_it_runs_a_command_of_the_operators_image() -> None:
    (container,) = pod()["containers"]
    assert container["image"] == "localhost/recommender/operator:0.1.0"
    dockerfile = (chart.ROOT / "operator" / "Dockerfile").read_text(encoding="utf-8")
    (command,) = container["command"]
    assert re.search(rf"/{command}\b.* /usr/local/bin/", dockerfile)


@pytest.mark.parametrize(
    ("values", "namespaces"),
    [
        ({}, ("recommender-system",)),
        ({"watchNamespaces": "{shop,news}"}, ("shop", "news")),
        ({"clusterWide": "true"}, ()),
    ],
)
def test_the_console_takes_what_the_chart_sets(
    values: dict[str, str], namespaces: tuple[str, ...]
) -> None:
    (container,) = pod(**values)["containers"]
    given = {entry["name"]: entry["value"] for entry in container["env"]}
    known = {settings.PREFIX + name for name in settings.VARIABLES}
    assert set(given) <= known
    taken = settings.load({**given, "KUBERNETES_SERVICE_HOST": "10.0.0.1"})
    assert taken.namespaces == namespaces
    assert taken.port == container["ports"][0]["containerPort"]
    (mount,) = [m for m in container["volumeMounts"] if m["name"] == "authority"]
    assert taken.ca_file == f"{mount['mountPath']}/ca.crt"


def test_the_service_and_the_policy_select_its_pod_and_no_other() -> None:
    every = chart.manifests(ENABLED)
    selector = one("Service")["spec"]["selector"]
    assert one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == selector
    deployments = [m for m in every if m["kind"] == "Deployment"]
    fitting = [
        m["metadata"]["name"]
        for m in deployments
        if selector.items() <= m["spec"]["template"]["metadata"]["labels"].items()
    ]
    assert fitting == ["recommender-operator-console"]
    (operators,) = [m for m in deployments if m["metadata"]["name"] not in fitting]
    labels = one("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert not operators["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_it_reaches_the_api_server_and_transformers_and_is_reached_by_whom_the_values_name() -> (
    None
):
    policy = one("NetworkPolicy")["spec"]
    pods = {"matchExpressions": [{"key": labels.VERSION, "operator": "Exists"}]}
    assert policy["egress"] == [
        {"ports": [{"port": 443}, {"port": 6443}]},
        {
            "ports": [{"port": report_pods.PORT}],
            "to": [{"namespaceSelector": {}, "podSelector": pods}],
        },
    ]
    assert policy["ingress"][0]["from"] == [{"namespaceSelector": {}}]
    named = one("NetworkPolicy", **{"console.from[0].podSelector.matchLabels.app": "gateway"})
    (rule,) = named["spec"]["ingress"]
    assert rule["from"] == [{"podSelector": {"matchLabels": {"app": "gateway"}}}]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"console.enabled": "perhaps"}, "/console/enabled"),
        ({"console.logLevel": "LOUD"}, "/console/logLevel"),
        ({"console.replicas": "2"}, "replicas"),
        ({"console.resources.limits.gpu": "1"}, "gpu"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_with_its_name(
    values: dict[str, str], field: str
) -> None:
    done = chart.template(values)
    assert done.returncode != 0
    assert field in done.stderr
