"""Micro-batches appear whole, once, and keep the offset."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from recommender_collector.writers import file_batches
from recommender_collector.writers.file_batches import Batches, BatchesDamaged


def _names(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def _age(folder: Path, seconds: float) -> None:
    os.utime(folder, (seconds, seconds))


def test_a_batch_is_a_folder_with_its_files_and_its_offset(tmp_path: Path) -> None:
    files = Batches(tmp_path / "shop")
    assert files.newest() == (0, None)
    assert files.commit(1, "5-0", {"interactions.jsonl": [b"{}", b"[]"], "events.jsonl": []})
    assert files.newest() == (1, "5-0")
    folder = tmp_path / "shop" / "000000000001"
    assert _names(folder) == ["interactions.jsonl", "offset.json"]
    assert (folder / "interactions.jsonl").read_bytes() == b"{}\n[]\n"


def test_of_two_writers_of_one_number_the_first_wins(tmp_path: Path) -> None:
    first, second = Batches(tmp_path), Batches(tmp_path)
    assert first.commit(1, "5-0", {"a": [b"1"]})
    assert not second.commit(1, "6-0", {"a": [b"2"], "b": [b"2"]})
    assert _names(tmp_path) == ["000000000001/a", "000000000001/offset.json"]
    assert second.newest() == (1, "5-0")


def test_nothing_is_visible_of_a_batch_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = Batches(tmp_path)

    def full(path: Path, content: bytes) -> None:
        path.write_bytes(content[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file_batches, "write", full)
    with pytest.raises(OSError, match="No space left"):
        files.commit(1, "5-0", {"a": [b"1"]})
    assert _names(tmp_path) == []
    assert files.newest() == (0, None)


def test_what_a_killed_writer_left_is_no_batch_and_is_swept(tmp_path: Path) -> None:
    files = Batches(tmp_path)
    left = tmp_path / ".0f"
    left.mkdir()
    (left / "a").write_text("half")
    (tmp_path / "notes").mkdir()
    assert files.newest() == (0, None)
    _age(left, 100)
    files.sweep(before=99)
    assert left.exists(), "it may be in use"
    files.sweep(before=101)
    assert not left.exists()


@pytest.mark.parametrize("text", ["", "{}", '{"through": 5}', '{"through": "x-0"}', "[]"])
def test_a_damaged_offset_stops_the_writer(tmp_path: Path, text: str) -> None:
    files = Batches(tmp_path)
    files.commit(1, "5-0", {})
    (tmp_path / "000000000001" / "offset.json").write_text(text)
    with pytest.raises(BatchesDamaged, match=r"offset\.json cannot be read.*restore it"):
        files.newest()


def _aged(root: Path, count: int) -> Batches:
    files = Batches(root)
    for number in range(1, count + 1):
        files.commit(number, f"{number}-0", {"a": [b"1"]})
        _age(root / f"{number:012d}", number * 100)
    return files


def test_retention_removes_old_batches_but_the_newest(tmp_path: Path) -> None:
    files = _aged(tmp_path, 3)
    assert files.remove_before(150, through=9) == 0
    assert files.numbers() == [2, 3]
    assert files.remove_before(1000, through=9) == 0
    assert files.newest() == (3, "3-0")
    assert [path.name for path in tmp_path.iterdir()] == ["000000000003"]


def test_retention_keeps_what_was_not_read_and_counts_it(tmp_path: Path) -> None:
    files = _aged(tmp_path, 5)
    assert files.remove_before(350, through=1) == 2
    assert files.numbers() == [2, 3, 4, 5]
    assert files.remove_before(350, through=0) == 2
    assert files.remove_before(350, through=5) == 0
    assert files.numbers() == [4, 5]


def test_retention_removes_a_bounded_number_of_batches_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_batches, "MOST_REMOVED", 2)
    files = _aged(tmp_path, 5)
    assert files.remove_before(1000, through=9) == 0
    assert files.numbers() == [3, 4, 5]
    files.remove_before(1000, through=9)
    assert files.numbers() == [5]
