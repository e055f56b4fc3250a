"""A real Prometheus with the requests in flight of transformers, as a test sets them."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from recommender_operator.resources.autoscaling import IN_FLIGHT
from tests.integration import prometheus_server


class Requests:
    """The transformers' metrics pages, and the server that scrapes them."""

    def __init__(self) -> None:
        self.server = ""
        self._lines: dict[tuple[str, str], int] = {}

    def put(self, namespace: str, version: str, number: int) -> None:
        """Let the transformers of a version have this number of requests in flight together."""
        self._lines[namespace, version] = number

    def lose(self, namespace: str, version: str) -> None:
        """Let nobody know how many they have."""
        self._lines.pop((namespace, version), None)

    def page(self) -> str:
        series = (
            f'{IN_FLIGHT}{{namespace="{namespace}",version="{version}"}} {number}\n'
            for (namespace, version), number in sorted(self._lines.items())
        )
        return "".join(series)


def _handler(requests: Requests) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(requests.page().encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Tests read no log of it."""

    return Handler


@contextlib.contextmanager
def scraped(folder: pathlib.Path) -> Iterator[Requests]:
    """Run the pages and the Prometheus that scrapes them each second."""
    requests = Requests()
    pages = ThreadingHTTPServer(("127.0.0.1", 0), _handler(requests))
    thread = Thread(target=pages.serve_forever, daemon=True)
    thread.start()
    target = f"127.0.0.1:{pages.server_port}"
    # As with the chart's PodMonitor, the namespace is the pod's and not the scraper's.
    job: dict[str, object] = {
        "job_name": "transformers", "honor_labels": True,
        "static_configs": [{"targets": [target]}],
    }  # fmt: skip
    try:
        with prometheus_server.running(folder, [job]) as requests.server:
            yield requests
    finally:
        pages.shutdown()
        pages.server_close()
        thread.join()
