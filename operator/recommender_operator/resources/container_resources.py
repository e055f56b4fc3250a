"""Resources of containers: what the spec sets, completed by defaults.

A default version of two Triton and two transformer pods requests 1.5 GiB of memory. Measured
(ADR 0148): a Triton container takes 282 MiB with two graphs of less than 0.5 MB, and 326 MiB with
those of MovieLens (12.6 and 12.0 MB); a loaded graph takes its own size and a constant. So Triton
requests `BASE` and twice the graph, because the second model, the baseline, has tables of the
same items and users. `ROOM` above the request is for batches in flight and for loading a graph.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from decimal import Decimal

from recommender_operator.api.quantities import MEBIBYTE, mebibytes, number
from recommender_operator.api.spec_resources import GPU, Resources
from recommender_operator.resources.labels import Manifest

#: Memory of Triton beside its graphs, with a third to spare, in bytes.
BASE = 384 * MEBIBYTE
#: Graphs of the size of the ranker's.
GRAPHS = 2
#: Minimum difference of the default limit of Triton to its default request, in bytes.
ROOM = 1024 * MEBIBYTE
#: Metric of a training: the size of the ranker's graph, in units of a million bytes.
GRAPH_MEGABYTES = "modelMegabytes"


@dataclasses.dataclass(frozen=True)
class Default:
    """Defaults of a container: requests of CPU and memory, and the limit of memory."""

    cpu: str
    request: str
    limit: str


TRITON = Default(cpu="250m", request="512Mi", limit="2Gi")
TRANSFORMER = Default(cpu="250m", request="256Mi", limit="1Gi")
TRAINING = Default(cpu="500m", request="3Gi", limit="3Gi")
#: Of a Job that only reads, moves or removes files.
SMALL = Default(cpu="100m", request="1Gi", limit="1Gi")


def of_triton(metrics: Mapping[str, float]) -> Default:
    """Return the defaults of Triton for a version with these offline metrics.

    They never change for a version, because its metrics are those of its training.
    """
    graph = metrics.get(GRAPH_MEGABYTES, 0)
    request = max(number(TRITON.request), BASE + GRAPHS * Decimal(graph) * 1_000_000)
    return Default(
        cpu=TRITON.cpu,
        request=mebibytes(request),
        limit=mebibytes(max(number(TRITON.limit), request + ROOM)),
    )


def of_container(wanted: Resources, default: Default) -> Manifest:
    """Return the field `resources` of a container.

    A limit without a request is the request, as in a pod. The limit of CPU is optional. A GPU is
    only in the limits, as Kubernetes wants extended resources.
    """
    requests = {
        "cpu": _request(wanted, "cpu", default.cpu),
        "memory": _request(wanted, "memory", default.request),
    }
    limits = {"memory": wanted.limits.get("memory") or _higher(default.limit, requests["memory"])}
    if (cpu := wanted.limits.get("cpu")) is not None:
        limits["cpu"] = cpu
    if wanted.limits.get(GPU, "0") != "0":
        limits[GPU] = wanted.limits[GPU]
    return {"requests": requests, "limits": limits}


def threads_for(resources: Manifest) -> int:
    """Return the number of threads for a container: its CPU limit or request, rounded up."""
    cores = resources["limits"].get("cpu") or resources["requests"]["cpu"]
    return max(1, math.ceil(number(cores)))


def _request(wanted: Resources, name: str, default: str) -> str:
    return wanted.requests.get(name) or wanted.limits.get(name) or default


def _higher(one: str, other: str) -> str:
    return max(one, other, key=number)
