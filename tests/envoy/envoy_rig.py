"""Envoy Gateway as a process, with Envoy as its child, from files of objects: no cluster."""

from __future__ import annotations

import contextlib
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import binaries, locks, versions
from tests.cluster.groups import ENVOY
from tests.ports import free_port

Manifest = dict[str, Any]
GROUP, PROXY = "gateway.envoyproxy.io", "EnvoyProxy"
CLASS = "envoy"
NAMESPACE = "recommender-gateway"
NAME = "recommender-gateway"
READY_SECONDS = 60.0


@contextlib.contextmanager
def running(folder: Path, manifests: Sequence[Manifest]) -> Iterator[str]:
    """Run a Gateway with routes and policies; return its base URL when it answers."""
    port = free_port()
    objects = folder / "objects"
    objects.mkdir()
    (objects / "all.yaml").write_text(yaml.safe_dump_all([*_gateway(port), *manifests]))
    config = folder / "envoy-gateway.yaml"
    config.write_text(yaml.safe_dump(_configuration(folder, objects)))
    built = binaries.ensure((ENVOY,))
    program = str(built.path("envoy-gateway"))
    installed = folder / "data" / "envoy-versions" / versions.ENVOY / "bin"
    installed.mkdir(parents=True)
    (installed / "envoy").symlink_to(built.path("envoy"))
    subprocess.run(
        [program, "certgen", "--local", "--config-home", str(folder / "config")],
        check=True,
        capture_output=True,
    )
    log = folder / "envoy-gateway.log"
    # The port between the two processes is fixed.
    with (
        locks.cache_held("envoy", "another Envoy Gateway on this machine"),
        log.open("wb") as out,
        subprocess.Popen(
            [program, "server", "--config-path", str(config)],
            stdout=out, stderr=out, env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
        ) as process,
    ):  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(process, url, log)
            yield url
        finally:
            process.terminate()


def _configuration(folder: Path, objects: Path) -> Manifest:
    homes = {"configHome": "config", "dataHome": "data", "stateHome": "state", "runtimeDir": "run"}
    return {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "EnvoyGateway",
        "gateway": {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"},
        "provider": {
            "type": "Custom",
            "custom": {
                "resource": {"type": "File", "file": {"paths": [str(objects)]}},
                "infrastructure": {
                    "type": "Host",
                    "host": {key: str(folder / name) for key, name in homes.items()},
                },
            },
        },
        "extensionApis": {"enableBackend": True},
    }


def _gateway(port: int) -> list[Manifest]:
    group = "gateway.networking.k8s.io"
    provider = {"type": "Host", "host": {"envoyVersion": versions.ENVOY}}
    return [
        {
            "apiVersion": f"{GROUP}/v1alpha1",
            "kind": PROXY,
            "metadata": {"name": NAME, "namespace": NAMESPACE},
            "spec": {"concurrency": 1, "provider": provider},
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "GatewayClass",
            "metadata": {"name": CLASS},
            "spec": {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"},
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "Gateway",
            "metadata": {"name": NAME, "namespace": NAMESPACE},
            "spec": {
                "gatewayClassName": CLASS,
                "infrastructure": {"parametersRef": {"group": GROUP, "kind": PROXY, "name": NAME}},
                "listeners": [
                    {
                        "name": "http",
                        "protocol": "HTTP",
                        "port": port,
                        "allowedRoutes": {"namespaces": {"from": "All"}},
                    }
                ],
            },
        },
    ]


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=10).close()
        except urllib.error.HTTPError:
            return  # it listens, and knows no such host
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(
        f"Envoy Gateway is not ready; the end of its log:\n{log.read_text()[-4000:]}"
    )
