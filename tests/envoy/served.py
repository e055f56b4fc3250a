"""A model's route at a real Envoy, and two servers in the place of its transformers."""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from recommender_operator.resources import http_route
from recommender_operator.resources.options import Options
from tests.envoy import envoy_rig
from tests.ports import free_ports
from tests.unit.recommender_operator.resources.builder_inputs import model

Manifest = dict[str, Any]
ROOT = pathlib.Path(__file__).resolve().parents[2]
INTEGRATIONS = ROOT / "manifests" / "integrations"
HOST = "movies.example"
NAMES = ("a", "b")
#: Seconds that a client waits: far above the timeouts of the manifests.
PATIENCE = 30.0


@dataclass(frozen=True)
class Served:
    """A running Gateway, and the processes of the two servers by name."""

    url: str
    processes: Mapping[str, subprocess.Popen[bytes]]
    ports: Mapping[str, int]

    def ask(self, **headers: str) -> Manifest:
        """Send a request through the Gateway; return what the server got.

        Raises:
            urllib.error.HTTPError: another status than 200.
            TimeoutError: no answer within `PATIENCE`.
        """
        return _post(f"{self.url}/v1/models/recommender:predict", {"Host": HOST, **headers})

    def count(self, name: str) -> int:
        """Return how many requests a server got."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name]}/count", timeout=60) as f:
            return int(json.load(f)["count"])


def documents(path: str) -> list[Manifest]:
    """Return the objects of a manifest that users get, for the route of the rig.

    Labels are not read from files, so that the route has to be named instead of selected.
    """
    found = list(yaml.safe_load_all((INTEGRATIONS / path).read_text(encoding="utf-8")))
    metadata = route()["metadata"]
    for each in found:
        if each["metadata"]["namespace"] != envoy_rig.NAMESPACE:
            each["metadata"]["namespace"] = metadata["namespace"]
        for selected in each["spec"].pop("targetSelectors", ()):
            named = {key: selected[key] for key in ("group", "kind")} | {"name": metadata["name"]}
            each["spec"].setdefault("targetRefs", []).append(named)
    return found


def route() -> Manifest:
    """Return the route that the operator writes."""
    options = Options(training_image="", serving_image="")
    return http_route.http_route(model(), {"movies-0123abcd": 100}, options, HOST)


@contextlib.contextmanager
def serving(folder: pathlib.Path, policies: Sequence[Manifest]) -> Iterator[Served]:
    """Serve a model by two servers behind a Gateway with policies."""
    ports = dict(zip(NAMES, free_ports(2), strict=True))
    with contextlib.ExitStack() as stack:
        processes = {name: _started(stack, port, name) for name, port in ports.items()}
        found = stack.enter_context(
            envoy_rig.running(folder, [*_routed(list(ports.values())), *policies])
        )
        served = Served(found, processes, ports)
        _until_routed(served)
        yield served


def _started(stack: contextlib.ExitStack, port: int, name: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.envoy.backend", str(port), name]
    process = stack.enter_context(subprocess.Popen(command, cwd=ROOT))
    stack.callback(process.kill)
    return process


def _routed(ports: Sequence[int]) -> list[Manifest]:
    """Return the operator's route to both servers: without a cluster there is no Service."""
    routed = route()
    metadata = {"name": "servers", "namespace": routed["metadata"]["namespace"]}
    for rule in routed["spec"]["rules"]:
        rule["backendRefs"] = [
            {"group": envoy_rig.GROUP, "kind": "Backend", "name": metadata["name"]}
        ]
    endpoints = [{"ip": {"address": "127.0.0.1", "port": port}} for port in ports]
    backend = {
        "apiVersion": f"{envoy_rig.GROUP}/v1alpha1",
        "kind": "Backend",
        "metadata": metadata,
        "spec": {"endpoints": endpoints},
    }
    return [routed, backend]


def _until_routed(served: Served) -> None:
    """Wait until the Gateway knows the host: it answers 404 before that."""
    deadline = time.monotonic() + envoy_rig.READY_SECONDS
    while time.monotonic() < deadline:
        try:
            served.ask()
        except urllib.error.HTTPError as error:
            if error.code == 401:
                return
        else:
            return
        time.sleep(0.1)
    raise AssertionError("the Gateway does not route the model's host")


def _post(url: str, headers: Mapping[str, str]) -> Manifest:
    request = urllib.request.Request(url, b"{}", dict(headers), method="POST")
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        found: Manifest = json.load(answer)
        return found
