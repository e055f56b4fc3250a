"""A writer of files on a log in memory, a folder and a clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from prometheus_client import CollectorRegistry

from recommender_collector.collector_metrics import WriterMetrics
from recommender_collector.domain.events import Erasure, Event
from recommender_collector.domain.lines import line_of
from recommender_collector.store.erasure_store import Report
from recommender_collector.writers.file_batches import Batches
from recommender_collector.writers.lake_writer import LakeWriter, Pace
from recommender_contract.events import Kind
from tests.unit.recommender_collector.collector_fakes import MemoryLog
from tests.unit.recommender_collector.collector_samples import model

CLICK = Event("e1", Kind.CLICK, "ada", ("tea",), 1_795_000_000_000)


class Desk:
    """A log, a folder, a clock, and writers on them."""

    def __init__(self, root: Path) -> None:
        self.log = MemoryLog()
        self.root = root
        self.now = 1000.0
        self.registry = CollectorRegistry()
        self.metrics = WriterMetrics(self.registry, ["shop"])
        #: What writers told of erasures, and since when the append-only file may have users.
        self.told: list[Report] = []
        self.aof: int | None = None

    def writer(self, **pace: Any) -> LakeWriter:
        return LakeWriter(
            self.log, Batches(self.root), "shop", model(), self.metrics, Pace(**pace),
            lambda: self.now, tell=self._tell,
        )  # fmt: skip

    async def _tell(self, report: Report) -> int | None:
        self.told.append(report)
        return self.aof

    def put(self, *entries: Event | Erasure) -> None:
        self.log.put("shop", *map(line_of, entries))

    def ids(self) -> list[list[str]]:
        """The ids of the archived events of each batch."""
        return [[row["id"] for row in self.read(folder, "events")] for folder in self.folders()]

    def folders(self) -> list[Path]:
        return sorted(self.root.glob("0*"))

    def read(self, folder: Path, name: str) -> list[dict[str, Any]]:
        path = folder / f"{name}.jsonl"
        return (
            [orjson.loads(line) for line in path.read_bytes().splitlines()]
            if path.exists()
            else []
        )

    def count(self, name: str, **labels: str | None) -> float | None:
        given: dict[str, str | None] = {"model": "shop", "target": "lake", **labels}
        chosen = {name: value for name, value in given.items() if value is not None}
        return self.registry.get_sample_value(name, chosen)


def events(*ids: str, **changes: Any) -> list[Event]:
    return [
        CLICK._replace(id=id_, time=CLICK.time + 1000 * index, **changes)
        for index, id_ in enumerate(ids)
    ]


async def history(desk: Desk, batches: int) -> None:
    """Batches with the user among others, and the user's erasure, which is not read yet."""
    writer = desk.writer(events=1)
    for number in range(batches):
        desk.put(*events(f"a{number}"), *events(f"b{number}", user="eve"))
        await writer.step()
    desk.put(Erasure("ada"))
