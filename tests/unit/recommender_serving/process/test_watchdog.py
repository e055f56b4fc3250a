"""A process whose event loop is stuck ends, in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

from recommender_serving.process import watchdog

HEAD = """
import asyncio, sys, time
from recommender_serving.process import watchdog

def stuck(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass

async def main():
"""


def started(body: str) -> subprocess.Popen[str]:
    code = f"{HEAD}{textwrap.indent(textwrap.dedent(body), '    ')}\nasyncio.run(main())\n"
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_stuck_loop_ends_the_process_and_says_where() -> None:
    process = started("""
        watchdog.start(asyncio.get_running_loop(), 0.05, 4)
        await asyncio.sleep(0.2)
        stuck(3600)
    """)
    _, said = process.communicate(timeout=120)
    assert process.returncode == watchdog.STUCK
    assert "the event loop has been stuck for 0.2 s" in said
    assert "in stuck" in said


def test_a_loop_that_answers_late_goes_on() -> None:
    process = started("""
        end = watchdog.start(asyncio.get_running_loop(), 0.05, 100)
        for _ in range(20):
            stuck(0.1)
            await asyncio.sleep(0.05)
        end()
    """)
    assert process.wait(120) == 0
    process.communicate()


def test_a_process_that_was_stopped_goes_on() -> None:
    process = started("""
        end = watchdog.start(asyncio.get_running_loop(), 0.05, 20)
        print("ready", flush=True)
        await asyncio.sleep(3)
        end()
    """)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.kill(process.pid, signal.SIGSTOP)
    try:
        # Longer than the 20 looks of a process that runs.
        subprocess.run(["sleep", "2"], check=True)
    finally:
        os.kill(process.pid, signal.SIGCONT)
    assert process.wait(120) == 0
    process.communicate()


def test_a_watch_that_has_ended_ends_nothing() -> None:
    process = started("""
        watchdog.start(asyncio.get_running_loop(), 0.05, 4)()
        stuck(1)
    """)
    assert process.wait(120) == 0
    process.communicate()
