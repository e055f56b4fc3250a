"""No value of the chart is ignored in silence.

Each value of values.yaml is changed in the smallest setting in which it should count: the
defaults, or these with the switch above it on. The manifests must change, or Helm must refuse it.
"""

from __future__ import annotations

import copy
import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart import CHART, run_helm
from tests.chart_collector import SHOP, without_random

VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
PEERS = [{"podSelector": {"matchLabels": {"app": "web"}}}]
HASHED = {"shop": {**SHOP, "hashUsers": True}}
RECEIVERS = [{"name": "ops", "type": "Slack"}]
Setting = dict[str, Any]

#: Values that count only with others, by their path or what is above them: with these.
SETTINGS: dict[str, Setting] = {
    "images.store": {"collector.enabled": True, "collector.models": {"shop": SHOP}},
    "gateway.lostRequests": {"gateway.lostRequests.prometheusUrl": "http://prometheus:9090"},
    "keda.prometheusUrl": {"keda.enabled": True},
    "tracing": {"tracing.endpoint": "http://receiver:4318"},
    "metrics.serviceMonitor": {"metrics.serviceMonitor.enabled": True},
    "metrics.podMonitor": {"metrics.podMonitor.enabled": True},
    "metrics.prometheusRule": {"metrics.prometheusRule.enabled": True},
    "metrics.dashboards": {"metrics.dashboards.enabled": True},
    "serviceAccount.create": {"serviceAccount.name": "of-ours"},
    "admissionPolicy.enabled": {"clusterWide": True},
    "networkPolicy": {"networkPolicy.enabled": True},
    "networkPolicy.notificationPorts": {
        "networkPolicy.enabled": True, "notifications.receivers": RECEIVERS,
        "notifications.secretName": "receivers",
    },
    "networkPolicy.models": {},
    "notifications": {
        "notifications.receivers": RECEIVERS, "notifications.secretName": "receivers",
    },
    "console": {"console.enabled": True},
    "console.url": {},  # links of notifications lead there, whoever installs it
    "collector": {"collector.enabled": True, "collector.models": {"shop": SHOP}},
    "collector.models": {"collector.enabled": True, "collector.models": {"news": SHOP}},
    "collector.userKey": {
        "collector.enabled": True, "collector.models": HASHED,
        "collector.userKey.secretName": "user-key",
    },
    "collector.writer.files": {
        "collector.enabled": True, "collector.models": {"shop": SHOP},
        "collector.writer.files.claimName": "raw-data",
    },
    "collector.kafka": {
        "collector.enabled": True, "collector.models": {"shop": SHOP}, "collector.log": "Kafka",
        "collector.kafka.brokers": "kafka:9092", "collector.kafka.protocol": "SASL_SSL",
        "collector.kafka.credentials.secretName": "kafka-user",
        "collector.kafka.ca.secretName": "kafka-ca",
        "collector.kafka.certificate.secretName": "kafka-client",
    },
    "collector.kafka.protocol": {
        "collector.enabled": True, "collector.models": {"shop": SHOP}, "collector.log": "Kafka",
        "collector.kafka.brokers": "kafka:9092",
    },
    "collector.store.password": {
        "collector.enabled": True, "collector.models": {"shop": SHOP},
        "collector.store.url": "redis://store:6379/0",
        "collector.store.password.secretName": "store-password",
    },
}  # fmt: skip
#: Another value than the default, where the rules by type give none.
CHANGED: dict[str, Any] = {
    "watchNamespaces": ["shop"],
    "gateway.allowedHosts": {"shop": ["shop.example.com"]},
    "gateway.lostRequests.query": "lost{namespace='$namespace',service='$service'}",
    "gateway.lostRequests.prometheusUrl": "http://other:9090",
    "keda.prometheusUrl": "http://other:9090",
    "tracing.endpoint": "http://other:4318",
    "analysis.prometheusUrls": ["http://other:9090"],
    "scheduling.serviceAccounts": {"shop": ["trainer"]},
    "runtime.extraArgs": ["--log-verbose=1"],
    "imagePullSecrets": ["registry"],
    "operator.tolerations": [{"key": "gpu", "operator": "Exists"}],
    "operator.affinity": {"podAntiAffinity": {}},
    "networkPolicy.metricsFrom": PEERS,
    "networkPolicy.models.metricsFrom": PEERS,
    "networkPolicy.models.egress": [{"to": PEERS}],
    "collector.models": {"shop": SHOP},
    "collector.eventsFrom": PEERS,
    "collector.adminFrom": PEERS,
    "collector.log": "Kafka",
    "collector.kafka.brokers": "kafka:9093",
    "collector.kafka.protocol": "SSL",
    "collector.kafka.mechanism": "PLAIN",
    "collector.store.url": "redis://store:6379/0",
    "collector.store.readersFrom": PEERS,
    "console.from": PEERS,
    "console.url": "https://recommenders.example.com",
    "notifications.receivers": [{"name": "people", "type": "Slack"}],
    "notifications.allowedHosts": ["hooks.slack.com"],
    "metrics.prometheusRule.runbookUrl": "https://wiki/runbooks",
}
WORDS = {
    "digest": "sha256:" + "1" * 64, "pullPolicy": "Always", "tag": "other", "logLevel": "DEBUG",
    "logFormat": "text", "interval": "7s", "cpu": "7m", "memory": "77Mi", "size": "7Gi",
}  # fmt: skip


def leaves(values: dict[str, Any], at: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{at}{key}.")
        else:
            yield f"{at}{key}"


LEAVES = sorted(leaves(VALUES))


def setting_of(path: str) -> Setting:
    parts = path.split(".")
    above = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((SETTINGS[each] for each in above if each in SETTINGS), {})


def other_than(path: str, value: Any) -> Any:
    last = path.rsplit(".", 1)[-1]
    if path in CHANGED:
        return CHANGED[path]
    if last in WORDS:
        return WORDS[last]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value * 2 or 1
    if isinstance(value, list):
        return [7]
    return {"team": "shop"} if isinstance(value, dict) else "other"


def value_at(path: str) -> Any:
    return functools.reduce(lambda values, key: values[key], path.split("."), VALUES)


@functools.cache
def rendered(scratch: Path, setting: str) -> tuple[int, str, str]:
    values: dict[str, Any] = {}
    for path, value in json.loads(setting).items():
        *above, last = path.split(".")
        functools.reduce(lambda into, key: into.setdefault(key, {}), above, values)[last] = value
    file = scratch / "values.json"
    file.write_text(json.dumps(values))
    done = run_helm("template", "recommender", str(CHART), "-n", "shops", "-f", str(file))
    return done.returncode, without_random(done.stdout), done.stderr


def render(scratch: Path, setting: Setting) -> tuple[int, str, str]:
    return rendered(scratch, json.dumps(setting, sort_keys=True))


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("values")


@pytest.mark.parametrize("path", LEAVES)
def test_a_changed_value_changes_the_manifests_or_is_refused(path: str, scratch: Path) -> None:
    setting = setting_of(path)
    before = setting.get(path, value_at(path))
    after = other_than(path, before)
    assert after != before
    code, then, errors = render(scratch, setting)
    assert code == 0, errors
    code, now, errors = render(scratch, {**setting, path: after})
    assert code != 0 or now != then, f"{path} has no effect"
    assert code == 0 or ("execution error" in errors and path in errors), errors


def test_every_setting_is_of_values_that_the_chart_has() -> None:
    named = {*CHANGED, *SETTINGS, *(path for each in SETTINGS.values() for path in each)}
    known = {*LEAVES, *(".".join(p.split(".")[:n]) for p in LEAVES for n in range(1, 9))}
    assert named <= known


IN_VAIN: list[tuple[Setting, str, str]] = [
    ({"networkPolicy.metricsFrom": PEERS}, "networkPolicy.metricsFrom", "networkPolicy.enabled"),
    (
        {"admissionPolicy.enabled": False, "admissionPolicy.namespaced": True},
        "admissionPolicy.namespaced", "admissionPolicy.enabled",
    ),
    (
        {
            "serviceAccount.create": False, "serviceAccount.name": "ours",
            "serviceAccount.annotations": {"a": "b"},
        },
        "serviceAccount.annotations", "serviceAccount.create",
    ),
    (
        {"runtime.create": False, "runtime.extraArgs": ["--log-verbose=1"]},
        "runtime.extraArgs", "runtime.create",
    ),
    (
        {"runtime.create": False, "images.triton.digest": WORDS["digest"]},
        "images.triton.digest", "runtime.create",
    ),
    ({"notifications.secretName": "x"}, "notifications.secretName", "notifications.receivers"),
    (
        {"notifications.allowedHosts": ["a.example"]},
        "notifications.allowedHosts", "notifications.receivers",
    ),
]  # fmt: skip
OF_COLLECTOR: list[tuple[Setting, str, str]] = [
    ({"userKey.secretName": "k"}, "userKey.secretName", "hashUsers"),
    ({"writer.files.subPath": "a"}, "writer.files.subPath", "claimName is empty"),
    ({"writer.files.fsGroup": True}, "writer.files.fsGroup", "claimName is empty"),
    ({"writer.files.retentionDays": 3}, "writer.files.retentionDays", "claimName is empty"),
    ({"kafka.brokers": "kafka:9092"}, "kafka.brokers", "collector.log is Redis"),
    (
        {"kafka.credentials.secretName": "k"},
        "kafka.credentials.secretName", "protocol is PLAINTEXT",
    ),
    ({"kafka.ca.secretName": "k"}, "kafka.ca.secretName", "protocol is PLAINTEXT"),
    (
        {"store.url": "redis://s:1/0", "store.readersFrom": PEERS},
        "store.readersFrom", "collector.store.url",
    ),
    (
        {"store.url": "redis://s:1/0", "store.volume.storageClassName": "fast"},
        "store.volume.storageClassName", "collector.store.url",
    ),
]  # fmt: skip
IN_VAIN += [
    (
        {**SETTINGS["collector"], **{f"collector.{name}": value for name, value in given.items()}},
        f"collector.{path}", why,
    )
    for given, path, why in OF_COLLECTOR
]  # fmt: skip


@pytest.mark.parametrize(("setting", "path", "why"), IN_VAIN)
def test_a_value_that_another_one_makes_useless_is_refused_with_the_remedy(
    setting: Setting, path: str, why: str, scratch: Path
) -> None:
    code, _, errors = render(scratch, copy.deepcopy(setting))
    assert code != 0
    said = re.search(rf"{re.escape(path)} is set, but has no effect, because (.+)", errors)
    assert said, errors
    assert why in said[1]
    assert f"or leave {path} out" in said[1]
