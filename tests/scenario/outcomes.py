"""Outcomes of predictions on a cluster: events for a collector, and its answer about a version."""

from __future__ import annotations

import functools
import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from typing import Any

from recommender_contract.events import MAX_EVENTS
from tests.scenario import collecting
from tests.scenario.world import World

#: How often the collector is asked before its answer counts.
ASKED = 10


def declare(world: World, models: collecting.Values, *parts: str) -> collecting.Values:
    """Let parts of the collector know these models alone; return those that they knew.

    As an upgrade of the release does it: pods read the declaration at their start.
    """
    kubectl, where = world.cluster.kubectl, ("-n", world.kube.namespace)
    found = json.loads(kubectl(*where, "get", "configmap", collecting.COLLECTOR, "-o", "json"))
    former: collecting.Values = json.loads(found["data"]["collector.json"])["models"]
    metadata = {key: found["metadata"][key] for key in ("name", "namespace", "labels")}
    metadata["annotations"] = found["metadata"].get("annotations", {})
    found |= {"metadata": metadata, "data": {"collector.json": json.dumps({"models": models})}}
    kubectl(
        *where, "apply", "--server-side", "--force-conflicts", "--field-manager=helm", "-f", "-",
        stdin=json.dumps(found),
    )  # fmt: skip
    before = [name for part in parts for name in _pods(world, part)]
    kubectl(*where, "rollout", "restart", *(f"deployment/{part}" for part in parts))
    collecting.until_ready(world)
    # They would answer for a while yet, by what they knew.
    gone = ("--grace-period=0", "--force", "--ignore-not-found")
    kubectl(*where, "delete", "pod", *before, *gone)
    return former


def _pods(world: World, part: str) -> list[str]:
    listed = world.cluster.kubectl("-n", world.kube.namespace, "get", "pods", "-o", "name")
    names = [line.removeprefix("pod/") for line in listed.splitlines()]
    return [name for name in names if name.startswith(f"{part}-")]


def send(world: World, events: Iterable[Mapping[str, Any]]) -> None:
    """Send events through the Gateway, as clients outside of the cluster, until all are taken.

    For a moment after a restart, the former pod may refuse what the new one takes.
    """
    every = list(events)
    for start in range(0, len(every), MAX_EVENTS):
        body = json.dumps(every[start : start + MAX_EVENTS]).encode()
        said: list[str] = []
        try:
            world.until("events to be taken", functools.partial(_taken, world, body, said), 180)
        except TimeoutError as error:
            raise TimeoutError(f"{said[-1]}\n{error}") from None


def _taken(world: World, body: bytes, said: list[str]) -> bool:
    """Send a body of events and return whether all are durable; add the answer to `said`."""
    headers = {"Host": collecting.HOST, "Content-Type": "application/json"}
    request = urllib.request.Request(f"{world.gateway}/v1/events", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = response.read()
    except urllib.error.HTTPError as error:
        with error:
            said.append(f"{error}: {error.read()[:1000]!r}")
        return False
    except OSError as error:
        said.append(str(error))
        return False
    said.append(f"{answer[:1000]!r}")
    return not json.loads(answer)["rejected"]


def told(world: World, version: str) -> list[dict[str, Any]]:
    """Return what the collector tells the operator about a version, asked several times.

    As the operator does, by the name of the Service: for a moment after a restart, it may still
    lead to the former pod.
    """
    url = f"http://{collecting.COLLECTOR}:9090/v1/outcomes/{world.name}/{version}"
    program = f"""
import urllib.request
token = open("/etc/recommender-admin/token").readline().strip()
request = urllib.request.Request({url!r}, headers={{"Authorization": "Bearer " + token}})
for _ in range({ASKED}):
    print(urllib.request.urlopen(request).read().decode())
"""
    listed = world.cluster.kubectl(
        "-n", world.kube.namespace, "exec", f"deployment/{collecting.COLLECTOR}", "--",
        "python3", "-c", program,
    )  # fmt: skip
    return [json.loads(line) for line in listed.splitlines()]
