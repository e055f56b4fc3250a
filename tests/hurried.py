"""A loop whose time passes at once while all tasks sleep."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class Hurried(asyncio.SelectorEventLoop):
    """For code that waits by the loop's time, and for nothing else."""

    skipped = 0.0

    def time(self) -> float:
        return super().time() + self.skipped

    def _run_once(self) -> None:
        loop: Any = super()
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            due: float = self._scheduled[0].when()  # type: ignore[attr-defined]
            self.skipped += max(0.0, due - self.time())
        loop._run_once()


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """As `asyncio.run`, in such a loop."""
    with asyncio.Runner(loop_factory=Hurried) as runner:
        return runner.run(work)
