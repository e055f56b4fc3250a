"""Control of the load generator's process: start, watch, switch, stop."""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import sys
import threading
from typing import Any

#: Users have processors of their own: a late request is one of the product, not of its sender.
URGENT = ("nice", "-n", "-5")
EMPTY: dict[str, Any] = {
    "sent": 0, "ok": 0, "failed": 0, "failures": {}, "failed_between": [],
    "versions": {}, "sources": {},
    "p50_ms": 0.0, "p99_ms": 0.0,
}  # fmt: skip


class Load:
    """A constant load of requests from start to end of a run."""

    def __init__(self, url: str, host: str, requests: pathlib.Path, rate: float) -> None:
        self._process = subprocess.Popen(
            [
                *URGENT, sys.executable, "-m", "tests.scenario.loadgen",
                "--url", url, "--host", host, "--requests", str(requests), "--rate", str(rate),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        self._lock = threading.Lock()
        self._total = dict(EMPTY)
        self._recent = dict(EMPTY)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            figures = json.loads(line)
            with self._lock:
                self._total = figures["total"]
                self._recent = figures.get("recent", self._recent)

    def _command(self, command: dict[str, object]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    @property
    def total(self) -> dict[str, Any]:
        """Figures since the start."""
        with self._lock:
            return dict(self._total)

    @property
    def recent(self) -> dict[str, Any]:
        """Figures of the last second."""
        with self._lock:
            return dict(self._recent)

    def replay(self, requests: pathlib.Path) -> None:
        """Continue with other users."""
        self._command({"requests": str(requests)})

    def at(self, rate: float) -> None:
        """Continue with another number of requests per second."""
        self._command({"rate": rate})

    def stop(self) -> dict[str, Any]:
        """Wait for requests in flight, and return the figures of the whole run."""
        if self._process.poll() is None:
            try:
                self._command({"stop": True})
                self._process.wait(timeout=60)
            except (BrokenPipeError, subprocess.TimeoutExpired):
                self._process.kill()
        self._reader.join(timeout=10)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        return self.total
