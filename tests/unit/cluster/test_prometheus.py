"""The Prometheus of the local cluster: what it scrapes, and how the operator finds it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import chart
from tests.cluster import backends, gateway, prometheus, settings
from tests.cluster.binaries import Binaries
from tests.cluster.errors import ClusterError
from tests.cluster.groups import DEFAULT, EVERYTHING, Extras
from tests.cluster.pki import Authority
from tests.cluster.settings import Layout
from tests.scenario import install

URL = f"http://{settings.NODE_IP}:{settings.PROMETHEUS_PORT}"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path, tmp_path / "cache", api_port=1, etcd_port=2)


def test_it_scrapes_the_page_of_the_gateway(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Authority, "kubeconfig", lambda *_: layout.state / "kubeconfig")
    monkeypatch.setattr(Binaries, "path", lambda _, name: Path(name))
    arguments = gateway.traefik(layout, Binaries(()), knative=False).argv
    (job,) = yaml.safe_load(prometheus.configuration())["scrape_configs"]
    (targets,) = job["static_configs"]
    assert [f"--entrypoints.admin.address={target}" for target in targets["targets"]] == [
        argument for argument in arguments if argument.startswith("--entrypoints.admin.address")
    ]
    assert "--metrics.prometheus.entrypoint=admin" in arguments


def test_a_cluster_without_it_has_no_address_for_it(layout: Layout) -> None:
    assert prometheus.url(layout) == ""
    (layout.state / "with-prometheus").touch()
    assert prometheus.url(layout) == URL
    assert (DEFAULT.prometheus, EVERYTHING.prometheus) == (False, True)


@pytest.mark.parametrize("address", ["", URL])
def test_the_operator_reads_the_gateways_counters_where_a_server_has_them(address: str) -> None:
    options = install.counters_of_gateway(address)
    assert options[0::2] == ["--set"] * len(options[1::2])
    values = dict(option.split("=", 1) for option in options[1::2])
    made = chart.manifests({**values, "networkPolicy.enabled": "true"})
    (found,) = {env["value"] for env in _environment(made) if env["name"].endswith("LOSSES_URL")}
    assert found == address
    ports = {port["port"] for port in _egress(made)}
    assert (settings.PROMETHEUS_PORT in ports) == bool(address)


def _environment(made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    pods = (one["spec"]["template"]["spec"] for one in made if one["kind"] == "Deployment")
    return [env for pod in pods for one in pod["containers"] for env in one.get("env", [])]


def _egress(made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    policies = (one["spec"] for one in made if one["kind"] == "NetworkPolicy")
    return [port for one in policies for rule in one.get("egress", []) for port in rule["ports"]]


def test_an_existing_cluster_says_how_to_name_its_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_URL", raising=False)
    monkeypatch.setattr(backends, "_command", lambda *_: "")
    monkeypatch.setattr(backends, "tool", lambda name: name)
    existing = backends.Existing()
    existing.up(Extras())
    with pytest.raises(ClusterError, match="set PROMETHEUS_URL"):
        existing.up(Extras(prometheus=True))
    monkeypatch.setenv("PROMETHEUS_URL", "http://prometheus.test:9090/")
    existing.up(Extras(prometheus=True))
    assert existing.prometheus() == "http://prometheus.test:9090"
