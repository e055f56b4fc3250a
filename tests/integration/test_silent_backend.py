"""A pod that accepts requests and answers none, behind the Gateway as docs/serving.md sets it."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import gateway
from tests.cluster.downloads import ensure_package_binaries
from tests.ports import free_port

pytestmark = pytest.mark.integration
REQUESTS = 12
#: Shorter than the cluster's, which must bear the trainings beside it.
SILENCE = "500ms"


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers with the body of the request."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""


@contextlib.contextmanager
def answering() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """Accept connections, as the kernel does for a stopped process."""
    with socket.create_server(("127.0.0.1", 0), backlog=REQUESTS * 20) as listener:
        yield int(listener.getsockname()[1])


@contextlib.contextmanager
def traefik(folder: Path, *backends: int) -> Iterator[str]:
    """Run Traefik with the cluster's middleware; `backends` are ports of one service."""
    servers = [{"url": f"http://127.0.0.1:{port}"} for port in backends]
    routers = {"all": {"rule": "PathPrefix(`/`)", "service": "all"}}
    routes = {"routers": routers, "services": {"all": {"loadBalancer": {"servers": servers}}}}
    provided = folder / "provided"
    provided.mkdir()
    (provided / "routes.yml").write_text(json.dumps({"http": routes}))  # JSON is YAML
    (provided / "retry.yml").write_text(gateway.RETRY)
    port = free_port()
    command = [
        str(ensure_package_binaries()["traefik"]),
        f"--entrypoints.web.address=127.0.0.1:{port}",
        f"--providers.file.directory={provided}",
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
        *gateway.patience(SILENCE),
    ]
    log = folder / "traefik.log"
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            yield f"http://127.0.0.1:{port}/v1/models/recommender:predict"
        finally:
            process.kill()


def asked(url: str, body: bytes) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, body), timeout=60) as response:
        found: bytes = response.read()
        return found


def until_routed(url: str) -> None:
    """Wait until Traefik has read its routes."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            asked(url, b"first")
            return
        time.sleep(0.1)
    raise TimeoutError(f"no answer from {url}")


def test_a_request_that_one_pod_does_not_answer_is_answered_by_the_other(tmp_path: Path) -> None:
    with silent() as dead, answering() as alive, traefik(tmp_path, dead, alive) as url:
        until_routed(url)
        bodies = [f"request {number}".encode() for number in range(REQUESTS)]
        assert [asked(url, body) for body in bodies] == bodies
