"""Erasures go on in short steps, where they were, and end."""

from __future__ import annotations

import os
from pathlib import Path

import orjson
import pytest

from recommender_collector.writers.file_batches import EVENTS, INTERACTIONS, QUARANTINE, Batches
from recommender_collector.writers.lake_erasure import Erasing
from recommender_collector.writers.quarantine import row_of

STEP = 1.0


class Ticks:
    """A clock that goes on by a step at each look, so that each call of `advance` is short."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += STEP
        return self.now


def _batches(
    root: Path, number: int = 3, users: tuple[int | str, ...] = ("ada", "eve")
) -> Batches:
    files = Batches(root)
    for each in range(1, number + 1):
        files.commit(
            each,
            f"{each}-0",
            {
                INTERACTIONS: [orjson.dumps({"user_id": user}) for user in users],
                EVENTS: [orjson.dumps({"user": user}) for user in users],
                QUARANTINE: [row_of(orjson.dumps([2, "e", "leap", user]), "x") for user in users],
            },
        )
    return files


def _erasing(root: Path) -> Erasing:
    found = Erasing(Batches(root), "user_id", Ticks())
    found.load()
    return found


def _left(root: Path, user: str) -> list[str]:
    form = f'"{user}'.encode()
    return sorted(
        str(path.relative_to(root))
        for path in root.rglob("*.json*")
        if form in path.read_bytes().replace(b"\\", b"")
    )


def _end(of: Erasing) -> int:
    calls = 0
    while of.open:
        of.advance(STEP)
        calls += 1
    return calls


def test_an_erasure_reaches_all_files_of_the_batches_before_it(tmp_path: Path) -> None:
    _batches(tmp_path)
    found = _erasing(tmp_path)
    found.add("9-0", {"ada": 900}, 3)
    assert (found.open, found.oldest) == (1, 900)
    assert _end(found) > 6, "each in its own step"
    assert _left(tmp_path, "ada") == [
        f"000000000003/{name}.jsonl" for name in ("events", "interactions", "quarantine")
    ]
    assert len(_left(tmp_path, "eve")) == 9
    assert (found.open, found.oldest) == (0, None)
    assert [*(tmp_path / "_erasing").iterdir()] == []


def test_a_killed_writer_goes_on_in_the_batch_in_which_it_was(tmp_path: Path) -> None:
    """No batch that was done a second before is read again, and none is left out."""
    _batches(tmp_path, 6)
    found = _erasing(tmp_path)
    found.add("9-0", {"ada": 900}, 7)
    reached, kills = 0, 0
    killed: list[Erasing] = []  # kept, as a killed process cleans nothing up
    while found.open:
        found.advance(STEP)
        if kills % 8 == 7:
            killed.append(found)
            for part in tmp_path.rglob(".*.jsonl"):
                os.utime(part, (1, 1))  # some seconds later
            found = _erasing(tmp_path)
            run = found._pass
            if run is not None:
                assert run.next >= reached
                reached = run.next
        kills += 1
        assert kills < 1000, "each begins anew"
    assert reached > 3
    assert _left(tmp_path, "ada") == []
    assert [*(tmp_path / "_erasing").iterdir()] == []


def test_erasures_that_come_meanwhile_are_taken_together_afterwards(tmp_path: Path) -> None:
    _batches(tmp_path, 3, ("ada", "bob", "cy", "eve"))
    found = _erasing(tmp_path)
    found.add("8-0", {"ada": 800}, 4)
    for _ in range(12):
        found.advance(STEP)
    found.add("9-0", {"bob": 900}, 4)
    found.add("10-0", {"cy": 950, "bob": 950}, 4)
    assert found.oldest == 800
    _end(found)
    assert [_left(tmp_path, user) for user in ("ada", "bob", "cy")] == [[], [], []]
    assert len(_left(tmp_path, "eve")) == 9


def test_of_erasures_taken_together_each_ends_at_its_own_batch(tmp_path: Path) -> None:
    _batches(tmp_path)
    found = _erasing(tmp_path)
    found.add("8-0", {"ada": 800}, 2)
    found.add("9-0", {"eve": 900}, 4)
    _end(found)
    assert len(_left(tmp_path, "ada")) == 6, "what the user did since"
    assert _left(tmp_path, "eve") == []


def test_an_error_of_the_disk_leaves_the_erasure_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _batches(tmp_path)
    found = _erasing(tmp_path)
    found.add("9-0", {"ada": 900}, 4)

    def broken(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", broken)
            with pytest.raises(OSError, match="No space"):
                _end(found)
        assert found.open == 1
    _end(found)
    assert _left(tmp_path, "ada") == []


@pytest.mark.parametrize("content", [b"", b"{}", b'{"users":[],"before":1,"at":1}', b"[]"])
def test_a_damaged_entry_stays_open_and_stops_nothing(tmp_path: Path, content: bytes) -> None:
    _batches(tmp_path)
    found = _erasing(tmp_path)
    found.add("9-0", {"ada": 900}, 4)
    (tmp_path / "_erasing" / "7-0-1.json").write_bytes(content)
    (tmp_path / "_erasing" / "progress.json").write_bytes(content)
    again = _erasing(tmp_path)
    _end(again)
    assert _left(tmp_path, "ada") == []
    assert again.oldest is not None
