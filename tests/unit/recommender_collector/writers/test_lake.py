"""From the log to the files that training reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from prometheus_client import CollectorRegistry

from recommender_collector.domain import erased_users
from recommender_collector.domain.events import Erasure, Event, Kind
from recommender_collector.domain.lines import line_of
from recommender_collector.metrics import WriterMetrics
from recommender_collector.writers.batches import Batches
from recommender_collector.writers.lake import LakeWriter, Pace
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

    def writer(self, **pace: Any) -> LakeWriter:
        return LakeWriter(
            self.log, Batches(self.root), "shop", model(), self.metrics, Pace(**pace),
            lambda: self.now,
        )  # fmt: skip

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

    def count(self, name: str) -> float | None:
        return self.registry.get_sample_value(name, {"model": "shop", "target": "lake"})


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "shop")


def events(*ids: str, **changes: Any) -> list[Event]:
    return [
        CLICK._replace(id=id_, time=CLICK.time + 1000 * index, **changes)
        for index, id_ in enumerate(ids)
    ]


async def test_a_batch_is_written_when_it_is_old_enough(desk: Desk) -> None:
    writer = desk.writer(seconds=60)
    desk.put(*events("a", "b"))
    assert await writer.step() == "0-0"
    desk.put(*events("c"))
    desk.now += 59
    await writer.step()
    assert desk.folders() == []
    desk.now += 1
    assert await writer.step() == "2000-0"
    assert desk.ids() == [["a", "b", "c"]]
    assert desk.count("recommender_writer_events_total") == 3
    assert desk.count("recommender_writer_last_record_timestamp_seconds") == 2


@pytest.mark.parametrize("pace", [{"events": 2}, {"items": 2}, {"size": 100}])
async def test_a_batch_is_written_when_it_is_full(desk: Desk, pace: dict[str, int]) -> None:
    desk.put(*events("a", "b"))
    await desk.writer(**pace).step()
    assert desk.ids() == [["a", "b"]]


async def test_a_restarted_writer_goes_on_after_the_last_batch(desk: Desk) -> None:
    writer = desk.writer(events=1)
    desk.put(*events("a"))
    await writer.step()
    desk.put(*events("b"))
    waiting = desk.writer()
    await waiting.step()  # read, not yet written, and killed
    await desk.writer(events=1).step()
    assert desk.ids() == [["a"], ["b"]]


async def test_two_writers_write_each_event_once(desk: Desk) -> None:
    first, second = desk.writer(events=2), desk.writer(events=3)
    desk.put(*events("a"))
    await first.step()
    await second.step()
    desk.put(*events("b"))
    await second.step()
    await first.step()
    desk.put(*events("c"))
    await second.step()  # full, but the first one's batch is there
    assert await second.step() == "2000-0"
    desk.put(*events("d", "e"))
    await second.step()
    await second.step()
    await first.step()
    assert sorted(id_ for batch in desk.ids() for id_ in batch) == ["a", "b", "c", "d", "e"]


async def test_interactions_are_one_row_for_each_user_item_second_and_kind(desk: Desk) -> None:
    same = CLICK._replace(id="e2", time=CLICK.time + 999)
    later = CLICK._replace(id="e3", time=CLICK.time + 1000)
    other = CLICK._replace(id="e4", kind=Kind.PURCHASE)
    shown = CLICK._replace(id="e5", kind=Kind.IMPRESSION)
    desk.put(CLICK, same, later, other, shown)
    await desk.writer(events=1).step()
    (folder,) = desk.folders()
    rows = [(row["time"], row["kind"]) for row in desk.read(folder, "interactions")]
    assert rows == [(CLICK.time, "click"), (later.time, "click"), (CLICK.time, "purchase")]
    assert len(desk.read(folder, "events")) == 5


async def test_a_line_of_another_format_is_quarantined_with_the_reason(desk: Desk) -> None:
    desk.log.put("shop", b"\xff junk", line_of(CLICK))
    await desk.writer(events=1).step()
    (folder,) = desk.folders()
    (bad,) = desk.read(folder, "quarantine")
    assert bad["line"] == "\ufffd junk"
    assert bad["reason"].startswith("not JSON")
    assert desk.count("recommender_writer_unreadable_lines_total") == 1
    assert desk.ids() == [["e1"]]


async def test_an_erasure_covers_what_is_before_it_and_nothing_after(desk: Desk) -> None:
    writer = desk.writer(events=2)
    desk.put(*events("a"), *events("b", user="eve"))
    await writer.step()
    desk.put(*events("c"), *events("d", user="eve"), Erasure("ada"), *events("e"))
    await writer.step()
    assert desk.ids() == [["b"], ["d", "e"]]
    rows = [
        row["user_id"] for folder in desk.folders() for row in desk.read(folder, "interactions")
    ]
    assert rows == ["eve", "eve", "ada"]


async def test_an_erasure_does_not_wait_for_a_full_batch_and_survives_a_kill(desk: Desk) -> None:
    desk.put(*events("a"))
    await desk.writer(events=1).step()
    desk.put(Erasure("ada"))
    writer = desk.writer()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batches, "commit", _broken)
        with pytest.raises(OSError, match="disk"):
            await writer.step()
    assert await writer.step() == "2000-0"
    assert desk.ids() == [[], []]


async def test_an_erasure_is_listed_for_the_lakes_before_the_files_are_rewritten(
    desk: Desk,
) -> None:
    desk.put(*events("a"))
    await desk.writer(events=1).step()
    desk.put(Erasure("ada"), *events("b", user="eve"), Erasure(7))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batches, "rewrite", _broken)
        with pytest.raises(OSError, match="disk"):
            await desk.writer().step()
    await desk.writer().step()
    (listed,) = (desk.root / "_erasures").iterdir()
    assert listed.name == "2000-0.jsonl"
    assert [orjson.loads(line) for line in listed.read_bytes().splitlines()] == [
        {"user": erased_users.digest(user), "time": "1970-01-01T00:00:02.000Z"}
        for user in ("ada", 7)
    ]
    assert desk.ids() == [[], ["b"]]


async def test_lists_of_erasures_stay_when_old_batches_go(desk: Desk) -> None:
    writer = desk.writer(events=1, keep_seconds=-1e10)
    entries: list[Event | Erasure] = [Erasure("ada"), *events("b")]
    for entry in entries:
        desk.put(entry)
        await writer.step()
    assert desk.ids() == [["b"]]
    assert [each.name for each in (desk.root / "_erasures").iterdir()] == ["1000-0.jsonl"]


def _broken(*_: object) -> bool:
    raise OSError("disk")


async def test_a_failed_batch_is_read_again(desk: Desk) -> None:
    writer = desk.writer(events=1)
    desk.put(*events("a", "b"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batches, "commit", _broken)
        with pytest.raises(OSError, match="disk"):
            await writer.step()
    await writer.step()
    assert desk.ids() == [["a", "b"]]


async def test_old_batches_go_when_a_new_one_is_written(desk: Desk) -> None:
    writer = desk.writer(events=1, keep_seconds=-1e10)
    for id_ in ("a", "b"):
        desk.put(*events(id_))
        await writer.step()
    assert desk.ids() == [["b"]]


async def test_a_batch_that_is_full_is_written_before_more_is_taken(desk: Desk) -> None:
    for id_ in ("a", "b", "c"):
        desk.put(*events(f"{id_}1", f"{id_}2"))
    writer = desk.writer(events=2)
    assert await writer.step() == "1000-0"
    assert desk.ids() == [["a1", "a2"]]
    await writer.step()
    assert await writer.step() == "3000-0"
    assert desk.ids() == [["a1", "a2"], ["b1", "b2"], ["c1", "c2"]]
