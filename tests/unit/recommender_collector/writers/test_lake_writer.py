"""From the log to the files that training reads."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from recommender_collector.domain import erasure_list, file_rows
from recommender_collector.domain.declaration import Model
from recommender_collector.domain.events import Erasure, Event
from recommender_collector.domain.lines import line_of
from recommender_collector.writers import micro_batch, removal
from recommender_collector.writers.file_batches import Batches
from recommender_collector.writers.micro_batch import rows_of
from recommender_contract.events import Kind
from tests.unit.recommender_collector.lake_desk import CLICK, Desk, events


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "shop")


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


async def test_events_of_which_no_rows_can_be_made_count_as_quarantined(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(event: Event, of: Model) -> tuple[bytes, list[bytes]]:
        if event.id == "b":
            raise ValueError("no rows")
        return rows_of(event, of)

    monkeypatch.setattr(micro_batch, "rows_of", made)
    desk.put(*events("a", "b", "c"), *events("d", user="eve"), Erasure("eve"))
    await desk.writer(events=1).step()
    assert desk.ids() == [["a", "c"]]
    assert desk.count("recommender_writer_events_total") == 2
    assert desk.count("recommender_writer_unreadable_lines_total") == 1


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
        patch.setattr(removal, "steps", _broken)
        await desk.writer().step()
    assert desk.ids() == [["a"], ["b"]]
    await desk.writer().step()
    (listed,) = (desk.root / "_erasures").iterdir()
    assert listed.name == "2000-0.jsonl"
    assert [orjson.loads(line) for line in listed.read_bytes().splitlines()] == [
        {"user": erasure_list.user_digest(user), "time": "1970-01-01T00:00:02.000Z"}
        for user in ("ada", 7)
    ]
    assert desk.ids() == [[], ["b"]]


def _broken(*_: object) -> bool:
    raise OSError("disk")


async def test_an_event_of_which_no_row_can_be_made_is_quarantined_whole(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    archived = file_rows.archive_line

    def broken(event: Event) -> bytes:
        if event.id == "bad":
            raise OverflowError("a bug")
        return archived(event)

    monkeypatch.setattr(file_rows, "archive_line", broken)
    desk.put(*events("a", "bad", "c"))
    await desk.writer(events=1).step()
    assert desk.ids() == [["a", "c"]]
    (row,) = desk.read(desk.folders()[0], "quarantine")
    assert row["reason"] == "a bug"
    assert row["line"].encode() == line_of(events("a", "bad")[1])
    assert len(desk.read(desk.folders()[0], "interactions")) == 2


async def test_a_failed_batch_is_read_again(desk: Desk) -> None:
    writer = desk.writer(events=1)
    desk.put(*events("a", "b"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batches, "commit", _broken)
        with pytest.raises(OSError, match="disk"):
            await writer.step()
    await writer.step()
    assert desk.ids() == [["a", "b"]]


async def test_a_batch_that_is_full_is_written_before_more_is_taken(desk: Desk) -> None:
    for id_ in ("a", "b", "c"):
        desk.put(*events(f"{id_}1", f"{id_}2"))
    writer = desk.writer(events=2)
    assert await writer.step() == "1000-0"
    assert desk.ids() == [["a1", "a2"]]
    await writer.step()
    assert await writer.step() == "3000-0"
    assert desk.ids() == [["a1", "a2"], ["b1", "b2"], ["c1", "c2"]]
