"""Which ports pods of the cluster reach, by connections from inside of them."""

from __future__ import annotations

import json
import socket
from collections.abc import Collection, Mapping
from typing import Any

from tests.cluster.api import Cluster
from tests.scenario import install
from tests.scenario.kube import Manifest

#: A plugin may refuse a connection or drop its packets.
SECONDS = 5
Target = tuple[str, int]
_PROGRAM = """
import concurrent.futures, json, socket, sys
def reached(target):
    try:
        socket.create_connection(tuple(target), timeout=%d).close()
        return True
    except OSError:
        return False
targets = json.loads(sys.argv[1])
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    print(json.dumps(list(pool.map(reached, targets))))
"""


def from_pod(
    cluster: Cluster, namespace: str, pod: str, targets: Mapping[str, Target], container: str = ""
) -> set[str]:
    """Return the names of the targets that accept a connection of a pod, which has Python."""
    printed = cluster.kubectl(
        "-n", namespace, "exec", pod, *(["-c", container] if container else []), "--",
        "python3", "-c", _PROGRAM % SECONDS, json.dumps([list(one) for one in targets.values()]),
    )  # fmt: skip
    return {name for name, reached in zip(targets, json.loads(printed), strict=True) if reached}


def from_here(targets: Mapping[str, Target], among: Collection[str]) -> set[str]:
    """Return the names of those targets that accept a connection of the node."""
    found = set()
    for name in among:
        try:
            socket.create_connection(targets[name], timeout=SECONDS).close()
        except OSError:
            continue
        found.add(name)
    return found


def stranger(namespace: str, name: str, image: str, labels: dict[str, str]) -> Manifest:
    """Return a pod that sleeps, with the labels of another one."""
    pod: dict[str, Any] = install.sleeper(namespace, name, image)
    pod["metadata"]["labels"] = labels
    return pod
