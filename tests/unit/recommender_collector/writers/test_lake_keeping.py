"""Former batches: users leave them in short steps, and they go when all lakes have read them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from recommender_collector.domain.events import Erasure, Event
from recommender_collector.writers import lake_erasure, lake_writer, removal
from recommender_collector.writers.file_batches import Batches
from tests.unit.recommender_collector.collector_samples import model
from tests.unit.recommender_collector.lake_desk import Desk, events, history


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "shop")


async def test_events_are_read_and_written_between_the_steps_of_an_erasure(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lake_writer, "TEND_SECONDS", 0.0)  # a block of a file in each step
    await history(desk, 4)
    writer = desk.writer(events=1)
    await writer.step()
    assert writer._erasing.open == 1
    assert desk.count("recommender_writer_open_erasures", target=None) == 1
    oldest = "recommender_writer_oldest_erasure_timestamp_seconds"
    assert desk.count(oldest, target=None, place="files") == 5
    written = 0
    while writer._erasing.open:
        desk.put(*events(f"c{written}"))
        written += 1
        await writer.step()
    assert written > 8
    found = [id_ for batch in desk.ids() for id_ in batch]
    assert found == [*(f"b{n}" for n in range(4)), *(f"c{n}" for n in range(written))]
    assert desk.count("recommender_writer_open_erasures", target=None) == 0
    assert desk.count(oldest, target=None, place="files") == 0


async def test_a_writer_that_is_killed_after_each_step_ends_an_erasure(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lake_writer, "TEND_SECONDS", 0.0)
    monkeypatch.setattr(lake_erasure, "SAVE_SECONDS", -1.0)
    monkeypatch.setattr(removal, "LEFT_SECONDS", -1.0)
    await history(desk, 4)
    killed = [desk.writer(events=1)]
    while len(killed) == 1 or killed[-1]._erasing.open:
        killed.append(desk.writer(events=1))  # the others clean nothing up
        for _ in range(7):  # more than one batch takes
            await killed[-1].step()
    assert len(killed) > 3
    assert [id_ for batch in desk.ids() for id_ in batch] == [f"b{n}" for n in range(4)]
    assert [path for path in desk.root.rglob("*.json*") if b'"ada"' in path.read_bytes()] == []


async def test_the_end_of_an_erasure_is_told_once(desk: Desk) -> None:
    await history(desk, 2)
    ended: list[int] = []
    writer = lake_writer.LakeWriter(
        desk.log, Batches(desk.root), "shop", model(), desk.metrics, erased=lambda: ended.append(1)
    )
    await writer.step()
    while writer._erasing.open:
        await writer.step()
    await writer.step()
    assert ended == [1]


def _broken(*_: object) -> bool:
    raise OSError("disk")


def _bug(*_: object) -> bool:
    raise ValueError("a bug")


@pytest.mark.parametrize("broken", [_broken, _bug])
async def test_a_batch_that_cannot_be_changed_does_not_keep_others_from_being_written(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, broken: Callable[..., bool]
) -> None:
    (desk.root / "_erasures").mkdir(parents=True)
    await history(desk, 1)
    writer = desk.writer(events=1)
    (desk.root / "_erasures" / "notes.jsonl").write_bytes(b"{")  # of somebody else
    with monkeypatch.context() as patch:
        patch.setattr(removal, "steps", broken)
        await writer.step()
        desk.put(*events("c"))
        assert await writer.step() == "3000-0"
    assert desk.count("recommender_writer_failures_total") == 1, "not at each step"
    desk.now += lake_writer.RETRY_SECONDS
    await writer.step()
    assert desk.ids() == [["b0"], [], ["c"]]


async def test_lists_of_erasures_stay_when_old_batches_go(desk: Desk) -> None:
    writer = desk.writer(events=1, keep_seconds=-1e10)
    entries: list[Event | Erasure] = [Erasure("ada"), *events("b")]
    for entry in entries:
        desk.put(entry)
        await writer.step()
    _read_by_a_lake(desk, 2)
    desk.now += lake_writer.LOOK_SECONDS
    await writer.step()
    assert desk.ids() == [["b"]]
    assert [each.name for each in (desk.root / "_erasures").iterdir()] == ["1000-0.jsonl"]


def _read_by_a_lake(
    desk: Desk, through: int, erasures: str | None = None, lake: str = "l"
) -> None:
    mark = {"through": through, "erasures": erasures, "at": "2026-12-01T00:00:00Z"}
    (desk.root / "_lakes" / f"{lake}.json").write_bytes(orjson.dumps(mark))


async def test_a_batch_stays_past_its_retention_until_all_lakes_have_read_it(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    unread = "recommender_writer_unread_batches"
    writer = desk.writer(events=1, keep_seconds=-1e10)
    for id_ in ("a", "b", "c"):
        desk.put(*events(id_))
        await writer.step()
    for through, other, left, kept in (
        (None, None, ["a", "b", "c"], 2),
        (1, None, ["b", "c"], 1),
        (3, 1, ["b", "c"], 1),
        (3, 2, ["c"], 0),
    ):
        for name, number in (("one", through), ("other", other)):
            if number is not None:
                _read_by_a_lake(desk, number, lake=name)
        desk.now += lake_writer.LOOK_SECONDS
        await writer.step()
        assert [id_ for batch in desk.ids() for id_ in batch] == left
        assert desk.count(unread, target=None) == kept
    (told,) = caplog.messages
    assert told.startswith(
        "shop: 2 folders are older than retentionDays and stay, because no check"
    )
    _read_by_a_lake(desk, 0, lake="gone")
    desk.put(*events("d"))
    desk.now += lake_writer.TELL_SECONDS
    await writer.step()
    await writer.step()
    assert "_lakes/gone.json has read only those up to 0, at 2026" in caplog.messages[-1]
    assert "remove the file if it is gone" in caplog.messages[-1]


async def test_a_mark_that_cannot_be_read_keeps_all_files(desk: Desk) -> None:
    writer = desk.writer(events=1, keep_seconds=-1e10)
    for id_ in ("a", "b"):
        desk.put(*events(id_))
        await writer.step()
    for content in (b"", b"[]", b'{"through":"x"}', b'{"through":9,"erasures":"x","at":""}'):
        (desk.root / "_lakes" / "l.json").write_bytes(content)
        desk.now += lake_writer.LOOK_SECONDS
        await writer.step()
        assert desk.ids() == [["a"], ["b"]]


async def test_an_erasure_is_open_until_all_lakes_have_applied_it(desk: Desk) -> None:
    oldest = "recommender_writer_oldest_erasure_timestamp_seconds"
    writer = desk.writer(events=1)
    entries: list[Event | Erasure] = [*events("a"), Erasure("ada"), Erasure("eve")]
    for entry in entries:
        desk.put(entry)
        await writer.step()
    for marked, at in (
        ({}, 0.0),  # no lake has read the files
        ({"one": None}, 2.0),
        ({"one": "2000-0"}, 3.0),
        ({"one": "3000-0", "other": "2000-0"}, 3.0),
        ({"one": "3000-0", "other": "3000-0"}, 0.0),
    ):
        for name, erasures in marked.items():
            _read_by_a_lake(desk, 3, erasures, lake=name)
        desk.now += lake_writer.LOOK_SECONDS
        await writer.step()
        assert desk.count(oldest, target=None, place="lake") == at
