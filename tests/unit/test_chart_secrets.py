"""The Secrets of the collector and its store in the Helm chart."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import yaml

from tests.chart_collector import (
    DEFAULTS,
    EVERYTHING,
    EXTERNAL,
    SHOP,
    container,
    manifests,
    named,
    render,
)

COLLECTOR = "http://recommender-operator-collector.shops.svc"
OWN = "recommender-operator-store.shops.svc:6379/0"
PLAIN = "redis://store.example"
#: Volumes of what the collector knows its callers by (test_chart_collector_keys.py).
OF_CALLERS = ("admin-token", "serving-keys", "api-keys")


def _mounted(manifest: dict[str, Any]) -> dict[str, set[str]]:
    """The entries of the store's and the users' Secrets in a manifest's pods, by their names."""
    return {
        secret["secretName"]: {item["key"] for item in secret.get("items", [{"key": "*"}])}
        for volume in manifest["spec"]["template"]["spec"]["volumes"]
        if (secret := volume.get("secret")) and volume["name"] not in OF_CALLERS
    }


@pytest.mark.parametrize(
    ("values", "writer", "store"),
    [
        (DEFAULTS, {"recommender-operator-store-users": {"writer"}}, None),
        (EXTERNAL, {"store-password": {"password"}}, None),
        (
            EVERYTHING,
            {"store-users": {"writer"}, "store-tls": {"ca.crt"}, "user-key": {"key"}},
            {"store-users": {"*"}, "store-tls": {"*"}},
        ),
    ],
)
def test_a_part_mounts_its_own_entries_of_secrets(
    values: dict[str, Any], writer: dict[str, set[str]], store: dict[str, set[str]] | None
) -> None:
    found = manifests(values)
    assert _mounted(named(found, "Deployment", "writer")) == writer
    collector = {name: entries - {"writer"} for name, entries in writer.items()}
    for name, entries in _mounted(named(found, "Deployment", "collector")).items():
        assert entries - {"collector"} == collector[name]
    if store is not None:
        assert _mounted(named(found, "StatefulSet", "store")) == store
        assert "Secret" not in {manifest["kind"] for manifest in found}


@pytest.mark.parametrize("values", [DEFAULTS, EVERYTHING, EXTERNAL])
def test_no_secret_is_an_argument_or_a_variable(values: dict[str, Any]) -> None:
    found = manifests(values)
    passwords = [
        text
        for manifest in found
        if manifest["kind"] == "Secret"
        for text in manifest["data"].values()
    ]
    for manifest in found:
        if manifest["kind"] != "Secret":
            text = yaml.safe_dump(manifest)
            assert "secretKeyRef" not in text
            assert not [each for each in passwords if each in text]


def test_generated_passwords_are_long_and_differ() -> None:
    models = {"shop": SHOP, "news": SHOP}
    data = named(manifests({**DEFAULTS, "models": models}), "Secret", "store")["data"]
    users = {"collector", "writer", "probe", "reader-shop", "reader-news"}
    assert set(data) == users
    assert len({base64.b64decode(each) for each in data.values()}) == len(users)
    assert all(len(base64.b64decode(each)) == 40 for each in data.values())


def test_the_users_of_the_store_follow_the_models() -> None:
    models = {"shop": SHOP, "news": SHOP}
    pods = [
        named(manifests({**DEFAULTS, "models": each}), "StatefulSet", "store")["spec"]["template"]
        for each in ({"shop": SHOP}, models, {"shop": {**SHOP, "maxAgeSeconds": 60}})
    ]
    notes = [each["metadata"]["annotations"] for each in pods]
    assert notes[0] != notes[1]
    assert notes[0] == notes[2], "the store restarts for its users alone"


@pytest.mark.parametrize(
    ("collector", "store", "secrets", "url"),
    [
        (DEFAULTS, f"redis://{OWN}", ("recommender-operator-store-users", "", ""), COLLECTOR),
        (EXTERNAL, "rediss://store.example:6380/0", ("store-password", "password", ""), COLLECTOR),
        (EVERYTHING, f"rediss://{OWN}", ("store-users", "", "store-tls"), COLLECTOR),
        (
            {**DEFAULTS, "store": {"url": "redis://store.example"}},
            "redis://store.example",
            ("", "", ""),
            COLLECTOR,
        ),
        ({}, "", ("", "", ""), ""),
    ],
)
def test_served_models_know_the_collector_its_store_and_the_secrets_with_their_passwords(
    collector: dict[str, Any], store: str, secrets: tuple[str, str, str], url: str
) -> None:
    _, text, _ = render(collector)
    (operator,) = (
        each
        for each in yaml.load_all(text, Loader=yaml.CSafeLoader)
        if each
        and each["kind"] == "Deployment"
        and each["metadata"]["labels"]["app.kubernetes.io/name"] == "recommender-operator"
    )
    given = {each["name"]: each.get("value") for each in container(operator)["env"]}
    files = collector.get("writer", {}).get("files", {})
    path = "/".join(files[key] for key in ("claimName", "subPath") if files.get(key))
    assert given["RECOMMENDER_COLLECTOR_FILES"] == path
    assert given["RECOMMENDER_STORE_URL"] == store
    names = ("SECRET", "ENTRY", "CA_SECRET")
    assert tuple(given[f"RECOMMENDER_STORE_{name}"] for name in names) == secrets
    assert given["RECOMMENDER_COLLECTOR_URL"] == url
    assert given["RECOMMENDER_EXPERIMENTS_URL"] == (url and f"{url}:9090")
