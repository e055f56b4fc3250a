"""A proxy before the API server that can have an outage: silent, refusing, or with errors."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import enum
import pathlib
import socket
import ssl
from typing import Any

import yaml

UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Outage(enum.Enum):
    #: Nothing arrives, as with a lost network.
    SILENT = enum.auto()
    #: No process listens, as while the API server restarts.
    REFUSED = enum.auto()
    #: Each request is answered with 503, as by a load balancer without a server.
    ERRORS = enum.auto()


class Proxy:
    """Plain HTTP on one side, TLS with the administrator's certificate on the other."""

    def __init__(self, kubeconfig: pathlib.Path, folder: pathlib.Path) -> None:
        """`folder` is for temporary files."""
        self._config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        self._folder = folder
        (cluster,) = (entry["cluster"] for entry in self._config["clusters"])
        self._upstream = int(cluster["server"].rsplit(":", 1)[1])
        self._tls = _context(self._config, folder)
        self._flows = asyncio.Event()
        self._flows.set()
        self._outage: Outage | None = None
        self._server: asyncio.Server | None = None
        #: Holds the port during an outage, or another process may get it: a socket that does not
        #: listen refuses connections.
        self._held: socket.socket | None = None
        self._port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Proxy:
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        if self._held is not None:
            self._held.close()
        await self._drop()

    def config(self) -> pathlib.Path:
        """Return a kubeconfig whose server is the proxy."""
        for entry in self._config["clusters"]:
            entry["cluster"]["server"] = f"http://127.0.0.1:{self._port}"
        path = self._folder / "proxied.kubeconfig"
        path.write_text(yaml.safe_dump(self._config), encoding="utf-8")
        return path

    async def cut(self, outage: Outage) -> None:
        """Begin an outage."""
        self._outage = outage
        if outage is Outage.SILENT:
            self._flows.clear()
            return
        if outage is Outage.REFUSED and self._server is not None:
            self._held = self._bound()
            self._server.close()
            self._server = None
        await self._drop()

    async def mend(self) -> None:
        """End the outage."""
        self._outage = None
        self._flows.set()
        if self._server is None:
            await self._listen()

    async def _listen(self) -> None:
        bound, self._held = self._held or self._bound(), None
        self._port = int(bound.getsockname()[1])
        self._server = await asyncio.start_server(self._serve, sock=bound)

    def _bound(self) -> socket.socket:
        """Return a socket with the port of the proxy, also while another one listens."""
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(("127.0.0.1", self._port))
        return made

    async def _drop(self) -> None:
        """End all connections."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, down: asyncio.StreamReader, up: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        # Outages and the end of the test end the connections; that is not an error.
        with contextlib.suppress(OSError, asyncio.CancelledError, asyncio.IncompleteReadError):
            if self._outage is Outage.ERRORS:
                await down.readuntil(b"\r\n\r\n")
                up.write(UNAVAILABLE)
                await up.drain()
            else:
                await self._forward(down, up)
        up.close()
        self._tasks.discard(task)

    async def _forward(self, down: asyncio.StreamReader, up: asyncio.StreamWriter) -> None:
        await self._flows.wait()
        reader, writer = await asyncio.open_connection("127.0.0.1", self._upstream, ssl=self._tls)
        try:
            await asyncio.gather(self._pump(down, writer), self._pump(reader, up))
        finally:
            writer.close()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            await self._flows.wait()
            target.write(data)
            await target.drain()
        target.close()


def _context(config: dict[str, Any], folder: pathlib.Path) -> ssl.SSLContext:
    """Return the TLS settings of a kubeconfig with an embedded client certificate."""
    (cluster,) = (entry["cluster"] for entry in config["clusters"])
    (user,) = (entry["user"] for entry in config["users"])
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    # The certificate may name the server otherwise than this connection.
    context.check_hostname = False
    files = {kind: folder / f"proxy-client.{kind}" for kind in ("certificate", "key")}
    for kind, file in files.items():
        file.write_bytes(base64.b64decode(user[f"client-{kind}-data"]))
    context.load_cert_chain(files["certificate"], files["key"])
    return context
