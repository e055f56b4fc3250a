"""Waits that do not hold up the end of a process."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until `stop` is set."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


async def in_daemon(call: Callable[[], Result]) -> Result:
    """Run a call in a thread of its own, and return its result.

    The end of an event loop and of the process joins the threads of `asyncio.to_thread`, so one
    that hangs, such as in the resolution of a name, would hold up the shutdown.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def settle(settled: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed, so nobody waits
            loop.call_soon_threadsafe(lambda: None if future.done() else settled())

    def run() -> None:
        try:
            result = call()
        except Exception as error:
            # In a variable of its own, because the name of an except clause ends with it.
            failure = error
            settle(lambda: future.set_exception(failure))
        else:
            settle(lambda: future.set_result(result))

    threading.Thread(target=run, name="daemon", daemon=True).start()
    return await future
