"""KEDA runs on the host, at ports that no other part of the cluster has."""

from __future__ import annotations

from pathlib import Path

from tests.cluster import keda, settings
from tests.cluster.settings import Layout

LAYOUT = Layout(Path("/state"), Path("/cache"), api_port=17443, etcd_port=17379)


def test_every_part_of_every_api_server_listens_at_a_port_of_its_own() -> None:
    beside = Layout(Path("/other"), Path("/cache"), api_port=17943, etcd_port=17879)
    ports = [keda.port(layout, of) for layout in (LAYOUT, beside) for of in keda.PORTS]
    assert len({*ports, LAYOUT.api_port, beside.api_port}) == 2 * len(keda.PORTS) + 2


def test_beside_the_whole_cluster_it_takes_no_port_of_its_parts() -> None:
    cluster = settings.cluster_layout()
    taken = {value for name, value in vars(settings).items() if name.endswith("_PORT")}
    taken |= {cluster.api_port, cluster.etcd_port}
    assert not taken & {keda.port(cluster, of) for of in keda.PORTS}
