"""Ends the process if its event loop is stuck: it would accept requests and answer none.

Kubernetes then starts the container again, and a Gateway repeats what was in flight. The liveness
probe would take a minute, because a node without free CPU answers late.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable

#: Seconds between two looks, and looks in a row without a sign of the loop. They are counted by a
#: thread of the same process, so a process that is stopped or gets no CPU is not stuck.
INTERVAL, LOOKS = 1.0, 15
#: Exit code of the process.
STUCK = 70


def start(
    loop: asyncio.AbstractEventLoop, interval: float = INTERVAL, looks: int = LOOKS
) -> Callable[[], None]:
    """Watch a loop from a thread; return what ends the watch.

    If the loop is stuck, the stacks of all threads go to standard error, and the process exits.
    """
    beats, ended = 0, threading.Event()

    def beat() -> None:
        nonlocal beats
        beats += 1
        if not ended.is_set():
            loop.call_later(interval, beat)

    def watch() -> None:
        seen, silent = -1, 0
        while not ended.is_set() and silent < looks:
            time.sleep(interval)
            seen, silent = beats, silent + 1 if beats == seen else 0
        if not ended.is_set():
            sys.stderr.write(f"the event loop has been stuck for {looks * interval:g} s\n")
            faulthandler.dump_traceback()
            sys.stderr.flush()
            os._exit(STUCK)

    loop.call_soon(beat)
    threading.Thread(target=watch, name="watchdog", daemon=True).start()
    return ended.set
