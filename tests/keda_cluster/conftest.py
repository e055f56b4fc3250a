"""A real KEDA beside the whole cluster, and a Prometheus that scrapes the served transformers."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.cluster import api, keda
from tests.cluster.groups import Extras
from tests.cluster.settings import cache_folder
from tests.e2e.conftest import SMALL
from tests.integration import prometheus_server
from tests.keda_cluster import targets
from tests.scenario import install
from tests.scenario.setup import Platform, make_platform
from tests.scenario.world import World, merged

#: KEDA's trigger of CPU needs metrics-server.
EXTRAS = Extras(knative=False, metrics=True)


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The cluster with KEDA and a chart that uses it."""
    cluster = api.ensure_up(EXTRAS)
    keda.join()
    try:
        with (
            targets.listed(cluster.kubeconfig) as job,
            prometheus_server.running(tmp_path_factory.mktemp("prometheus"), [job]) as server,
        ):
            yield make_platform(
                cache_folder() / install.DATA_FOLDER, print, extras=EXTRAS, asked_by_keda=server
            )
    finally:
        keda.leave()


@pytest.fixture
def world(platform: Platform) -> Iterator[World]:
    """A model that KEDA scales, not applied yet, in a namespace of its own."""
    namespace = f"recommender-keda-{secrets.token_hex(3)}"
    scaling = {
        "engine": "KEDA",
        "maxReplicas": 2,
        "targetRequestsInFlight": 1,
        # A busy machine starts no pod.
        "targetCPUUtilizationPercentage": 1000,
        "scaleDownStabilizationSeconds": 0,
    }
    changes = merged(SMALL, {"serving": {"replicas": 1, "autoscaling": scaling}})
    made = platform.world(namespace, changes)
    yield made
    if made.load is not None:
        made.load.stop()
    made.remove()  # while KEDA runs, which removes its finalizers
    made.kube.changes.stop()
    platform.remove(namespace)
