"""Secrets that the chart creates for the collector, and who gets them."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.chart_collector import DEFAULTS, EVERYTHING, container, manifests, named, render


@pytest.mark.parametrize("collector", [DEFAULTS, EVERYTHING])
def test_the_operator_and_the_collector_have_the_same_token(collector: dict[str, Any]) -> None:
    found = manifests(collector)
    _, text, _ = render(collector)
    every = [each for each in yaml.load_all(text, Loader=yaml.CSafeLoader) if each]
    operator = next(
        m for m in every
        if m["kind"] == "Deployment" and m["metadata"]["name"] == "recommender-operator"
    )  # fmt: skip
    volumes = []
    for manifest, variable in (
        (operator, "RECOMMENDER_EXPERIMENTS_TOKEN_FILE"),
        (named(found, "Deployment", "collector"), "RECOMMENDER_ADMIN_TOKEN_FILE"),
    ):
        given = container(manifest)
        (file,) = (each["value"] for each in given["env"] if each["name"] == variable)
        (mount,) = (each for each in given["volumeMounts"] if each["name"] == "admin-token")
        assert file == f"{mount['mountPath']}/token"
        assert (mount["readOnly"], "subPath" in mount) == (True, False)
        pod = manifest["spec"]["template"]["spec"]
        volumes += [each["secret"] for each in pod["volumes"] if each["name"] == "admin-token"]
    assert volumes[0] == volumes[1]
    serving = next(
        each["secret"]["secretName"]
        for each in named(found, "Deployment", "collector")["spec"]["template"]["spec"]["volumes"]
        if each["name"] == "serving-keys"
    )
    env = {each["name"]: each.get("value") for each in container(operator)["env"]}
    assert env["RECOMMENDER_COLLECTOR_SECRET"] == serving
    made = [
        m for m in found
        if m["kind"] == "Secret" and not m["metadata"]["name"].endswith("store-users")
    ]  # fmt: skip
    if collector is EVERYTHING:
        assert volumes[0]["secretName"] == "admin-token"
        assert made == []
    else:
        assert {m["metadata"]["name"]: [*m["data"]] for m in made} == {
            volumes[0]["secretName"]: [volumes[0]["items"][0]["key"]],
            serving: ["key", "signing"],
        }
