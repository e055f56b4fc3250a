"""Runs commands side by side, with the output of each in one piece and none left behind.

Only the standard library is used: `tests.run` must work in a broken environment.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

#: How long a command may take to end after it was asked to.
GRACE_SECONDS = 20.0
#: How long to wait for the rest of the output of a command that has ended.
DRAIN_SECONDS = 2.0
#: Exit status of a shell for a command that cannot be run.
NOT_RUN = 127


class StoppedError(Exception):
    """The whole run ends: no command starts any more."""


class Screen:
    """Where several parts print: one of them as it goes, the others each in one piece."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_line = False

    def live(self, chunk: bytes) -> None:
        """Print a part of the output that is shown as it comes."""
        with self._lock:
            self._write(chunk)

    def piece(self, text: bytes) -> None:
        """Print whole lines, never within a line of the output that is shown as it comes."""
        with self._lock:
            if self._in_line:
                self._write(b"\n")
            self._write(text if text.endswith(b"\n") else text + b"\n")

    def say(self, line: str) -> None:
        self.piece(line.encode())

    def _write(self, text: bytes) -> None:
        if text:
            self._in_line = not text.endswith(b"\n")
            sys.stdout.buffer.write(text)
            sys.stdout.buffer.flush()


@dataclasses.dataclass
class Output:
    """The output of one part: always in its log, and on the screen as it comes or at its end."""

    screen: Screen
    log: Path
    live: bool

    def __post_init__(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = self.log.open("wb")

    def write(self, chunk: bytes) -> None:
        # The log may be closed before the last process that holds the pipe ends.
        with contextlib.suppress(ValueError, OSError):
            self._file.write(chunk)
            self._file.flush()
            if self.live:
                self.screen.live(chunk)

    def close(self) -> None:
        self._file.close()
        if not self.live:
            self.screen.piece(self.log.read_bytes())


class Commands:
    """All commands that run, so that all can be ended at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def run(
        self, command: Sequence[str], root: Path, output: Output, deadline: float, *, nice: int = 0
    ) -> int | None:
        """Run a command; return its status, or None if it is not through at the deadline.

        A thread copies its output: a process that a test leaves behind keeps the pipe open, and
        must not keep this one waiting for the pipe's end.

        Args:
            deadline: on the monotonic clock, in seconds.
            nice: how far the command stands back behind others for the cores.

        Raises:
            StoppedError: `stop` was called before or meanwhile.
        """
        if time.monotonic() >= deadline:
            return None
        output.write(f"$ {' '.join(command)}\n".encode())
        try:
            process = self._start(command, root, nice)
        except OSError as error:
            output.write(f"{command[0]}: {error.strerror}\n".encode())
            return NOT_RUN
        assert process.stdout is not None
        copier = threading.Thread(target=_copy, args=(process.stdout, output), daemon=True)
        copier.start()
        status: int | None = None
        try:
            status = process.wait(timeout=max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            end(process)
        finally:
            with self._lock:
                self._running.discard(process)
        copier.join(timeout=DRAIN_SECONDS)
        if self._stopped:
            raise StoppedError
        return status

    def _start(self, command: Sequence[str], root: Path, nice: int) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._stopped:
                raise StoppedError
            process = subprocess.Popen(
                ["nice", "-n", str(nice), *command] if nice else command,
                cwd=root,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._running.add(process)
        if nice:
            # Linux may weigh whole sessions: a niceness of its own then counts only inside one.
            with contextlib.suppress(OSError):
                Path(f"/proc/{process.pid}/autogroup").write_text(str(nice), encoding="utf-8")
        return process

    def stop(self) -> None:
        """End all that runs, and let nothing start any more."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        enders = [threading.Thread(target=end, args=(process,)) for process in running]
        for ender in enders:
            ender.start()
        for ender in enders:
            ender.join()


def environment() -> dict[str, str]:
    """Return the environment of the commands."""
    own = {**os.environ, "PYTHONUNBUFFERED": "1"}
    # What one process compiles all later ones read: half of the time that a worker takes to start.
    own.pop("PYTHONDONTWRITEBYTECODE", None)
    return own


def _copy(source: IO[bytes], output: Output) -> None:
    with source, contextlib.suppress(ValueError, OSError):
        while chunk := os.read(source.fileno(), 65536):
            output.write(chunk)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a command and all that it started: politely first, so that fixtures clean up."""
    for sign in (signal.SIGINT, signal.SIGTERM):
        _signal_group(process, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=GRACE_SECONDS)
            break
    # What is left of the group, whether the command itself ended or not.
    _signal_group(process, signal.SIGKILL)
    process.wait()


def _signal_group(process: subprocess.Popen[bytes], sign: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, sign)
