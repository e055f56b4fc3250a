"""Notifications in the Helm chart."""

from __future__ import annotations

import json
from typing import Any

import pytest

from recommender_operator.notifications.facts import FactKind
from recommender_operator.notifications.receivers import HOST, MAX_RECEIVERS, ReceiverType
from recommender_operator.process import settings
from tests import chart
from tests.chart import Manifest

SCHEMA = json.loads((chart.CHART / "values.schema.json").read_text(encoding="utf-8"))
VALUES = {
    "notifications.receivers[0].name": "ops",
    "notifications.receivers[0].type": "Slack",
    "notifications.receivers[0].kinds": "{RolledBack,Waiting}",
    "notifications.receivers[1].name": "alerts",
    "notifications.receivers[1].type": "Alertmanager",
    "notifications.receivers[1].namespaces": "{shop}",
    "notifications.secretName": "receivers",
    "notifications.allowedHosts": "{hooks.slack.com,alerts.monitoring:9093}",
    "console.url": "https://recommenders.example.com",
    "networkPolicy.enabled": "true",
    "networkPolicy.notificationPorts": "{443,9093}",
}


@pytest.fixture(scope="module")
def rendered() -> list[Manifest]:
    return [m for m in chart.manifests(VALUES) if m["metadata"]["name"] == "recommender-operator"]


def pod(manifests: list[Manifest]) -> dict[str, Any]:
    (found,) = [m for m in manifests if m["kind"] == "Deployment"]
    return dict(found["spec"]["template"]["spec"])


def test_the_operator_takes_the_receivers_of_the_values(rendered: list[Manifest]) -> None:
    (container,) = pod(rendered)["containers"]
    given = {entry["name"]: entry.get("value", "from-the-pod") for entry in container["env"]}
    taken = settings.load(given)
    ops, alerts = taken.notifications
    assert (ops.name, ops.kinds) == ("ops", (FactKind.ROLLED_BACK, FactKind.WAITING))
    assert (alerts.type, alerts.namespaces) == (ReceiverType.ALERTMANAGER, ("shop",))
    assert taken.notification_hosts == ("hooks.slack.com", "alerts.monitoring:9093")
    assert taken.console_url == "https://recommenders.example.com"
    (mount,) = [m for m in container["volumeMounts"] if m["name"] == "notifications"]
    assert (mount["mountPath"], mount["readOnly"]) == (taken.notifications_dir, True)


def test_a_missing_secret_does_not_keep_the_operator_from_starting(
    rendered: list[Manifest],
) -> None:
    (volume,) = [v for v in pod(rendered)["volumes"] if v["name"] == "notifications"]
    assert volume["secret"] == {"secretName": "receivers", "optional": True}


def test_the_policy_opens_the_ports_of_the_receivers_if_there_are_any(
    rendered: list[Manifest],
) -> None:
    opened = {"ports": [{"port": 443}, {"port": 9093}]}
    (policy,) = [m for m in rendered if m["kind"] == "NetworkPolicy"]
    assert opened in policy["spec"]["egress"]
    (without,) = chart.of_kind("everything", "NetworkPolicy")
    assert {"ports": [{"port": 443}]} not in without["spec"]["egress"]


def test_without_ports_the_policy_opens_nothing_more() -> None:
    """An empty list of ports in a rule would mean all of them."""
    values = {**VALUES, "networkPolicy.notificationPorts": "[]"}
    (policy,) = [m for m in chart.manifests(values) if m["kind"] == "NetworkPolicy"]
    assert all(rule["ports"] for rule in policy["spec"]["egress"])
    assert {"port": 9093} not in [p for rule in policy["spec"]["egress"] for p in rule["ports"]]


def test_without_receivers_no_secret_is_mounted() -> None:
    (deployment,) = chart.of_kind("defaults", "Deployment")
    assert [v["name"] for v in deployment["spec"]["template"]["spec"]["volumes"]] == ["tmp"]


def test_the_schema_takes_what_the_operator_takes() -> None:
    schema = SCHEMA["properties"]["notifications"]["properties"]
    receiver = schema["receivers"]["items"]["properties"]
    assert schema["receivers"]["maxItems"] == MAX_RECEIVERS
    assert receiver["type"]["enum"] == [str(kind) for kind in ReceiverType]
    assert receiver["kinds"]["items"]["enum"] == [str(kind) for kind in FactKind]
    assert schema["allowedHosts"]["items"]["pattern"] == HOST
    console = SCHEMA["properties"]["console"]["properties"]["url"]
    assert console["pattern"] == settings.CONSOLE_URL


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"notifications.secretName": ""}, "notifications.secretName"),
        ({"notifications.receivers[0].type": "Pager"}, "/notifications/receivers/0/type"),
        ({"notifications.receivers[0].url": "https://x"}, "url"),
        ({"notifications.allowedHosts": "{https://hooks.slack.com}"}, "/allowedHosts/0"),
        ({"notifications.receivers[1].name": "ops"}, "names must differ"),
        ({"console.url": "recommenders"}, "/console/url"),
        ({"console.url": "https://recommenders.example.com/console"}, "/console/url"),
        ({"console.url": "https://recommenders.example.com:65536"}, "/console/url"),
        ({"console.url": "https://recommenders.example.com:0"}, "/console/url"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_with_its_name(
    change: dict[str, str], said: str
) -> None:
    done = chart.template({**VALUES, **change})
    assert done.returncode != 0
    assert said in done.stderr
