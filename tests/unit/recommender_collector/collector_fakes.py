"""A log in memory that behaves as the port says."""

from __future__ import annotations

from recommender_collector.domain.lines import Lines
from recommender_collector.log.event_log import Record


class MemoryLog:
    """A log of all models. `failures` are raised by the next appends, one each."""

    def __init__(self) -> None:
        self.records: dict[str, list[Record]] = {}
        self.known: set[bytes] = set()
        self.failures: list[Exception] = []
        self.trimmed: list[str] = []
        self.appends: list[int] = []
        self._number = 0

    async def append(self, model: str, lines: Lines) -> list[int]:
        self.appends.append(len(lines))
        if self.failures:
            raise self.failures.pop(0)
        repeated, fresh = [], []
        for index, each in enumerate(lines):
            if each.digest in self.known:
                repeated.append(index)
            else:
                self.known.add(each.digest)
                fresh.append(each.line)
        if fresh:
            self.put(model, *fresh)
        return repeated

    async def append_erasure(self, model: str, line: bytes) -> None:
        self.put(model, line)

    def put(self, model: str, *lines: bytes) -> None:
        self._number += 1
        self.records.setdefault(model, []).append(Record(f"{self._number}000-0", lines))

    async def read(self, model: str, after: str, records: int, seconds: float) -> list[Record]:
        start = int(after.partition("-")[0])
        found = [r for r in self.records.get(model, []) if int(r.offset[:-2]) > start]
        return found[:records]

    async def trim(self, model: str, through: str) -> None:
        self.trimmed.append(through)
