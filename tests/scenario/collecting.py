"""The collector of the chart, for models of the release's own namespace."""

from __future__ import annotations

import collections
import json
import shlex
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from recommender_examples import shop
from tests.cluster.errors import ClusterError
from tests.scenario import install
from tests.scenario.kube import Manifest
from tests.scenario.load import URGENT
from tests.scenario.world import World

#: The model of the end-to-end tests. Only models of the release's namespace read the store.
MODEL = "live"
HOST = "events.recommender.local"
ROUTE = "events"
FOLDER = "events"  # on the claim of the raw data
COLLECTOR, WRITER, STORE = (
    f"recommender-operator-{part}" for part in ("collector", "writer", "store")
)
#: The simulator waits 10 s for the last answers, and then a minute for the collector.
PATIENCE_SECONDS = 90.0
Values = dict[str, object]


def values(models: Values) -> Values:
    """Return the chart's values of the collector of these models: little is kept."""
    return {
        "enabled": True,
        "replicas": 1,
        "models": models,
        "resources": {"requests": {"cpu": "50m", "memory": "96Mi"}},
        "writer": {
            "files": {
                "claimName": install.DATA_CLAIM,
                "subPath": FOLDER,
                "flushSeconds": 2,
                "fsGroup": True,  # the claim is the demo's own
            },
            "resources": {"requests": {"cpu": "50m", "memory": "96Mi"}},
        },
        "store": {"resources": {"requests": {"cpu": "50m", "memory": "64Mi"}}},
    }


VALUES = values({MODEL: {"mapping": json.loads(shop.mapping()), "interactions": {"click": 1}}})


def route(world: World) -> None:
    """Let the Gateway pass events on, as for clients outside of the cluster."""
    namespace, gateway = world.cluster.gateway
    manifest: Manifest = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": ROUTE, "namespace": world.kube.namespace},
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


def until_routed(world: World, seconds: float = 180) -> None:
    """Wait until the Gateway passes events on: the collector alone refuses an empty list.

    Until then it answers itself, and a client gives up after a 404.
    """

    def passed_on() -> bool:
        request = urllib.request.Request(
            f"{world.gateway}/v1/events",
            data=b"[]",
            headers={"Host": HOST, "Content-Type": "application/json"},
        )
        try:
            urllib.request.urlopen(request, timeout=15).close()
        except urllib.error.HTTPError as error:
            with error:
                return error.code == HTTPStatus.BAD_REQUEST
        except OSError:
            return False
        return False

    world.until(f"the collector at the Gateway, as {HOST}", passed_on, seconds)


def flags(given: Mapping[str, object]) -> list[str]:
    """Return the words of flags; one with several values is repeated."""
    return [
        word
        for name, value in given.items()
        for each in (value if isinstance(value, tuple) else (value,))
        for word in (f"--{name.replace('_', '-')}", str(each))
    ]


class Simulated:
    """Simulated users who send events: the command as a person would start it."""

    def __init__(self, world: World, *words: str, **given: object) -> None:
        command = [
            *URGENT, sys.executable, "-m", "recommender_simulate", *words,
            "--events", world.gateway, "--events-host", HOST, "-o", "json", *flags(given),
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    @property
    def act(self) -> bool:
        """Whether they still do."""
        return self._process.poll() is None

    def report(self, seconds: float = 600) -> dict[str, Any]:
        """Wait for the end and return the report; no request failed, no event was lost."""
        return self._reported(seconds, codes=(0,))

    def figures(self, seconds: float) -> dict[str, Any]:
        """Wait for the end and return the report, also if requests failed or events were lost."""
        return self._reported(seconds, codes=(0, 1))

    def go_home(self) -> None:
        """Let them end what they do, as a person who interrupts the command."""
        self._process.send_signal(signal.SIGINT)

    def end(self) -> dict[str, Any]:
        """Let them go home, and return the report."""
        self.go_home()
        return self.report(PATIENCE_SECONDS)

    def _reported(self, seconds: float, codes: Sequence[int]) -> dict[str, Any]:
        try:
            out, err = self._process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"waited {seconds:.0f} s for the simulated users to end") from None
        # An error of the command itself may end with 1 too, but has no report.
        assert out.strip(), err[-2000:]
        assert self._process.returncode in codes, (out + err)[-2000:]
        found: dict[str, Any] = json.loads(out)
        return found

    def stop(self) -> None:
        """Kill the process if it still runs."""
        if self.act:
            self._process.kill()
        self._process.communicate()


class Users(Simulated):
    """Simulated users of the shop, whose model reports its impressions itself."""

    def __init__(self, world: World, **flags: object) -> None:
        super().__init__(
            world, "--url", world.gateway, "--host", world.host, "--no-impressions",
            "--context", "device=phone,desktop", "--context", "page=home,search", **flags,
        )  # fmt: skip


def archived(world: World, users: str) -> collections.Counter[str]:
    """Return the events of users with a prefix, by kind, in the files; no id is there twice."""
    listed = world.cluster.kubectl(
        "-n", world.kube.namespace, "exec", install.LOADER, "--", "sh", "-c",
        f"cat /data/{FOLDER}/{world.name}/0*/events.jsonl 2>/dev/null || true",
    )  # fmt: skip
    events = [json.loads(line) for line in listed.splitlines()]
    ids = collections.Counter(event["id"] for event in events)
    assert not ids or max(ids.values()) == 1, ids.most_common(3)
    return collections.Counter(
        event["kind"] for event in events if event["user"].startswith(users)
    )


def written(world: World, *texts: str) -> int:
    """Return the number of events in the files whose lines have all these texts."""
    return int(_lines(world, texts, "wc -l"))


def events(world: World, *texts: str) -> list[dict[str, Any]]:
    """Return these events."""
    return [json.loads(line) for line in _lines(world, texts, "cat").splitlines()]


def _lines(world: World, texts: Sequence[str], last: str) -> str:
    having = "".join(f" | grep -F {shlex.quote(text)}" for text in texts)
    return world.cluster.kubectl(
        "-n", world.kube.namespace, "exec", install.LOADER, "--", "sh", "-c",
        f"cat /data/{FOLDER}/{world.name}/0*/events.jsonl 2>/dev/null{having} | {last}",
    )  # fmt: skip


def forget(world: World, prefix: str) -> None:
    """Remove the files of other models with a prefix, which no writer knows any more."""
    world.cluster.kubectl(
        "-n", world.kube.namespace, "exec", install.LOADER, "--", "sh", "-c",
        f"find /data/{FOLDER} -maxdepth 1 -name '{prefix}*' ! -name {world.name} "
        "-exec rm -rf {} + 2>/dev/null || true",
    )  # fmt: skip


def last_words(world: World) -> str:
    """Return the ends of the logs of all parts, for the message of a failure."""
    texts = []
    for part in (f"deployment/{COLLECTOR}", f"deployment/{WRITER}", f"statefulset/{STORE}"):
        try:
            said = world.cluster.kubectl(
                "-n", world.kube.namespace, "logs", part, "--tail=20", timeout=60
            )
        except ClusterError as error:  # part of the message
            said = str(error)
        texts.append(f"{part}:\n{said}")
    return "\n".join(texts)


def kill(world: World, part: str) -> None:
    """Kill the pods of a part of the collector without notice."""
    world.cluster.kubectl(
        "-n", world.kube.namespace, "delete", "pod", "--grace-period=0", "--force",
        "-l", labels(part),
    )  # fmt: skip


def pods(world: World, part: str) -> set[str]:
    """Return the uids of the pods of a part of the collector: the store's keep their names."""
    listed = world.cluster.kubectl(
        "-n", world.kube.namespace, "get", "pods", "-l", labels(part),
        "-o", "jsonpath={.items[*].metadata.uid}",
    )  # fmt: skip
    return set(listed.split())


def labels(part: str) -> str:
    """Return the selector of the pods of a part of the collector."""
    return f"app.kubernetes.io/name=recommender-collector,app.kubernetes.io/component={part}"


def until_ready(world: World) -> None:
    """Wait until every part of the collector is ready."""
    for kind, name in (("deployment", COLLECTOR), ("deployment", WRITER), ("statefulset", STORE)):
        world.cluster.kubectl(
            "-n", world.kube.namespace, "rollout", "status", f"{kind}/{name}", "--timeout=180s"
        )
