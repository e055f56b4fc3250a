"""The chart with the collector."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests.chart import CHART, Manifest, run_helm
from tests.collector_rig import MAPPING

SHOP = {"mapping": MAPPING}
DEFAULTS: dict[str, Any] = {"enabled": True, "models": {"shop": SHOP}}
EVERYTHING: dict[str, Any] = {
    "enabled": True,
    "models": {"shop": {**SHOP, "hashUsers": True}},
    "userKey": {"secretName": "user-key"},
    "eventsFrom": [{"podSelector": {"matchLabels": {"app": "web"}}}],
    "adminFrom": [{"podSelector": {"matchLabels": {"app": "privacy"}}}],
    "apiKeys": {"secretName": "api-keys"},
    "servingKeys": {"secretName": "serving-keys"},
    "adminToken": {"secretName": "admin-token", "secretKey": "value"},
    "writer": {
        "files": {
            "claimName": "raw-data",
            "subPath": "shop",
            "fsGroup": True,
            "retentionDays": 30,
        }
    },
    "store": {
        "users": {"secretName": "store-users"},
        "tls": {"secretName": "store-tls"},
        "volume": {"storageClassName": "fast"},
        "readersFrom": [{"podSelector": {"matchLabels": {"app": "notebook"}}}],
    },
}
EXTERNAL: dict[str, Any] = {
    **DEFAULTS,
    "replicas": 1,
    "store": {
        "url": "rediss://store.example:6380/0",
        "durable": True,
        "password": {"secretName": "store-password"},
    },
}
KAFKA: dict[str, Any] = {
    **DEFAULTS,
    "log": "Kafka",
    "kafka": {
        "brokers": "kafka-0.shared:9093,kafka-1.shared:9094",
        "protocol": "SASL_SSL",
        "credentials": {"secretName": "kafka-user"},
        "ca": {"secretName": "kafka-ca", "secretKey": "authorities.pem"},
        "certificate": {"secretName": "kafka-client", "certificateKey": "user.crt"},
    },
}


def render(collector: dict[str, Any], **values: Any) -> tuple[int, str, str]:
    """Return the exit code, the manifests and the errors of Helm."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "values.yaml"
        path.write_text(json.dumps({"collector": collector, **values}))
        done = run_helm(
            "template", "recommender", str(CHART), "-n", "shops", "-f", str(path),
        )  # fmt: skip
    return done.returncode, without_random(done.stdout), done.stderr


def without_random(text: str) -> str:
    """Return manifests with a word in place of the random entries of Secrets."""
    return re.sub(r'(?m)^(  [\w.-]+: )"[A-Za-z0-9+/]{58}=="$', r"\g<1>cmFuZG9t", text)


def manifests(collector: dict[str, Any], **values: Any) -> list[Manifest]:
    """Return the collector's manifests."""
    code, text, errors = render(collector, **values)
    assert code == 0, errors
    found = [each for each in yaml.load_all(text, Loader=yaml.CSafeLoader) if each]
    return [
        each
        for each in found
        if each["metadata"]["labels"].get("app.kubernetes.io/name") == "recommender-collector"
    ]


def named(found: list[Manifest], kind: str, part: str) -> Manifest:
    """Return the manifest of a kind and a part."""
    (only,) = [
        each
        for each in found
        if each["kind"] == kind
        and each["metadata"]["labels"]["app.kubernetes.io/component"] == part
    ]
    return only


def container(manifest: Manifest) -> dict[str, Any]:
    """Return the container of a Deployment or a StatefulSet."""
    (only,) = manifest["spec"]["template"]["spec"]["containers"]
    return dict(only)
