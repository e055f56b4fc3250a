"""The served transformers, as Prometheus asks for what to scrape.

The binary of the tests has no discovery of Kubernetes: it was built without it.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from recommender_operator.resources import labels
from recommender_operator.resources.serving_containers import HTTP_PORT
from tests.cluster import api

SELECTOR = f"{labels.COMPONENT}={labels.Component.TRANSFORMER}"


def targets(pods: str) -> list[dict[str, Any]]:
    """Return the targets of pods, from their list; as with the PodMonitor, with the namespace."""
    return [
        {
            "targets": [f"{pod['status']['podIP']}:{HTTP_PORT}"],
            "labels": {
                "namespace": pod["metadata"]["namespace"], "pod": pod["metadata"]["name"]
            },
        }
        for pod in json.loads(pods)["items"]
        if pod["status"].get("podIP") and pod["status"]["phase"] == "Running"
    ]  # fmt: skip


def _handler(kubeconfig: pathlib.Path) -> type[BaseHTTPRequestHandler]:
    kubectl = api.kubectl_for(kubeconfig)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = targets(kubectl("get", "pods", "-A", "-l", SELECTOR, "-o", "json"))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Tests read no log of it."""

    return Handler


@contextlib.contextmanager
def listed(kubeconfig: pathlib.Path) -> Iterator[dict[str, object]]:
    """Answer which transformers there are; yields the job of Prometheus that scrapes them."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(kubeconfig))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    discovery = {"url": f"http://127.0.0.1:{server.server_port}", "refresh_interval": "5s"}
    try:
        yield {"job_name": "transformers", "http_sd_configs": [discovery]}
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
