"""Lines leave a file in short steps; a kill or another writer leaves it whole."""

from __future__ import annotations

import os
from pathlib import Path

import orjson
import pytest

from recommender_collector.domain import file_rows
from recommender_collector.writers import removal


def _finder(*users: int | str) -> removal.Finder:
    return removal.Finder(users, lambda line, of: file_rows.is_row_of(line, "user", of))


def _row(user: int | str) -> bytes:
    return orjson.dumps({"user": user, "items": ["ada", 7]})


def _write(path: Path, *lines: bytes) -> None:
    path.write_bytes(b"".join(line + b"\n" for line in lines))


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(removal, "BLOCK", 64)
    return tmp_path / "events.jsonl"


def test_the_lines_of_users_go_and_the_others_stay(path: Path) -> None:
    lines = [_row(f"u{number % 5}") for number in range(50)]
    _write(path, *lines)
    os.utime(path.parent, (100, 100))
    assert sum(removal.steps(path, _finder("u2", "u4").without)) == 20
    assert path.read_bytes().splitlines() == [
        _row(f"u{number % 5}") for number in range(50) if number % 5 not in (2, 4)
    ]
    assert [each.name for each in path.parent.iterdir()] == ["events.jsonl"]
    assert path.parent.stat().st_mtime == 100, "a removal does not make a batch younger"


def test_a_file_without_the_user_is_not_written(path: Path) -> None:
    _write(path, _row("eve"), _row(77), b"half of a li")
    before = path.stat()
    assert sum(removal.steps(path, _finder("ada", 7).without)) == 0
    assert path.stat() == before


def test_a_file_of_the_user_alone_goes(path: Path) -> None:
    _write(path, _row(7), _row(7))
    assert sum(removal.steps(path, _finder(7).without)) == 2
    assert [*path.parent.iterdir()] == []
    assert sum(removal.steps(path, _finder(7).without)) == 0


def test_a_user_is_found_however_the_id_is_written(path: Path) -> None:
    _write(path, b'{ "user" : "zo\\u00eb" }', '{"user":"zo\u00eb"}'.encode(), _row("eve"))
    assert sum(removal.steps(path, _finder("zo\u00eb").without)) == 2
    assert path.read_bytes() == _row("eve") + b"\n"


def test_a_damaged_line_goes_with_the_user_whose_id_it_has(path: Path) -> None:
    _write(path, b'{"user":"ada","it', b'{"user":"eve","it')
    assert sum(removal.steps(path, _finder("ada").without)) == 1
    assert path.read_bytes() == b'{"user":"eve","it\n'


def test_many_users_are_erased_as_one_is(path: Path) -> None:
    users = [f"u{number}" for number in range(100)]
    _write(path, *map(_row, users), _row("eve"))
    assert sum(removal.steps(path, _finder(*users).without)) == 100
    assert path.read_bytes() == _row("eve") + b"\n"


def test_a_removal_that_is_killed_in_any_step_leaves_the_file_whole(path: Path) -> None:
    lines = [_row(f"u{number % 3}") for number in range(9)]
    _write(path, *lines)
    whole = path.read_bytes()
    total = len([*removal.steps(path, _finder("u1").without)])
    erased = path.read_bytes()
    for killed in range(total):
        path.write_bytes(whole)
        steps = removal.steps(path, _finder("u1").without)
        for _ in range(killed):
            next(steps)
        steps.close()  # type: ignore[attr-defined]
        assert path.read_bytes() in (whole, erased)
        assert [*removal.steps(path, _finder("u1").without)]
        assert path.read_bytes() == erased


def test_two_writers_do_not_replace_a_file_at_once(path: Path) -> None:
    _write(path, *[_row(f"u{number % 3}") for number in range(30)])
    slow = removal.steps(path, _finder("u1").without)
    for _ in range(12):
        next(slow)
    with pytest.raises(FileExistsError):
        sum(removal.steps(path, _finder("u2").without))
    assert sum(slow) == 10
    assert sum(removal.steps(path, _finder("u2").without)) == 10
    assert {*path.read_bytes().splitlines()} == {_row("u0")}


def test_a_writer_that_stood_still_does_not_replace_a_file_after_another(path: Path) -> None:
    _write(path, *[_row(f"u{number % 3}") for number in range(30)])
    frozen = removal.steps(path, _finder("u1").without)
    for _ in range(12):
        next(frozen)
    os.utime(path.with_name(".events.jsonl"), (1, 1))
    other = removal.steps(path, _finder("u2").without)
    for _ in range(12):
        next(other)
    with pytest.raises(FileExistsError):
        sum(frozen)
    assert sum(other) == 10
    assert {*path.read_bytes().splitlines()} == {_row("u0"), _row("u1")}
    assert [each.name for each in path.parent.iterdir()] == ["events.jsonl"]


def test_what_a_killed_writer_left_is_removed_also_without_the_user(path: Path) -> None:
    _write(path, _row("eve"))
    part = path.with_name(".events.jsonl")
    _write(part, _row("eve"))
    assert sum(removal.steps(path, _finder("ada").without)) == 0
    assert part.exists(), "it may be in use"
    os.utime(part, (1, 1))
    assert sum(removal.steps(path, _finder("eve").without)) == 1
    assert [*path.parent.iterdir()] == []


def test_each_step_reads_at_most_a_block_and_a_line(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [_row(f"user{number:04}") for number in range(200)]
    _write(path, *lines)
    seen: list[int] = []

    def without(block: bytes) -> bytes:
        seen.append(len(block))
        return block

    for number, _ in enumerate(removal.steps(path, without), start=1):
        assert len(seen) == number
    assert max(seen) <= removal.BLOCK + len(lines[0]) + 1
    assert sum(seen) == path.stat().st_size
