"""What the writer of files tells of erasures, for the operator and in its metrics."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis.exceptions import ConnectionError

from recommender_collector.store.erasure_store import Report
from recommender_collector.writers import lake_writer
from tests.unit.recommender_collector.lake_desk import Desk, events, history

OLDEST = "recommender_writer_oldest_erasure_timestamp_seconds"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "shop")


async def test_it_tells_that_nobody_was_erased_once_a_minute(desk: Desk) -> None:
    writer = desk.writer()
    for _ in range(3):
        await writer.step()
    assert desk.told == [Report(1_000_000)]
    desk.now += lake_writer.LOOK_SECONDS
    await writer.step()
    assert [each.through for each in desk.told] == [1_000_000, 1_060_000]


async def test_it_tells_at_once_that_an_erasure_is_open_and_that_it_has_ended(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lake_writer, "TEND_SECONDS", 0.0)
    await history(desk, 2)
    writer = desk.writer(events=1)
    await writer.step()
    first = desk.told[-1]
    assert (first.users, first.files, first.through) == (1, 3000, 3000)
    assert first.listed is not None
    while writer._erasing.open:
        await writer.step()
    last = desk.told[-1]
    assert (last.users, last.files) == (0, None)
    assert last.ended is not None
    assert last.ended >= first.listed
    assert last.listed == first.listed


async def test_a_killed_writer_leaves_what_the_next_one_tells(desk: Desk) -> None:
    await history(desk, 1)
    writer = desk.writer(events=1)
    await writer.step()
    while writer._erasing.open:
        await writer.step()
    before = desk.told[-1]
    await desk.writer().step()
    after = desk.told[-1]
    assert (after.listed, after.ended) == (before.listed, before.ended)


async def test_a_line_that_waits_behind_the_last_read_is_not_promised(desk: Desk) -> None:
    desk.put(*events("a"))
    desk.put(*events("b"))
    await desk.writer(events=1).step()
    assert desk.told[-1].through == 1000


async def test_the_metric_has_the_append_only_file(desk: Desk) -> None:
    desk.aof = 7000
    await desk.writer().step()
    assert desk.count(OLDEST, target=None, place="aof") == 7


async def test_a_store_that_does_not_answer_keeps_nothing_up(desk: Desk) -> None:
    async def fails(_: Report) -> int | None:
        raise ConnectionError("gone")

    writer = desk.writer(events=1)
    writer._tell = fails
    desk.put(*events("a"))
    await writer.step()
    assert desk.ids() == [["a"]]
