"""Lines of a later release, quarantined by this one, come back once after an upgrade."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from recommender_collector.domain import erasure_list
from recommender_collector.domain.events import Erasure, Event, Id
from recommender_collector.domain.lines import entry_of, line_of
from recommender_collector.writers import file_batches, micro_batch, recovery
from recommender_collector.writers.file_batches import Batches
from tests.unit.recommender_collector.lake_desk import CLICK, Desk

LATER = b'[3,"%s","leap","%s",["tea"],1795000000000,{"a":"field of a later release"}]'


def later(line: bytes) -> Event | Erasure:
    """Read what a later release reads."""
    if not line.startswith(b"[3,"):
        return entry_of(line)
    row = orjson.loads(line)
    return CLICK._replace(id=row[1], user=row[3])


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "shop")


@pytest.fixture
def upgrade(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def done() -> None:
        monkeypatch.setattr(micro_batch, "entry_of", later)
        monkeypatch.setattr(recovery, "entry_of", later)

    return done


def _line(id_: str, user: Id = "ada") -> bytes:
    return LATER % (id_.encode(), str(user).encode())


def _ids(desk: Desk) -> list[str]:
    return sorted(id_ for batch in desk.ids() for id_ in batch)


async def _rolled_back(desk: Desk) -> None:
    """Two batches with lines that the rolled back writer does not know."""
    writer = desk.writer(size=1)
    desk.log.put("shop", _line("l1"), line_of(CLICK), _line("l2", "eve"), b"junk")
    await writer.step()
    desk.log.put("shop", _line("l3", "eve"))
    await writer.step()
    assert _ids(desk) == ["e1"]
    rows = [row for folder in desk.folders() for row in desk.read(folder, "quarantine")]
    assert len(rows) == 4


async def _settled(desk: Desk) -> None:
    writer = desk.writer(size=1)
    while True:
        await writer.step()
        if writer._recovery.is_done:
            return


async def test_after_an_upgrade_quarantined_lines_are_events_once(
    desk: Desk, upgrade: Callable[[], None]
) -> None:
    await _rolled_back(desk)
    await _settled(desk)
    assert _ids(desk) == ["e1"], "the same release understands none"
    upgrade()
    await _settled(desk)
    assert _ids(desk) == ["e1", "l1", "l2", "l3"]
    rows = [row for folder in desk.folders() for row in desk.read(folder, "quarantine")]
    assert [row["line"] for row in rows] == ["junk"]
    assert (
        desk.registry.get_sample_value(
            "recommender_writer_recovered_events_total", {"model": "shop"}
        )
        == 3
    )
    users = [r["user_id"] for f in desk.folders() for r in desk.read(f, "interactions")]
    assert sorted(users) == ["ada", "ada", "eve", "eve"]
    await _settled(desk)
    desk.put(CLICK._replace(id="e2"))
    await _settled(desk)
    assert _ids(desk) == ["e1", "e2", "l1", "l2", "l3"]
    assert Batches(desk.root).newest()[1] == "3000-0"


async def test_a_kill_between_the_batch_and_the_quarantine_repeats_nothing(
    desk: Desk, upgrade: Callable[[], None]
) -> None:
    await _rolled_back(desk)
    upgrade()
    with pytest.MonkeyPatch.context() as patch:

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(file_batches.Batches, "commit", _then(Batches.commit, killed))
        with pytest.raises(KeyboardInterrupt):
            await _settled(desk)
    desk.put(CLICK._replace(id="e2"))
    await _settled(desk)
    assert _ids(desk) == ["e1", "e2", "l1", "l2", "l3"]


def _then(method: Callable[..., object], end: Callable[[], None]) -> Callable[..., None]:
    def both(*arguments: object) -> None:
        method(*arguments)
        end()

    return both


async def test_a_user_who_was_erased_since_does_not_come_back(
    desk: Desk, upgrade: Callable[[], None]
) -> None:
    await _rolled_back(desk)
    Batches(desk.root).list_erasures("2000-5", [_erased("ada"), _erased("eve")])
    upgrade()  # a writer before this release did not search the quarantine
    await _settled(desk)
    assert _ids(desk) == ["e1"]
    rows = [row for folder in desk.folders() for row in desk.read(folder, "quarantine")]
    assert [row["line"] for row in rows] == ["junk"]


def _erased(user: str) -> bytes:
    return erasure_list.line_of(user, 2000)


async def test_what_is_taken_back_is_erased_with_its_user(
    desk: Desk, upgrade: Callable[[], None]
) -> None:
    await _rolled_back(desk)
    desk.put(Erasure("eve"))
    upgrade()
    writer = desk.writer(size=1)
    while not writer._recovery.is_done or writer._erasing.open:
        await writer.step()
    assert _ids(desk) == ["e1", "l1"]
    assert [path for path in desk.root.rglob("*.json*") if b"eve" in path.read_bytes()] == []
