"""A connection of the operator to the API server that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib

import yaml

from tests.integration import operator_api_rig as rig


class Proxy:
    """A connection to the API server that can be cut silently, like a lost network."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._flows = asyncio.Event()
        self._flows.set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def cut(self) -> None:
        self._flows.clear()

    def mend(self) -> None:
        self._flows.set()

    async def _serve(self, down: asyncio.StreamReader, up: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        # The end of the test ends the connections; that is not an error.
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self._flows.wait()
            reader, writer = await asyncio.open_connection("127.0.0.1", self._upstream)
            try:
                await asyncio.gather(self._pump(down, writer), self._pump(reader, up))
            finally:
                writer.close()
        up.close()
        self._tasks.discard(task)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            await self._flows.wait()
            target.write(data)
            await target.drain()
        target.close()


def config_through(proxy: Proxy, folder: pathlib.Path) -> pathlib.Path:
    config = yaml.safe_load(rig.kubeconfig().read_text(encoding="utf-8"))
    for cluster in config["clusters"]:
        cluster["cluster"]["server"] = f"https://127.0.0.1:{proxy.port}"
    path = folder / "proxied.kubeconfig"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path
