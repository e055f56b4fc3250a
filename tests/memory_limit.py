"""A limit of memory as the kubelet sets it: a cgroup below our own, for one process."""

from __future__ import annotations

import contextlib
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Limit:
    """A cgroup with a limit, or none where the machine allows none."""

    folder: Path | None

    @property
    def prefix(self) -> tuple[str, ...]:
        """What is put before a command to run it in the cgroup."""
        if self.folder is None:
            return ("env",)
        return ("sh", "-c", f'echo $$ > {self.folder}/cgroup.procs && exec "$@"', "limited")

    @property
    def kills(self) -> int:
        """How often the kernel ended a process at the limit."""
        for name in ("memory.events", "memory.oom_control"):  # v2, v1
            if self.folder is not None and (self.folder / name).exists():
                found = re.search(r"^oom_kill (\d+)", (self.folder / name).read_text(), re.M)
                return int(found[1]) if found else 0
        return 0


@contextlib.contextmanager
def limited(megabytes: int) -> Iterator[Limit]:
    """Make a cgroup of so many MiB, and remove it when its processes have ended."""
    folder = _made(megabytes)
    try:
        yield Limit(folder)
    finally:
        deadline = time.monotonic() + 60
        while folder is not None and folder.exists() and time.monotonic() < deadline:
            with contextlib.suppress(OSError):  # a process of it still ends
                folder.rmdir()
            time.sleep(0.05)


def _made(megabytes: int) -> Path | None:
    own = Path("/proc/self/cgroup").read_text()
    for pattern, below, name in (
        (r"^\d+:memory:/(.*)$", GROUPS / "memory", "memory.limit_in_bytes"),
        (r"^0::/(.*)$", GROUPS, "memory.max"),
    ):
        found = re.search(pattern, own, re.M)
        if found is None:
            continue
        folder = below / found[1] / f"recommender-{uuid.uuid4().hex[:8]}"
        try:
            folder.mkdir()
        except OSError:
            continue
        with contextlib.suppress(OSError):
            (folder / name).write_text(str(megabytes * 1024 * 1024))
            return folder
        folder.rmdir()
    return None


def peak_mib(pid: int) -> float:
    """Return the most memory that a process has had at once, its page cache left out."""
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+) kB", text, re.M)
    assert found is not None
    return int(found[1]) / 1024
