"""The collector in the Helm chart.

`pytest --update-golden` writes the expected manifests anew; read the difference before committing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from recommender_collector.domain.declaration import parse_declaration as declaration_of
from recommender_collector.process.settings import ServeSettings, WriteSettings, parse
from recommender_operator.resources import network_policies
from tests import chart
from tests.chart_collector import (
    DEFAULTS,
    EVERYTHING,
    EXTERNAL,
    KAFKA,
    SHOP,
    container,
    manifests,
    named,
    render,
)

GOLDEN = Path(__file__).parent / "golden" / "chart"
MODES: dict[str, dict[str, Any]] = {
    "collector": DEFAULTS, "collector-everything": EVERYTHING, "collector-external": EXTERNAL,
    "collector-kafka": KAFKA,
}  # fmt: skip
POLICIES: dict[str, Any] = {"networkPolicy": {"enabled": True}}
MONITORS: dict[str, Any] = {"metrics": {"podMonitor": {"enabled": True}}}


@pytest.mark.parametrize("mode", sorted(MODES))
def test_the_chart_renders_what_was_reviewed(mode: str, request: pytest.FixtureRequest) -> None:
    shown = manifests(MODES[mode], **POLICIES, **MONITORS)
    shown.sort(key=lambda m: (m["kind"], m["metadata"]["name"]))
    for manifest in shown:
        if manifest["kind"] == "Secret":  # generated passwords
            manifest["data"] = dict.fromkeys(manifest["data"], "...")
    text = yaml.safe_dump_all(shown, sort_keys=True, width=98)
    golden = GOLDEN / f"{mode}.yaml"
    if request.config.getoption("--update-golden"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


URL, PASSWORD = {"url": "redis://store.example"}, {"secretName": "p"}
COLLECTOR = "http://recommender-operator-collector.shops.svc"


def test_the_collector_is_not_installed_unless_asked_for() -> None:
    kinds = {manifest["kind"] for manifest in chart.rendered("everything")}
    assert "StatefulSet" not in kinds
    assert len(chart.of_kind("everything", "Deployment")) == 1


@pytest.mark.parametrize(
    ("collector", "said"),
    [
        ({"enabled": True}, "collector.models is empty"),
        ({**DEFAULTS, "models": {"Shop": SHOP}}, "Shop"),
        ({**DEFAULTS, "models": {"shop": {}}}, "mapping"),
        ({**DEFAULTS, "models": {"shop": {**SHOP, "hashUsers": True}}}, "collector.userKey"),
        ({**DEFAULTS, "replicas": 0}, "/collector/replicas"),
        ({**DEFAULTS, "logLevel": "LOUD"}, "/collector/logLevel"),
        ({**DEFAULTS, "logFormat": "xml"}, "/collector/logFormat"),
        ({**DEFAULTS, "userDays": 0}, "/collector/userDays"),
        ({**DEFAULTS, "store": {"url": "http://a"}}, "/collector/store/url"),
        ({**DEFAULTS, "store": {"url": "redis://:pa55@a"}}, "/collector/store/url"),
        ({**DEFAULTS, "store": {"volume": {"size": "8"}}}, "/collector/store/volume/size"),
        ({**DEFAULTS, "writer": {"files": {"subPath": "../x"}}}, "/writer/files/subPath"),
        ({**DEFAULTS, "stor": {}}, "stor"),
        ({**DEFAULTS, "log": "Pulsar"}, "/collector/log"),
        ({**DEFAULTS, "store": {"password": {"secretName": "p"}}}, "store.users.secretName"),
        (
            {**DEFAULTS, "store": {**URL, "password": PASSWORD, "users": {"secretName": "u"}}},
            "exclude each other",
        ),
        ({**DEFAULTS, "store": {**URL, "tls": {"secretName": "t"}}}, "give rediss://"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_with_its_name(
    collector: dict[str, Any], said: str
) -> None:
    code, _, errors = render(collector)
    assert code != 0
    assert said in errors


@pytest.mark.parametrize("mode", sorted(MODES))
def test_the_commands_take_what_the_chart_gives(mode: str, tmp_path: Path) -> None:
    found = manifests(MODES[mode])
    for part, kind in (("collector", ServeSettings), ("writer", WriteSettings)):
        given = container(named(found, "Deployment", part))
        program, command = given["command"]
        assert program == "recommender-collector"
        environ = {
            each["name"]: each.get("value", "a-secret-of-some-length") for each in given["env"]
        }
        mounted = [each["mountPath"] for each in given["volumeMounts"]]
        files = [text for name, text in environ.items() if name.endswith(("_FILE", "STORE_CA"))]
        assert all(str(Path(each).parent) in mounted for each in files)
        if "RECOMMENDER_USER_KEY_FILE" in environ:
            (tmp_path / "key").write_text("a-secret-of-some-length")
            environ["RECOMMENDER_USER_KEY_FILE"] = str(tmp_path / "key")
        settings = parse([command, *given["args"]], environ)
        assert isinstance(settings, kind)
        ports = {port["name"]: port["containerPort"] for port in given["ports"]}
        assert ports["metrics"] == settings.metrics_port
        (path,) = (v["mountPath"] for v in given["volumeMounts"] if v["name"] == "declaration")
        assert str(settings.declaration) == f"{path}/collector.json"


def test_the_collector_takes_the_declaration_that_the_chart_writes() -> None:
    text = named(manifests(EVERYTHING), "ConfigMap", "collector")["data"]["collector.json"]
    model = declaration_of(text).models["shop"]
    assert model.hash_users
    assert model.mapping.interactions.user == "user_id"


def test_a_changed_declaration_restarts_the_pods() -> None:
    changed = {**DEFAULTS, "models": {"shop": {**SHOP, "maxAgeSeconds": 60}}}
    for part in ("collector", "writer"):
        pods = [
            named(manifests(values), "Deployment", part)["spec"]["template"]["metadata"]
            for values in (DEFAULTS, changed)
        ]
        assert pods[0]["annotations"] != pods[1]["annotations"]


@pytest.mark.parametrize("mode", sorted(MODES))
def test_every_container_meets_the_restricted_standard(mode: str) -> None:
    found = [m for m in manifests(MODES[mode]) if m["kind"] in ("Deployment", "StatefulSet")]
    assert len(found) == (2 if mode == "collector-external" else 3)
    for manifest in found:
        pod = manifest["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False
        given = container(manifest)
        merged = {**pod["securityContext"], **given["securityContext"]}
        assert merged["allowPrivilegeEscalation"] is False
        assert merged["readOnlyRootFilesystem"] is True
        assert merged["capabilities"] == {"drop": ["ALL"]}
        assert merged["runAsNonRoot"] is True
        assert merged["runAsUser"] > 0
        assert merged["seccompProfile"] == {"type": "RuntimeDefault"}
        assert {"livenessProbe", "readinessProbe"} <= set(given)
        assert given["resources"]["limits"]["memory"]


def test_the_operators_pods_are_not_selected_with_the_collectors() -> None:
    (operator,) = chart.of_kind("defaults", "Deployment")
    own = operator["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"]
    for manifest in manifests(EVERYTHING, **POLICIES):
        assert manifest["metadata"]["labels"]["app.kubernetes.io/name"] != own


def test_services_budgets_and_policies_select_the_pods_of_their_part() -> None:
    found = manifests(DEFAULTS, **POLICIES)
    pods = {
        part: named(found, kind, part)["spec"]["template"]["metadata"]["labels"]
        for part, kind in (
            ("collector", "Deployment"), ("writer", "Deployment"), ("store", "StatefulSet"),
        )
    }  # fmt: skip
    for part in ("collector", "store"):
        assert named(found, "Service", part)["spec"]["selector"] == pods[part]
    budget = named(found, "PodDisruptionBudget", "collector")["spec"]
    assert budget["selector"]["matchLabels"] == pods["collector"]
    store = named(found, "NetworkPolicy", "store")["spec"]
    assert store["podSelector"]["matchLabels"] == pods["store"]
    readers = [peer["podSelector"].get("matchLabels") for peer in store["ingress"][0]["from"]]
    assert readers[:2] == [pods["collector"], pods["writer"]]


def test_the_monitor_scrapes_the_port_that_both_parts_have() -> None:
    found = manifests(DEFAULTS, **MONITORS)
    spec = named(found, "PodMonitor", "collector")["spec"]
    (endpoint,) = spec["podMetricsEndpoints"]
    (expression,) = spec["selector"]["matchExpressions"]
    for part in expression["values"]:
        given = container(named(found, "Deployment", part))
        assert endpoint["port"] in {port["name"] for port in given["ports"]}
    assert "PodMonitor" not in {manifest["kind"] for manifest in manifests(DEFAULTS)}


def test_transformers_reach_the_pods_of_the_chart_by_their_label_and_port() -> None:
    found = manifests(DEFAULTS)
    for kind, part, ports in (
        ("Deployment", "collector", {network_policies.COLLECTOR_PORT}),
        ("StatefulSet", "store", {network_policies.REDIS_PORT}),
    ):
        manifest = named(found, kind, part)
        pod = manifest["spec"]["template"]["metadata"]["labels"]
        assert network_policies.COLLECTOR.items() <= pod.items()
        assert ports <= {port["containerPort"] for port in container(manifest)["ports"]}


def test_the_store_is_never_open_to_all_pods() -> None:
    policy = named(manifests(DEFAULTS), "NetworkPolicy", "store")
    for peer in policy["spec"]["ingress"][0]["from"]:
        assert peer["podSelector"], "an empty selector is every pod"
        assert "namespaceSelector" not in peer, "any namespace may label its pods as it likes"


@pytest.mark.parametrize("policies", [{}, POLICIES])
def test_who_may_reach_the_collector_does_not_hang_on_another_switch(
    policies: dict[str, Any],
) -> None:
    spec = named(manifests(EVERYTHING, **policies), "NetworkPolicy", "collector")["spec"]
    assert "Ingress" in spec["policyTypes"]
    rules = {rule["ports"][0]["port"]: rule["from"] for rule in spec["ingress"]}
    assert EVERYTHING["eventsFrom"][0] in rules["http"]
    assert EVERYTHING["adminFrom"][0] in rules["admin"]
    assert rules["metrics"] == [{"namespaceSelector": {}}], "which has no rights"
    assert ("Egress" in spec["policyTypes"]) == ("egress" in spec) == bool(policies)


def test_an_external_store_replaces_the_embedded_one() -> None:
    found = manifests(EXTERNAL, **POLICIES)
    kinds = [manifest["kind"] for manifest in found]
    assert "StatefulSet" not in kinds
    assert "PodDisruptionBudget" not in kinds, "one pod has none"
    given = container(named(found, "Deployment", "writer"))["env"]
    assert {"name": "RECOMMENDER_STORE_URL", "value": "rediss://store.example:6380/0"} in given
    egress = named(found, "NetworkPolicy", "collector")["spec"]["egress"]
    assert egress[1] == {"ports": [{"port": 6380}]}


def test_the_operator_reaches_the_experiments_whoever_else_may_reach_their_port() -> None:
    found = manifests(EVERYTHING, **POLICIES)
    *given, operator = named(found, "NetworkPolicy", "collector")["spec"]["ingress"][2]["from"]
    assert given == EVERYTHING["adminFrom"]
    _, text, _ = render(EVERYTHING, **POLICIES)
    own = {
        each["kind"]: each
        for each in yaml.load_all(text, Loader=yaml.CSafeLoader)
        if each and each["metadata"]["name"] == "recommender-operator"
    }
    pod = own["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert operator["podSelector"]["matchLabels"].items() <= pod.items()
    egress = own["NetworkPolicy"]["spec"]["egress"][-1]
    service = named(found, "Service", "collector")["spec"]
    assert egress["to"] == [{"podSelector": {"matchLabels": service["selector"]}}]
    assert egress["ports"] == [{"port": 9090}]
    assert 9090 in {port["port"] for port in service["ports"]}


def test_served_models_may_send_impressions_whoever_else_may_send_events() -> None:
    policy = named(manifests(EVERYTHING, **POLICIES), "NetworkPolicy", "collector")["spec"]
    *given, models = policy["ingress"][0]["from"]
    assert given == EVERYTHING["eventsFrom"]
    store = named(manifests(DEFAULTS), "NetworkPolicy", "store")["spec"]
    (readers,) = (
        peer for peer in store["ingress"][0]["from"] if "matchExpressions" in peer["podSelector"]
    )
    assert models == {"podSelector": readers["podSelector"]}, "of the same namespace"


def test_the_group_of_a_claim_changes_only_if_the_installer_asks_for_it() -> None:
    files = {"claimName": "raw-data", "subPath": "events"}

    def group(**changes: Any) -> object:
        shown = manifests({**DEFAULTS, "writer": {"files": {**files, **changes}}})
        pod = named(shown, "Deployment", "writer")["spec"]["template"]["spec"]
        return pod["securityContext"].get("fsGroup")

    assert group() is None
    assert group(fsGroup=True) == 65532
