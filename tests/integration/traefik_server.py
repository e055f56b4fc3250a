"""A real Traefik, the Gateway of the local cluster, in front of one transformer."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.downloads import ensure_package_binaries
from tests.ports import free_port

GRPC_PATH = "/inference.GRPCInferenceService/"


@dataclass(frozen=True)
class Gateway:
    """A running Traefik; `http` is a URL and `grpc` is `host:port`, of the same port."""

    http: str
    grpc: str


@contextlib.contextmanager
def running(folder: Path, http: str, grpc: str, traces: str) -> Iterator[Gateway]:
    """Run a Gateway that routes to these addresses and sends its spans to `traces`."""
    port = free_port()
    routes = folder / "routes.yml"  # JSON is YAML
    routes.write_text(json.dumps(_routes(http, f"h2c://{grpc}")))
    config = folder / "traefik.yml"
    config.write_text(
        json.dumps(
            {
                "entryPoints": {"web": {"address": f"127.0.0.1:{port}"}},
                "providers": {"file": {"filename": str(routes)}},
                "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
                "tracing": {"otlp": {"http": {"endpoint": f"{traces}/v1/traces"}}},
            }
        )
    )
    command = [str(ensure_package_binaries()["traefik"]), f"--configFile={config}"]
    environ = {"OTEL_BSP_SCHEDULE_DELAY": "200"}
    log = folder / "traefik.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(command, stdout=out, stderr=out, env=environ) as process,
    ):
        try:
            found = Gateway(f"http://127.0.0.1:{port}", f"127.0.0.1:{port}")
            _wait(process, f"{found.http}/v2/health/live", log)
            yield found
        finally:
            process.kill()


def _routes(http: str, grpc: str) -> dict[str, object]:
    return {
        "http": {
            "routers": {
                "http": {"rule": "PathPrefix(`/`)", "service": "http", "entryPoints": ["web"]},
                "grpc": {
                    "rule": f"PathPrefix(`{GRPC_PATH}`)",
                    "service": "grpc",
                    "entryPoints": ["web"],
                },
            },
            "services": {
                name: {"loadBalancer": {"servers": [{"url": url}]}}
                for name, url in (("http", http), ("grpc", grpc))
            },
        }
    }


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        # It listens before it has read its routes, and answers 404.
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=60).close()
            return
        time.sleep(0.1)
    raise RuntimeError(f"Traefik is not ready; the end of its log:\n{log.read_text()[-2000:]}")
