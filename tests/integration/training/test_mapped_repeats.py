"""Mapped files are ingested once, completely or not at all, in one stretch or in many."""

from __future__ import annotations

from pathlib import Path

import pytest
from deltalake import DeltaTable

from recommender_training.data import lake, version_content
from recommender_training.ingestion import readers, staged_rows
from tests.integration.training.mapped_events import ROWS
from tests.mapped_files import INTERACTIONS, START, check, declare, event, table, write


def test_the_same_content_is_read_once_whatever_its_name(folders: tuple[Path, Path]) -> None:
    source, path = folders
    write(source / "events/a.csv", [*ROWS, event("x", 1, START)])
    first = check(source, path, declare())
    (source / "events/a.csv").rename(source / "events/b.csv")
    write(source / "events/copy.csv", [*ROWS, event("x", 1, START)])
    again = check(source, path, declare())
    assert again.data_version == first.data_version
    assert (first.new_rows, again.new_rows) == (3, 0)
    assert again.quarantined_rows == first.quarantined_rows == 1
    assert table(path, "quarantine").height == 1
    assert table(path, "batches").rows()[0][2:] == ("events/a.csv", 4, 3, 0, 1)
    for name in ("interactions", "users", "items", "batches"):
        assert DeltaTable(str(path / name)).version() == 0


def test_late_rows_are_added_to_their_partition_as_a_new_version(
    folders: tuple[Path, Path],
) -> None:
    source, path = folders
    write(source / "events/a.csv", ROWS)
    first = check(source, path, declare())
    write(source / "events/b.csv", [event(5, 10, START + 7), event(1, 10, START, 5)])
    second = check(source, path, declare())
    assert (second.rows, second.new_rows, second.quarantined_rows) == (4, 1, 0)
    delta = DeltaTable(str(path / "interactions"))
    assert delta.metadata().partition_columns == ["event_date", "segment"]
    days = table(path, "interactions").group_by("event_date").len().sort("event_date")
    assert days.rows() == [("2026-01-01", 3), ("2026-01-02", 1)]
    assert version_content.read_version(path, first.data_version).interactions.height == 3
    assert version_content.read_version(path, second.data_version).interactions.height == 4
    assert table(path, "batches")["known_rows"].to_list() == [1, 0]


def test_a_check_killed_before_its_record_can_be_repeated(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, path = folders
    write(source / "events/a.csv", [*ROWS, ROWS[0]])
    append = lake.append

    def killed(where: Path, name: str, *rest: object) -> int:
        if name == "batches":
            raise KeyboardInterrupt
        return append(where, name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(lake, "append", killed)
    with pytest.raises(KeyboardInterrupt):
        check(source, path, declare())
    monkeypatch.setattr(lake, "append", append)
    result = check(source, path, declare())
    assert (result.rows, result.new_rows, result.quarantined_rows) == (3, 0, 1)
    assert table(path, "interactions").height == 3
    assert table(path, "quarantine").height == 1
    assert table(path, "batches")["known_rows"].to_list() == [3]
    assert not (path / ".staging").exists()


def test_many_stretches_and_commits_give_the_same_tables_as_one(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, path = folders
    rows = [event(n % 7, n % 5, START + 1801 * (n % 90), 1 + n % 5) for n in range(400)]
    for part in range(4):
        write(source / f"events/{part}.csv", rows[part::4])
    one = check(source, tmp_path / "one", declare())
    monkeypatch.setattr(lake, "PART_ROWS", 50)
    monkeypatch.setattr(readers, "BATCH_ROWS", 7)
    monkeypatch.setattr(staged_rows, "STRETCH_ROWS", 20)
    many = check(source, path, declare())
    assert (many.rows, many.new_rows, many.quarantined_rows) == (
        one.rows,
        one.new_rows,
        one.quarantined_rows,
    )
    assert many.data_version[-16:] == one.data_version[-16:]
    assert int(many.data_version[1:].split(".")[0]) > 5
    assert version_content.read_version(path, many.data_version).interactions.height == one.rows


def test_no_second_at_the_end_of_a_stretch_is_lost(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, path = folders
    monkeypatch.setattr(staged_rows, "STRETCH_ROWS", 1)
    times = [START + offset for offset in (0, 3599, 3600, 7199, 86_399, 86_400)]
    write(source / "events/a.csv", [event(1, 1, time) for time in times])
    assert check(source, path, declare()).rows == len(times)
    assert sorted(table(path, "interactions")["timestamp"].to_list()) == times


def test_two_copies_of_a_file_are_one_batch(folders: tuple[Path, Path]) -> None:
    source, path = folders
    for name in ("a", "b"):
        write(source / f"events/{name}.csv", ROWS)
    check(source, path, declare())
    assert table(path, "batches")["file"].to_list() == ["events/a.csv"]


def test_a_file_is_read_again_under_another_mapping(folders: tuple[Path, Path]) -> None:
    source, path = folders
    write(source / "events/a.csv", [{**row, "other": 10 + row["user"]} for row in ROWS])
    check(source, path, declare())
    result = check(source, path, declare(interactions=INTERACTIONS | {"user": "other"}))
    assert (result.rows, result.new_rows) == (6, 3)
    assert set(table(path, "interactions")["user_id"].to_list()) == {1, 2, 11, 12}


def test_unfinished_files_and_outside_links_are_ignored(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    source, path = folders
    write(source / "events/a.csv", ROWS)
    write(source / "events/.b.csv", [event(3, 3, START)])
    write(source / "events/_SUCCESS.csv", [event(4, 4, START)])
    write(tmp_path / "elsewhere.csv", [event(5, 5, START)])
    (source / "events/link.csv").symlink_to(tmp_path / "elsewhere.csv")
    assert check(source, path, declare()).rows == 3
