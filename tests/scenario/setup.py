"""Puts a `World` together: cluster, images, chart, data, base spec."""

from __future__ import annotations

import json
import pathlib
import sys
from collections.abc import Callable

from tests.cluster import api as cluster_api
from tests.scenario import install
from tests.scenario.kube import Kube
from tests.scenario.world import World

NAME = "movies"

#: Small windows and short steps, so that a whole life passes in minutes; a real one takes days.
BASE_SPEC = {
    "data": {
        "source": {"claimName": install.DATA_CLAIM, "path": "raw", "format": "MovieLens100K"},
        # Holds all of the first batch, and after the users have changed the later one alone.
        "window": {"days": 220},
        "minRows": 1000,
    },
    "storage": {"claimName": install.STORE_CLAIM},
    "training": {
        "seed": 17,
        "hyperparameters": {"embeddingDim": 32, "epochs": 8},
        # Less than what serves: on a busy node the users come first.
        "resources": {"cpu": "100m"},
    },
    "evaluation": {
        "gates": [
            {"metric": "auc", "min": 0.65, "championMargin": 0.05},
            {"metric": "logLoss", "max": 0.68},
        ]
    },
    # Three warm versions and a training must fit on two cores.
    "serving": {
        "timeoutMilliseconds": 1000,
        "resources": {"cpu": "200m"},
        "transformerResources": {"cpu": "200m"},
    },
    "rollout": {"steps": [{"weight": 10}, {"weight": 50}, {"weight": 100}]},
    "analysis": {
        "intervalSeconds": 3,
        "stepSeconds": 15,
        "minRequests": 40,
        "deadlineSeconds": 300,
        "onDeadline": "RollBack",
        "thresholds": {"maxLatencyP99Milliseconds": 2000, "maxLatencyRatio": 5},
    },
    "drift": {"windowSessions": 200, "consecutiveWindows": 3, "cooldownSeconds": 60},
    "retrain": {"onDrift": True, "lockAfterRollbacks": 10},
    "history": {"limit": 10},
    # The next run starts from nothing: its tables must not hold what users did in this one.
    "deletionPolicy": "Delete",
}


def make_world(
    namespace: str, cache: pathlib.Path, says: Callable[[str], None], *, knative: bool
) -> tuple[World, str]:
    """Return the world and the address of the Gateway; everything is up when it returns."""
    with install.timed(says, "cluster"):
        cluster = cluster_api.ensure_up(knative=knative)
    with install.timed(says, "images"):
        printed = install.run(sys.executable, "-m", "tests.cluster.images", "load", "--json")
        images: dict[str, str] = json.loads(printed.strip().splitlines()[-1])
    with install.timed(says, "MovieLens data"):
        data = install.make_data(cache)
    with install.timed(says, "chart"):
        install.install_chart(cluster, images)
    with install.timed(says, f"namespace {namespace} with data"):
        install.namespace_with_data(cluster, namespace, images["training"], data)
    world = World(
        kube=Kube(cluster.kubeconfig, namespace),
        cluster=cluster,
        name=NAME,
        spec=BASE_SPEC,
        traffic=data.traffic,
        shifted_traffic=data.shifted_traffic,
        add_shifted_data=lambda: install.copy_into(cluster, namespace, data.shifted),
        host=f"{NAME}.{namespace}.recommender.local",
        says=says,
    )
    return world, cluster.gateway_url
