"""A server of asyncio for tests that are none."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager


@contextlib.contextmanager
def in_thread(serving: Callable[[], AbstractAsyncContextManager[int]]) -> Iterator[str]:
    """Run a server that yields its port, in a thread; yields its URL."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    stop, port = asyncio.Event(), [0]

    async def run() -> None:
        async with serving() as port[0]:
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    try:
        assert ready.wait(120), "the server did not start"
        yield f"http://127.0.0.1:{port[0]}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
