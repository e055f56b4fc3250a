"""The commands of the test runner: their output, their time limits and their priority."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

#: Time for a part to end after SIGTERM, in seconds.
GRACE_SECONDS = 20.0
#: Time to wait for the rest of the output of a finished command, in seconds.
DRAIN_SECONDS = 2.0
#: Niceness of a part that runs beside another one: it has a tenth of its weight.
NICENESS = 10
#: The running commands with a low priority.
ASIDE: set[subprocess.Popen[bytes]] = set()


def stream(
    command: Sequence[str], root: Path, log: IO[bytes], limit: float, *, aside: bool = False
) -> int | None:
    """Run a command, copy its output, and return its status, or None after `limit` seconds.

    `aside`: with a low priority, and its output goes only to the log.

    A thread copies the output: a process that a test leaves behind keeps the pipe open, and this
    process must not wait for it.
    """
    if limit <= 0:
        return None
    screen = None if aside else sys.stdout.buffer
    _write(f"$ {' '.join(command)}\n".encode(), screen, log)
    try:
        process = _started(command, root, aside=aside)
    except OSError as error:
        _write(f"{command[0]}: {error.strerror}\n".encode(), screen, log)
        return 127
    assert process.stdout is not None
    copier = threading.Thread(target=_copy, args=(process.stdout, screen, log), daemon=True)
    copier.start()
    try:
        status: int | None = process.wait(timeout=limit)
    except subprocess.TimeoutExpired:
        stop(process)
        status = None
    except BaseException:
        stop(process)
        raise
    finally:
        ASIDE.discard(process)
    copier.join(timeout=DRAIN_SECONDS)
    return status


def _started(command: Sequence[str], root: Path, *, aside: bool) -> subprocess.Popen[bytes]:
    priority = ("nice", "-n", str(NICENESS)) if aside else ()
    process = subprocess.Popen(
        (*priority, *command),
        cwd=root,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    if aside:
        ASIDE.add(process)
        # Linux may divide the cores by session first, and each command has a session.
        with contextlib.suppress(OSError):
            Path(f"/proc/{process.pid}/autogroup").write_text(str(NICENESS), encoding="utf-8")
    return process


def environment() -> dict[str, str]:
    """Return the environment of the commands."""
    own = {**os.environ, "PYTHONUNBUFFERED": "1"}
    # Later processes reuse the compiled files, which saves half of a worker's start time.
    own.pop("PYTHONDONTWRITEBYTECODE", None)
    return own


def _copy(source: IO[bytes], screen: IO[bytes] | None, log: IO[bytes]) -> None:
    # The log may be closed before the last process with the pipe ends.
    with source, contextlib.suppress(ValueError, OSError):
        while chunk := os.read(source.fileno(), 65536):
            _write(chunk, screen, log)


def _write(chunk: bytes, *targets: IO[bytes] | None) -> None:
    for target in targets:
        if target is not None:
            target.write(chunk)
            target.flush()


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a command and its processes: with SIGTERM first, so that fixtures clean up."""
    for sign in (signal.SIGINT, signal.SIGTERM):
        _signal_group(process, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=GRACE_SECONDS)
            break
    # The rest of the process group, also if the command itself has ended.
    _signal_group(process, signal.SIGKILL)
    process.wait()


def stop_aside() -> None:
    """End all commands that run with a low priority."""
    for process in tuple(ASIDE):
        stop(process)


def _signal_group(process: subprocess.Popen[bytes], sign: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, sign)
