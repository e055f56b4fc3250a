"""Plays metrics-server: every pod uses the same CPU. A real one would have to ask kubelets."""

from __future__ import annotations

import contextlib
import datetime
import json
import ssl
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from tests.cluster import keda, objects
from tests.cluster.pki import Authority
from tests.cluster.settings import Layout
from tests.integration import operator_api_rig as rig
from tests.keda.players import CONTAINER

Json = dict[str, Any]
GROUP, VERSION = "metrics.k8s.io", "v1beta1"
NAME = "metrics-server"
#: CPU that each pod uses; players.CPU_REQUEST is what it requests.
CPU = "20m"


def _pod(pod: Json) -> Json:
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    usage = {"cpu": CPU, "memory": "64Mi"}
    return {
        "metadata": {key: pod["metadata"][key] for key in ("name", "namespace")},
        "timestamp": now,
        "window": "10s",
        "containers": [{"name": CONTAINER, "usage": usage}],
    }


def _resources() -> Json:
    pods = {
        "name": "pods", "singularName": "", "namespaced": True, "kind": "PodMetrics",
        "verbs": ["get", "list"],
    }  # fmt: skip
    version = f"{GROUP}/{VERSION}"
    return {
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version,
        "resources": [pods],
    }  # fmt: skip


def _context(layout: Layout) -> ssl.SSLContext:
    authority = Authority(layout.pki)
    context = ssl.create_default_context(cafile=str(authority.certificate))
    context.load_cert_chain(*authority.issue("admin", "admin", "system:masters"))
    return context


def _handler(layout: Layout) -> type[BaseHTTPRequestHandler]:
    context = _context(layout)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urllib.parse.urlsplit(self.path)
            if not parts.path.endswith("/pods"):
                self._send(_resources())
                return
            namespace = parts.path.split("/")[-2]
            selector = urllib.parse.parse_qs(parts.query).get("labelSelector", [""])[0]
            query = urllib.parse.urlencode({"labelSelector": selector})
            url = f"{layout.api_url}/api/v1/namespaces/{namespace}/pods?{query}"
            with urllib.request.urlopen(url, timeout=10, context=context) as answer:
                pods = json.load(answer)["items"]
            running = [pod for pod in pods if pod["status"].get("phase") == "Running"]
            kind = {"kind": "PodMetricsList", "apiVersion": f"{GROUP}/{VERSION}"}
            self._send({**kind, "metadata": {}, "items": [_pod(pod) for pod in running]})

        def _send(self, body: Json) -> None:
            text = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:
            """Tests read no log of it."""

    return Handler


@contextlib.contextmanager
def served(layout: Layout) -> Iterator[None]:
    """Serve the API of metrics through the API server."""
    authority = Authority(layout.pki)
    host = keda.host_of(NAME)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue(NAME, NAME, hosts=("localhost", host)))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(layout))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        api = {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": f"{VERSION}.{GROUP}"},
            "spec": {
                "group": GROUP, "version": VERSION,
                "groupPriorityMinimum": 100, "versionPriority": 100,
            },
        }  # fmt: skip
        certificate = authority.certificate.read_bytes()
        manifests = keda.aggregated(api, NAME, server.server_port, certificate)
        rig.kubectl("apply", "--server-side", "-f", "-", stdin=objects.dump(manifests))
        rig.kubectl(
            "wait", "--for=condition=Available", f"apiservice/{VERSION}.{GROUP}",
            "--timeout=60s",
        )  # fmt: skip
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
