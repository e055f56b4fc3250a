"""Connections of requests that are cancelled, to a server that does not answer any more."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from pathlib import Path

from kubernetes.aio import client as official

from recommender_operator.controller.transport import Transport
from tests.cluster.pki import Authority

HOST = "127.0.0.1"
#: Less than the 30 s in which TLS waits for the other side.
SECONDS = 15.0


class SilentServer:
    """Reads one request over TLS; then it neither answers nor ends the connection."""

    def __init__(self, folder: Path) -> None:
        authority = Authority(folder)
        authority.prepare()
        self.authority = authority.certificate
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*authority.issue("server", "server", hosts=[HOST]))
        self._context = context
        self._listening = socket.create_server((HOST, 0))
        self.port = int(self._listening.getsockname()[1])
        self.asked, self.ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        accepted, _ = self._listening.accept()
        secure = self._context.wrap_socket(accepted, server_side=True)
        secure.recv(65536)
        self.asked.set()
        # From here on bytes, not TLS: what the client says at the end is not answered.
        with socket.socket(fileno=secure.detach()) as raw:
            raw.settimeout(SECONDS)
            try:
                while raw.recv(65536):
                    pass
            except ConnectionError:
                pass
            except TimeoutError:
                return
        self.ended.set()

    def stop(self) -> None:
        self._listening.close()
        self._thread.join()


async def test_a_cancelled_request_leaves_no_connection_behind_after_close(
    tmp_path: Path,
) -> None:
    server = SilentServer(tmp_path)

    async def log_in() -> official.Configuration:
        configuration = official.Configuration(host=f"https://{HOST}:{server.port}")
        configuration.ssl_ca_cert = str(server.authority)
        return configuration

    transport = Transport(log_in, concurrency=1, timeout=60)
    request = asyncio.create_task(transport.request("GET", "/version"))
    assert await asyncio.to_thread(server.asked.wait, SECONDS)
    request.cancel()
    await asyncio.wait([request])
    await transport.close()
    await asyncio.to_thread(server.stop)
    assert server.ended.is_set()
