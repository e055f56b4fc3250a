"""Requests that fail while parts of a served model are killed, stopped, evicted or replaced.

A model with two pods of each component (in Knative mode two pods with both) and a standby (which
Knative mode lacks), on the local cluster, under constant load (open loop, Poisson arrivals). It
reads users from the online store and reports its answers to the collector. Each fault ends when
the champion has all its pods again; a request fails if it gets no items within 15 seconds. The
faults, of `tests/scenario/availability.py`:

    triton        one Triton of the champion is killed
    every_triton  all its Tritons are killed at once: the standby takes over
    transformer   one transformer is killed
    store         the online store is killed
    collector     every pod of the collector is killed
    pod           a pod of each component is deleted without notice
    drain         every pod of the champion is evicted, as the budgets permit
    operator      all pods of the operator are killed
    memory        a process in a transformer's container uses all its memory
    kubelet       the node's kubelet is killed, and started again after some seconds
    stopped_triton       one Triton is stopped for 20 seconds: it accepts and does not answer
    stopped_transformer  one transformer is stopped for 20 seconds
    stopped_store        the online store is stopped for 20 seconds
    stopped_collector    every pod of the collector is stopped for 20 seconds
    stopped_operator     all pods of the operator are stopped for 20 seconds
    promotion     a better version rolls out and is promoted
    rollback      rollbackTo the former champion

The last line is one JSON object: `requests`, `failed` and `fallbacks` by fault, summed if a fault
was caused several times, and `runs` with each fault in its order.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from typing import Any

from tests.benchmarks.machine import machine
from tests.cluster import envoy, objects
from tests.cluster.api import Cluster
from tests.cluster.groups import Extras
from tests.cluster.settings import cache_folder
from tests.scenario import availability, collecting, install, stories
from tests.scenario.availability import FAULTS, Effect
from tests.scenario.setup import NAME, make_platform
from tests.scenario.traffic import TrafficWatch
from tests.scenario.world import World, merged

POLICY = install.ROOT / "manifests/integrations/gateways/envoy-gateway.yaml"
#: Shorter trainings and smaller pods than the defaults; the number of pods is the default.
SPEC: dict[str, Any] = {
    "training": {"hyperparameters": {"retrieval": "Weights"}},
    "serving": {
        "replicas": 2,
        "impressions": 1,
        "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}},
        "transformerResources": {"requests": {"cpu": "100m"}, "limits": {"memory": "384Mi"}},
    },
    "rollout": {"analysis": {"stepSeconds": 10}},
}
#: Behind Envoy an answer must come well within an attempt of its policy, also from a fallback.
ENVOY_SPEC: dict[str, Any] = {
    "serving": {"timeoutMilliseconds": 500},
    "rollout": {"analysis": {"thresholds": {"maxFallbackShare": 0.5}}},
}
#: What the collector knows of the model: the columns of its files, although nobody clicks here.
COLLECTED: collecting.Values = {
    NAME: {
        "mapping": {
            "interactions": {
                "files": "*.inter",
                "user": "user_id:token",
                "item": "item_id:token",
                "timestamp": "timestamp:float",
                "value": "rating:float",
            }
        },
        "interactions": {"click": 5},
    }
}


def says(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def effects(world: World, names: list[str]) -> list[tuple[str, Effect]]:
    """Return each fault with its effect, on a world with a champion and a standby."""
    stories.first_version(world)
    world.start_load(availability.RATE)
    stories.better_version(world)
    found = []
    for name in names:
        effect = availability.measured(world, FAULTS[name])
        says(f"{name}: {effect}")
        found.append((name, effect))
    return found


def by_fault(found: Sequence[tuple[str, Effect]]) -> dict[str, Any]:
    """Return the sums of each fault, and every run in its order."""
    sums: dict[str, dict[str, int]] = {"requests": {}, "failed": {}, "fallbacks": {}}
    for name, effect in found:
        for figure, faults in sums.items():
            faults[name] = faults.get(name, 0) + getattr(effect, figure)
    runs = [{"fault": name} | dataclasses.asdict(effect) for name, effect in found]
    return sums | {"runs": runs}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--traffic", choices=["Gateway", "Knative"], default="Gateway",
        help="traffic mode of the model (default Gateway)",
    )  # fmt: skip
    parser.add_argument(
        "--gateway", choices=["traefik", "envoy"], default="traefik",
        help="what routes in the traffic mode Gateway: envoy with the policy of "
        "manifests/integrations/gateways/envoy-gateway.yaml (default traefik)",
    )  # fmt: skip
    parser.add_argument(
        "--faults", nargs="+", choices=sorted(FAULTS), default=list(FAULTS), metavar="FAULT",
        help="the faults to cause, in this order, also several times each "
        f"(default: {' '.join(FAULTS)})",
    )  # fmt: skip
    given = parser.parse_args()
    if given.traffic == "Knative" and given.gateway != "traefik":
        parser.error(f"--gateway {given.gateway} has no Knative: leave one of the two out")
    return given


def with_policy(cluster: Cluster) -> None:
    """Apply the policy of Envoy Gateway that users get, for the models of the release."""
    (policy,) = objects.parse(POLICY.read_text(encoding="utf-8"))
    policy["metadata"]["namespace"] = install.SYSTEM_NAMESPACE
    cluster.kubectl("apply", "-f", "-", stdin=objects.dump([policy]))


def main() -> None:
    given = arguments()
    platform = make_platform(
        cache_folder() / install.DATA_FOLDER, says, extras=Extras(),
        collector=collecting.values(COLLECTED), gateway=given.gateway,
    )  # fmt: skip
    if given.gateway == "envoy":
        with_policy(platform.cluster)
    # Only models of the release's namespace use its store and its collector.
    spec = merged(SPEC, ENVOY_SPEC if given.gateway == "envoy" else {})
    world = platform.world(
        install.SYSTEM_NAMESPACE, merged(spec, {"rollout": {"traffic": given.traffic}})
    )
    world.remove()
    collecting.until_ready(world)
    world.route = TrafficWatch(world.kube, world.name, given.traffic)
    try:
        found = effects(world, given.faults)
    finally:
        total = world.load.stop() if world.load is not None else {}
        world.route.stop()
        world.remove()
        world.kube.changes.stop()
        if given.gateway == "envoy":
            envoy.leave()
    line = {
        "benchmark": "availability",
        "traffic": given.traffic,
        "gateway": given.gateway,
        "rate": availability.RATE,
        **by_fault(found),
        "total": {key: total[key] for key in ("sent", "failed", "p50_ms", "p99_ms")},
        "machine": machine(),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
