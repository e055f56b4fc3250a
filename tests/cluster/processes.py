"""Host processes: detached from the calling shell, and found by a mark.

The mark is in the environment of each process. Unlike a file with a process id it cannot
go stale after a crash or a reboot, and containerd's shims, which outlive containerd,
inherit it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.progress import step
from tests.cluster.settings import Layout

STATE_MARK = "RECOMMENDER_CLUSTER_STATE"
KEY_MARK = "RECOMMENDER_CLUSTER_KEY"
STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Part:
    """One host process. `ready` returns what is still missing, or None."""

    name: str
    argv: Sequence[str]
    ready: Callable[[], str | None] = lambda: None
    env: Mapping[str, str] = field(default_factory=dict)
    urgent: bool = True
    """Runs before busy programs of the machine. Not for what pods descend from."""

    @property
    def executable(self) -> str:
        return Path(self.argv[0]).name

    @property
    def key(self) -> str:
        """A key that changes with the command line, so that a changed part restarts."""
        text = repr((list(self.argv), sorted(self.env.items())))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Found:
    """A running process that carries our mark."""

    pid: int
    executable: str
    key: str


class _Daemon(subprocess.Popen[bytes]):
    """A process that outlives its starter, which does not wait for it.

    Popen would warn, when the object is dropped, that the process still runs.
    """

    def __del__(self) -> None:
        """Leave it running; `alive` reaps it if it is still a child."""


def parse_environ(raw: bytes) -> dict[str, str]:
    """The environment in /proc/<pid>/environ."""
    pairs = (entry.partition(b"=") for entry in raw.split(b"\0") if b"=" in entry)
    return {
        name.decode(errors="replace"): value.decode(errors="replace") for name, _, value in pairs
    }


def running(state: Path) -> list[Found]:
    """All processes that belong to this state folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            environ = parse_environ((entry / "environ").read_bytes())
            if environ.get(STATE_MARK) != str(state):
                continue
            # A binary that was replaced reads "... (deleted)".
            executable = os.readlink(entry / "exe").removesuffix(" (deleted)")
            found.append(Found(int(entry.name), Path(executable).name, environ.get(KEY_MARK, "")))
    return found


@contextlib.contextmanager
def locked(layout: Layout) -> Iterator[None]:
    """One command at a time: two concurrent `up`s would start everything twice."""
    layout.state.parent.mkdir(parents=True, exist_ok=True)
    with layout.state.with_name(layout.state.name + ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def start(layout: Layout, part: Part) -> bool:
    """Start the part unless it runs with this key; True if it was started."""
    same_program = [p for p in running(layout.state) if p.executable == part.executable]
    if any(process.key == part.key for process in same_program):
        return False
    stop(same_program)
    layout.logs.mkdir(parents=True, exist_ok=True)
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(layout.state),
        STATE_MARK: str(layout.state),
        KEY_MARK: part.key,
        **part.env,
    }
    with layout.log(part.name).open("ab") as log:
        pid = _Daemon(
            list(part.argv),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd="/",
            start_new_session=True,  # survives the calling shell
        ).pid
    _wait_marked(pid)
    if part.urgent:
        _hurry(pid)
    return True


def _wait_marked(pid: int) -> None:
    """Wait until the mark is readable: exec sets the environment after Popen returns.

    A check before that would not find the process and would consider it ended.
    """
    with contextlib.suppress(OSError):  # it has ended already
        while alive(pid) and not Path(f"/proc/{pid}/environ").read_bytes():
            time.sleep(0.001)


def _hurry(pid: int) -> None:
    """Raise the priority: a control plane that waits behind a training misses its time-outs.

    With autogroups, Linux weighs whole sessions against each other;
    the niceness of a process then counts only inside its session.
    """
    with contextlib.suppress(OSError):  # not root, or not Linux's default scheduler
        os.setpriority(os.PRIO_PROCESS, pid, -5)
        Path(f"/proc/{pid}/autogroup").write_text("-5")


def wait_ready(layout: Layout, part: Part, timeout: float = 90.0) -> None:
    """Wait until the part is ready; fail at once if its process ends."""
    deadline = time.monotonic() + timeout
    with step(f"{part.name} ready"):
        while (missing := part.ready()) is not None:
            if not any(p.executable == part.executable for p in running(layout.state)):
                raise ClusterError(part.name, "its process has ended", layout.log(part.name))
            if time.monotonic() > deadline:
                reason = f"not ready after {timeout:.0f}s: {missing}"
                raise ClusterError(part.name, reason, layout.log(part.name))
            time.sleep(0.1)


def run_part(layout: Layout, part: Part) -> bool:
    """Start the part and wait for it; True if it was started."""
    started = start(layout, part)
    wait_ready(layout, part)
    return started


def stop(processes: Sequence[Found], seconds: float = STOP_SECONDS) -> None:
    """Send SIGTERM, then SIGKILL."""
    for process in processes:
        send(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while any(alive(process.pid) for process in processes):
        if time.monotonic() > deadline:
            for process in processes:
                send(process.pid, signal.SIGKILL)
            deadline = float("inf")
        time.sleep(0.02)


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may have ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def alive(pid: int) -> bool:
    """Whether the process still runs; a zombie does not count."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    if status.rpartition(")")[2].split()[0] != "Z":
        return True
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return False
