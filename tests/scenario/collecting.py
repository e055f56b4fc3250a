"""The collector of the chart, for the model of the release's own namespace."""

from __future__ import annotations

import collections
import json
import signal
import subprocess
import sys
from typing import Any

from recommender_training.samples import shop
from tests.scenario import install
from tests.scenario.kube import Manifest
from tests.scenario.load import URGENT
from tests.scenario.world import World

#: The model whose events are collected. Only models of the release's namespace read the store.
MODEL = "live"
HOST = "events.recommender.local"
FOLDER = "events"  # on the claim of the raw data
COLLECTOR, WRITER, STORE = (
    f"recommender-operator-{part}" for part in ("collector", "writer", "store")
)
#: Little is kept, and nothing twice.
VALUES: dict[str, object] = {
    "enabled": True,
    "replicas": 1,
    "models": {MODEL: {"mapping": json.loads(shop.mapping()), "interactions": {"click": 1}}},
    "resources": {"requests": {"cpu": "50m", "memory": "96Mi"}},
    "writer": {
        "files": {"claimName": install.DATA_CLAIM, "subPath": FOLDER, "flushSeconds": 2},
        "resources": {"requests": {"cpu": "50m", "memory": "96Mi"}},
    },
    "store": {"resources": {"requests": {"cpu": "50m", "memory": "64Mi"}}},
}


def route(world: World) -> None:
    """Let the Gateway pass events on, as for clients outside of the cluster."""
    namespace, gateway = world.cluster.gateway
    manifest: Manifest = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "events", "namespace": world.kube.namespace},
        "spec": {
            "parentRefs": [{"name": gateway, "namespace": namespace}],
            "hostnames": [HOST],
            "rules": [
                {
                    "matches": [{"path": {"type": "Exact", "value": "/v1/events"}}],
                    "backendRefs": [{"name": COLLECTOR, "port": 80}],
                }
            ],
        },
    }
    world.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))


class Users:
    """Simulated users: the command as a person would start it."""

    def __init__(self, world: World, **flags: object) -> None:
        command = [
            *URGENT, sys.executable, "-m", "recommender_simulate", "--url", world.gateway,
            "--host", world.host, "--events", world.gateway, "--events-host", HOST,
            "--no-impressions", "--context", "device=phone,desktop", "--context",
            "page=home,search", "-o", "json",
        ]  # fmt: skip
        for name, value in flags.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    @property
    def act(self) -> bool:
        """Whether they still do."""
        return self._process.poll() is None

    def report(self, seconds: float = 600) -> dict[str, Any]:
        """Wait for the end and return the report; no request failed, no event was lost."""
        out, err = self._process.communicate(timeout=seconds)
        assert self._process.returncode == 0, (out + err)[-2000:]
        found: dict[str, Any] = json.loads(out)
        return found

    def end(self) -> dict[str, Any]:
        """Let them go home, and return the report."""
        self._process.send_signal(signal.SIGINT)
        return self.report(60)

    def stop(self) -> None:
        """Kill the process if it still runs."""
        if self.act:
            self._process.kill()
        self._process.communicate()


def archived(world: World, users: str) -> collections.Counter[str]:
    """Return the events of users with a prefix, by kind, in the files; no id is there twice."""
    listed = world.cluster.kubectl(
        "-n", world.kube.namespace, "exec", install.LOADER, "--", "sh", "-c",
        f"cat /data/{FOLDER}/{MODEL}/0*/events.jsonl 2>/dev/null || true",
    )  # fmt: skip
    events = [json.loads(line) for line in listed.splitlines()]
    ids = collections.Counter(event["id"] for event in events)
    assert not ids or max(ids.values()) == 1, ids.most_common(3)
    return collections.Counter(
        event["kind"] for event in events if event["user"].startswith(users)
    )


def kill(world: World, part: str) -> None:
    """Kill the pods of a part of the collector without notice."""
    world.cluster.kubectl(
        "-n", world.kube.namespace, "delete", "pod", "--grace-period=0", "--force",
        "-l", f"app.kubernetes.io/name=recommender-collector,app.kubernetes.io/component={part}",
    )  # fmt: skip


def until_ready(world: World) -> None:
    """Wait until every part of the collector is ready."""
    for kind, name in (("deployment", COLLECTOR), ("deployment", WRITER), ("statefulset", STORE)):
        world.cluster.kubectl(
            "-n", world.kube.namespace, "rollout", "status", f"{kind}/{name}", "--timeout=180s"
        )
