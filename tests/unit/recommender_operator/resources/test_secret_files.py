"""The Secrets of transformers: mounted files, and nothing of them in a variable."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from recommender_operator.adapters.traffic.knative import knative_manifests
from recommender_operator.observed import ModelObject
from recommender_operator.resources import inference_service
from recommender_operator.resources.labels import Manifest
from recommender_operator.resources.options import Options
from recommender_serving.process import settings as serving_settings
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model, version

STORE = dataclasses.replace(
    OPTIONS,
    store_url="rediss://store.team.svc:6379/0",
    store_namespace="team",
    store_secret="store-users",
    store_ca_secret="store-tls",
    log_key_secret="log-key",
    log_key_entry="own",
)
USERS = {"store-password": ("store-users", "reader-movies"), "store-ca": ("store-tls", "ca.crt")}
LOGS = {"log-key": ("log-key", "own")}


def _built(options: Options, of: ModelObject, *, knative: bool) -> tuple[Manifest, Manifest]:
    """The pods with the transformer, and its container."""
    if knative:
        pods = knative_manifests.service(of, version(), None, options)["spec"]["predictor"]
    else:
        pods = inference_service.standard(of, version(), options)["spec"]["transformer"]
    (container,) = pods["containers"]
    return pods, container


def _secrets(pods: Manifest) -> dict[str, tuple[str, str]]:
    found = {each["name"]: each["secret"] for each in pods["volumes"] if "secret" in each}
    assert all(each["optional"] for each in found.values()), "a missing one stops no version"
    return {
        name: (each["secretName"], item["key"])
        for name, each in found.items()
        for item in each["items"]
    }


@pytest.mark.parametrize("knative", [False, True])
@pytest.mark.parametrize(
    ("options", "namespace", "expected"),
    [
        (OPTIONS, "team", {}),
        (STORE, "team", USERS | LOGS),
        (STORE, "news", LOGS),
        (dataclasses.replace(STORE, store_secret="", store_ca_secret=""), "team", LOGS),
        (
            dataclasses.replace(STORE, store_entry="password", log_key_secret=""),
            "team",
            {**USERS, "store-password": ("store-users", "password")},
        ),
    ],
)
def test_a_transformer_mounts_its_own_entries_alone(
    options: Options, namespace: str, expected: dict[str, Any], *, knative: bool
) -> None:
    of = dataclasses.replace(model(), namespace=namespace)
    pods, container = _built(options, of, knative=knative)
    assert _secrets(pods) == expected
    mounted = {each["name"]: each for each in container["volumeMounts"]}
    assert all(mounted[name]["readOnly"] for name in expected)


@pytest.mark.parametrize("knative", [False, True])
def test_the_transformer_finds_the_files_where_they_are_mounted(*, knative: bool) -> None:
    _, container = _built(STORE, model(), knative=knative)
    environment = {each["name"]: each["value"] for each in container["env"]}
    found = serving_settings.parse(["serve", *container["args"]], environment)
    assert isinstance(found, serving_settings.ServeSettings)
    assert found.store is not None
    assert found.store.user == "reader-movies"
    folders = {each["name"]: Path(each["mountPath"]) for each in container["volumeMounts"]}
    assert found.store.password_file == folders["store-password"] / "reader-movies"
    assert found.store.authorities == folders["store-ca"] / "ca.crt"
    assert found.user_key_file == folders["log-key"] / "own"


def test_a_store_with_one_password_is_used_as_its_default_user() -> None:
    _, container = _built(
        dataclasses.replace(STORE, store_entry="password"), model(), knative=False
    )
    names = {each["name"] for each in container["env"]}
    assert "RECOMMENDER_STORE_PASSWORD_FILE" in names
    assert "RECOMMENDER_STORE_USER" not in names


def test_triton_mounts_no_secret() -> None:
    predictor = inference_service.standard(model(), version(), STORE)["spec"]["predictor"]
    assert not _secrets(predictor)
    pods = knative_manifests.service(model(), version(), None, STORE)["spec"]["predictor"]
    for container in (pods["model"], *pods["initContainers"]):
        assert not {each["name"] for each in container.get("volumeMounts", [])} & {*USERS, *LOGS}
