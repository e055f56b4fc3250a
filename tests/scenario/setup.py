"""Set up a `World`: cluster, images, chart, data, base spec."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import sys
from collections.abc import Callable
from typing import Any

from tests.cluster import api as cluster_api
from tests.cluster import envoy
from tests.cluster.api import Cluster
from tests.cluster.groups import Extras
from tests.scenario import collecting, install, room
from tests.scenario.kube import Kube
from tests.scenario.world import World, merged

NAME = "movies"

#: Small windows and short steps, so that a lifecycle takes minutes instead of days.
BASE_SPEC = {
    "data": {
        "source": {
            "persistentVolumeClaim": {"claimName": install.DATA_CLAIM, "path": "raw"},
            "format": "MovieLens100K",
        },
        # Contains the whole first batch, and only the later one after the users change.
        "window": {"days": 220},
        "minRows": 1000,
        # The later batch is a sixth of the first one.
        "checks": {"maxVolumeDrop": 0.9},
    },
    "storage": {"persistentVolumeClaim": {"claimName": install.STORE_CLAIM}},
    "training": {
        "seed": 17,
        "hyperparameters": {"embeddingDim": 32, "epochs": 2},
        # Less than for serving: on a busy node, users have priority.
        "resources": {"requests": {"cpu": "100m"}},
    },
    "evaluation": {
        "gates": [
            {"metric": "auc", "min": 0.65, "championMargin": 0.05},
            {"metric": "logLoss", "max": 0.68},
        ]
    },
    # Three warm versions and a training must fit two cores.
    "serving": {
        "replicas": 1,
        # Trainings and starting pods share the cores: a model may wait for seconds.
        "timeoutMilliseconds": 3000,
        "resources": {"requests": {"cpu": "200m"}},
        "transformerResources": {"requests": {"cpu": "200m"}},
    },
    "rollout": {
        "steps": [{"weight": 10}, {"weight": 50}, {"weight": 100}],
        "analysis": {
            "intervalSeconds": 3,
            "stepSeconds": 15,
            "minRequests": 40,
            "deadlineSeconds": 300,
            "onDeadline": "RollBack",
            "thresholds": {"maxLatencyP99Milliseconds": 4000, "maxLatencyRatio": 5},
        },
    },
    "retrain": {
        "mode": "Auto",
        "lockAfterRollbacks": 10,
        "drift": {"windowSessions": 200, "consecutiveWindows": 3, "cooldownSeconds": 60},
    },
    "history": {"limit": 10},
    # The next run starts with empty tables.
    "deletionPolicy": "Delete",
}


@dataclasses.dataclass(frozen=True)
class Platform:
    """A cluster with the product, and the data to train on."""

    cluster: Cluster
    images: dict[str, str]
    data: install.Data
    says: Callable[[str], None]
    #: Namespaces of the worlds.
    namespaces: set[str] = dataclasses.field(default_factory=set)

    def world(
        self, namespace: str, changes: dict[str, Any] | None = None, *, name: str = NAME
    ) -> World:
        """Return the world of a model that is not applied yet; its namespace has the data."""
        if namespace != install.SYSTEM_NAMESPACE:
            self.namespaces.add(namespace)
        with install.timed(self.says, f"namespace {namespace} with data"):
            install.namespace_with_data(
                self.cluster, namespace, self.images["training"], self.data
            )
        return World(
            kube=Kube(self.cluster.kubeconfig, namespace),
            cluster=self.cluster,
            name=name,
            spec=merged(BASE_SPEC, changes or {}),
            traffic=self.data.traffic,
            shifted_traffic=self.data.shifted_traffic,
            add_shifted_data=lambda: install.copy_into(self.cluster, namespace, self.data.shifted),
            gateway=self.cluster.gateway_url,
        )

    def remove(self, namespace: str) -> None:
        """Delete a namespace and its content, without waiting."""
        self.cluster.kubectl(
            "delete", "namespace", namespace, "--ignore-not-found", "--wait=false"
        )


def make_platform(
    cache: pathlib.Path,
    says: Callable[[str], None],
    *,
    extras: Extras,
    collector: collecting.Values | None = None,
    asked_by_keda: str = "",
    items: int | None = None,
    gateway: str = "traefik",
) -> Platform:
    """Set everything up: cluster, images, data, chart; with values, also the collector.

    With the `gateway` envoy, models get their requests from a second Gateway, of Envoy Gateway.
    `asked_by_keda` is the Prometheus server of a KEDA that joined the cluster. With a number of
    `items`, the data have only the most popular ones. Models of earlier runs are removed: on two
    cores there is no room for them and this one.
    """
    with install.timed(says, "cluster"):
        cluster = cluster_api.ensure_up(extras)
        if gateway == "envoy":
            url = envoy.join()
            cluster = dataclasses.replace(cluster, beside=cluster_api.Gateway(envoy.GATEWAY, url))
        left = room.leave(cluster, says)
    with install.timed(says, "images"):
        printed = install.run(sys.executable, "-m", "tests.cluster.images", "load", "--json")
        images: dict[str, str] = json.loads(printed.strip().splitlines()[-1])
    with install.timed(says, "MovieLens data"):
        data = install.make_data(cache, items)
    with install.timed(says, "chart"):
        if collector:
            install.namespace_with_data(
                cluster, install.SYSTEM_NAMESPACE, images["training"], data
            )
        install.install_chart(cluster, images, collector, asked_by_keda)
        room.until_left(cluster, left)
    return Platform(cluster=cluster, images=images, data=data, says=says)


def join_platform(
    cache: pathlib.Path, says: Callable[[str], None], images: dict[str, str]
) -> Platform:
    """Return the platform that another process set up with these images."""
    cluster = cluster_api.find_up()
    assert cluster is not None, "the cluster that another process set up no longer exists"
    return Platform(cluster=cluster, images=images, data=install.Data(cache), says=says)
