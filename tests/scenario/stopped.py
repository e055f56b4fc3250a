"""Parts that stop and go on: their processes accept connections, and answer nothing meanwhile.

So does a node without CPU or with a slow disk, or a process in a deadlock. Nothing is restarted
before its liveness probe fails, and requests wait until somebody gives up on them.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import time
from collections.abc import Iterator, Sequence
from typing import Any

from tests.scenario import collecting, faults, install
from tests.scenario.world import World

#: Time for which processes are stopped.
SECONDS = 20.0
#: Time after which the load gives up on a request.
PATIENCE = 15.0


def processes(container_id: str) -> list[int]:
    """Return the ids of all processes of a container, on this machine."""
    container, found = container_id.rpartition("/")[2], []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if container in (folder / "cgroup").read_text(encoding="utf-8"):
                found.append(int(folder.name))
    return found


@contextlib.contextmanager
def stopped(ids: Sequence[int]) -> Iterator[None]:
    """Stop processes; let those that still exist go on at the end."""
    assert ids, "no process to stop"
    try:
        for process in ids:
            os.kill(process, signal.SIGSTOP)
        yield
    finally:
        for process in ids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)


def stop(world: World, pods: Sequence[Any], container: str = "") -> None:
    """Stop a container of pods, or all of their containers, for `SECONDS`."""
    ids = [
        process
        for pod in pods
        for one in pod.status.container_statuses or []
        if container in ("", one.name)
        for process in processes(one.container_id)
    ]
    with stopped(ids):
        _let_pass(world, "the time of the stop", SECONDS)
    _let_pass(world, "an answer, or none, to each request of the stop", PATIENCE)


def stop_part(world: World, part: str) -> None:
    """Stop the pods of a part of the collector."""
    stop(world, _labelled(world, world.kube.namespace, collecting.labels(part)))
    collecting.until_ready(world)


def stop_operator(world: World) -> None:
    """Stop every pod of the operator: another process may not take the Lease over."""
    name = "app.kubernetes.io/name=recommender-operator"
    with faults.alone_with_operator():
        stop(world, _labelled(world, install.SYSTEM_NAMESPACE, name))
        faults.until_operator_is_ready(world.cluster)


def _labelled(world: World, namespace: str, selector: str) -> list[Any]:
    listed = world.kube.core.list_namespaced_pod(namespace, label_selector=selector)
    return [pod for pod in listed.items if pod.status.phase == "Running"]


def _let_pass(world: World, what: str, seconds: float) -> None:
    """Let the load go on for some seconds: what a stop does to it depends on how long it is."""
    end = time.monotonic() + seconds
    world.until(what, lambda: time.monotonic() >= end, 10 * seconds)
