"""Commands of the project in processes that are forked from one that has imported what they need.

The imports of a collector take 1.5 s of CPU time, those of the operator 2 s, those of a training
11 s: more than most tests of each. In all else a forked process is like one of `python -m`: it
has its own arguments, environment and output, gets signals, and ends with the command's exit code.
What an interpreter must import by itself is shown by the tests that start one.

As a program, this file is the process that imports and forks.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import IO, Any

#: What the commands of a package import.
IMPORTED = {
    "recommender_collector": (
        "recommender_collector.process.serve",
        "recommender_collector.process.write",
    ),
    "recommender_operator": ("recommender_operator.process.operator_process",),
    # The processes of a group import PyTorch's compiler.
    "recommender_training": ("recommender_training.pipeline.training", "torch._dynamo"),
}
#: On a busy machine imports take many seconds.
SECONDS = 300.0
REQUEST_BYTES = 1 << 20


class Warm:
    """A forked process, with the part of `subprocess.Popen` that tests use."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self.returncode: int | None = None
        line.settimeout(SECONDS)
        self.pid = int(self._told())

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; return the exit code, which is negative after a signal."""
        if self.returncode is None:
            self._line.settimeout(timeout)
            try:
                self.returncode = int(self._told())
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0) from None
            self._line.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _told(self) -> bytes:
        if told := self._line.recv(32):
            return told
        self._line.close()
        raise RuntimeError("the process that forks has ended: see its output above")


def start(
    package: str,
    arguments: Sequence[str],
    output: IO[bytes],
    environ: Mapping[str, str] | None = None,
) -> Warm:
    """Start `python -m package arguments`; both streams of its output are `output`."""
    request = json.dumps(
        [package, list(arguments), dict(os.environ if environ is None else environ), os.getcwd()]
    )
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        files = [theirs.fileno(), output.fileno()]
        socket.send_fds(_parent(package), [request.encode()], files)
    return Warm(ours)


@functools.cache
def _parent(package: str) -> socket.socket:
    """Start the process that forks; it ends when this end of the line is closed."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        # Without the folder of this file on the path, as `python -m` has it.
        command = [sys.executable, "-P", __file__, str(theirs.fileno()), *IMPORTED[package]]
        parent = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            # Read when OpenMP is loaded: threads would not survive a fork.
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    atexit.register(_end, ours, parent)
    return ours


def _end(line: socket.socket, parent: subprocess.Popen[bytes]) -> None:
    line.close()
    parent.wait(SECONDS)


def serve(line: socket.socket) -> tuple[str, list[str]]:
    """Fork for each request; return, in the forked process, what it runs."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that tell the ends
    gc.freeze()
    while True:
        request, files, *_ = socket.recv_fds(line, REQUEST_BYTES, 2)
        if not request:
            os._exit(0)
        if os.fork() == 0:
            line.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return _forked(json.loads(request), *files)
        for each in files:
            os.close(each)


def _forked(request: Any, answers: int, output: int) -> tuple[str, list[str]]:
    """Fork again: one process is the command, the other one tells its id and its end."""
    package, arguments, environ, folder = request
    pid = os.fork()
    if pid:
        with contextlib.suppress(BrokenPipeError):
            os.write(answers, str(pid).encode())
            _, status = os.waitpid(pid, 0)
            os.write(answers, str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    os.close(answers)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    return package, arguments


def main() -> None:
    """Import, serve, and in each forked process run its command."""
    line, *modules = sys.argv[1:]
    for name in modules:
        importlib.import_module(name)
    package, arguments = serve(socket.socket(fileno=int(line)))
    sys.argv[1:] = arguments
    code: Any = 0
    try:
        runpy.run_module(package, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # Without the end of the interpreter: Polars would wait for a thread that is in the parent.
    os._exit(int(code or 0))


if __name__ == "__main__":
    main()
