"""Mapped files are ingested once, completely or not at all, and no row is dropped silently."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable

from recommender_training.common.errors import InputError
from recommender_training.config.declaration import Place
from recommender_training.data import lake, ordered, version_content
from recommender_training.ingestion import ingest, mapped, raw, readers, staging
from recommender_training.ingestion.mapping import Format
from recommender_training.samples import synthetic
from tests.mapped_files import (
    EVENTS,
    EXTENSIONS,
    INTERACTIONS,
    NOW,
    START,
    check,
    declare,
    event,
    reasons,
    table,
    write,
)

FORMATS = list(EXTENSIONS)
ROWS = [event(1, 10, START, 5), event(2, 11, START + 60, 1), event(1, 11, START + 86_400, 3)]
AGE = {"name": "age", "kind": "Numeric", "edges": [25, 45], "fairness": True}


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "raw", tmp_path / "lake"


def failure(source: Path, path: Path, *arguments: object, **options: object) -> InputError:
    with pytest.raises(InputError) as caught:
        check(source, path, *arguments, **options)  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize("kind", FORMATS)
def test_events_are_read_with_attributes_of_users_and_items(
    folders: tuple[Path, Path], kind: Format
) -> None:
    source, path = folders
    end = EXTENSIONS[kind]
    rows = [
        {**row, "event": what, "session": "s-1", "segment": None}
        for row, what in zip(ROWS, ("buy", "view", "view"), strict=True)
    ]
    write(source / f"events/a.{end}", rows)
    write(source / f"people.{end}", [{"id": 1, "years": 30, "sex": "F", "job": "cook, head"}])
    tags = ["Science Fiction", "War"] if kind is not Format.CSV else "Science Fiction|War"
    write(source / f"things.{end}", [{"id": 10, "name": 'A "b", ü', "tags": tags, "year": 1999}])
    mapping = declare(
        kind,
        interactions=EVENTS,
        users={"files": "people.*", "id": "id", "features": [
            {"name": "age", "kind": "Numeric", "column": "years", "edges": [25, 35],
             "fairness": True},
            {"name": "gender", "kind": "Categorical", "column": "sex"},
            {"name": "job", "kind": "Categorical"},
        ]},
        items={"files": "things.*", "id": "id", "title": "name", "features": [
            {"name": "year", "kind": "Timestamp", "unit": "Year"},
            {"name": "tag", "kind": "MultiCategorical", "column": "tags", "separator": "|"},
        ]},
    )  # fmt: skip
    result = check(source, path, mapping, kind, share=0.0)
    assert (result.rows, result.new_rows, result.quarantined_rows) == (3, 3, 0)
    assert lake.sort("interactions", table(path, "interactions")).rows() == [
        (1, 10, 5.0, START, "2026-01-01", "25-34", "buy", "s-1"),
        (2, 11, 1.0, START + 60, "2026-01-01", "unknown", "view", "s-1"),
        (1, 11, 3.0, START + 86_400, "2026-01-02", "25-34", "view", "s-1"),
    ]
    assert table(path, "users").sort("user_id").rows() == [
        (1, 30.0, "F", "cook, head", "25-34"),
        (2, None, None, None, "unknown"),
    ]
    assert table(path, "items").sort("item_id").rows() == [
        (10, 'A "b", ü', 915_148_800, "Science-Fiction War"),
        (11, None, None, None),
    ]
    read = version_content.read(path, result.data_version)
    assert read.interactions.height == 3


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
    assert version_content.read(path, first.data_version).interactions.height == 3
    assert version_content.read(path, second.data_version).interactions.height == 4
    assert table(path, "batches")["known_rows"].to_list() == [1, 0]


def test_partitions_can_be_hourly(folders: tuple[Path, Path]) -> None:
    source, path = folders
    write(source / "events/a.csv", [event(1, 10, START + 3600 * hour) for hour in (0, 13)])
    result = check(source, path, declare(partitionBy="Hour"))
    dates = table(path, "interactions").sort("timestamp")["event_date"].to_list()
    assert dates == ["2026-01-01T00", "2026-01-01T13"]
    assert version_content.read(path, result.data_version).interactions.height == 2
    write(source / "events/b.csv", [event(1, 10, START + 3600 * hour) for hour in (13, 14)])
    assert check(source, path, declare()).new_rows == 1


def test_a_segment_can_be_any_text(folders: tuple[Path, Path]) -> None:
    source, path = folders
    names = ["gold/plus", "prämie, neu", "a b=c%20"]
    write(source / "events/a.csv", [event(n, 1, START, segment=s) for n, s in enumerate(names)])
    result = check(source, path, declare(interactions=INTERACTIONS | {"segment": "segment"}))
    found = version_content.read(path, result.data_version).interactions
    assert set(found["segment"].to_list()) == set(names)


def test_too_many_segments_are_refused(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, path = folders
    monkeypatch.setattr(mapped, "MAX_SEGMENTS", 2)
    write(source / "events/a.csv", [event(n, 1, START, who=f"u{n}") for n in range(4)])
    mapping = declare(interactions=INTERACTIONS | {"segment": "who"})
    error = failure(source, path, mapping)
    assert error.reason == "TooManySegments"
    assert "u0, u1, u2" in error.message
    assert lake.newest(path, "interactions") is None


def test_a_repeated_event_is_kept_once_and_the_others_are_quarantined(
    folders: tuple[Path, Path],
) -> None:
    source, path = folders
    write(source / "events/a.csv", [*ROWS, ROWS[0], event(1, 10, START, 2)])
    write(source / "events/b.csv", [ROWS[1], event(1, 11, START + 86_400, 4)])
    result = check(source, path, declare())
    assert (result.rows, result.new_rows, result.quarantined_rows) == (3, 3, 3)
    found = table(path, "quarantine").sort("file", "line").select("file", "line", "row", "reason")
    assert found.rows() == [
        ("events/a.csv", 5, f"1,10,{START},5", "DuplicateEvent"),
        ("events/a.csv", 6, f"1,10,{START},2", "DuplicateEvent"),
        ("events/b.csv", 3, f"1,11,{START + 86_400},4", "ConflictingEvent"),
    ]
    assert table(path, "batches").sort("file")["known_rows"].to_list() == [0, 1]


def test_another_event_type_at_the_same_time_is_another_event(folders: tuple[Path, Path]) -> None:
    source, path = folders
    rows = [event(1, 10, START, None, event=what) for what in ("view", "buy", "view")]
    write(source / "events/a.csv", rows)
    mapping = declare(interactions=EVENTS | {"session": None, "segment": None, "value": None})
    assert check(source, path, mapping).rows == 2
    assert sorted(table(path, "interactions")["value"].to_list()) == [2.0, 5.0]
    assert reasons(path) == {"DuplicateEvent": 1}


def test_too_many_bad_rows_reject_the_whole_source(folders: tuple[Path, Path]) -> None:
    source, path = folders
    write(source / "events/a.csv", ROWS)
    write(source / "events/b.csv", [event(1, 10, (START + n) * 1000) for n in range(5)])
    for _ in range(2):
        error = failure(source, path, declare(), share=0.5)
        assert error.reason == "TooManyQuarantinedRows"
        assert "5 of 8 rows of interactions" in error.message
        assert "TimestampLooksLikeMilliseconds 5" in error.message
        assert "set timestampUnit of the mapping to Milliseconds" in error.message
        assert "events/b.csv line 2" in error.message
    assert lake.newest(path, "interactions") is None
    assert table(path, "batches").height == 0
    assert table(path, "quarantine").height == 5
    fixed = declare(interactions=INTERACTIONS | {"timestampUnit": "Milliseconds"})
    error = failure(source, path, fixed, share=0.3)
    assert "TimestampLooksLikeSeconds 3" in error.message


def test_rows_quarantined_by_an_earlier_check_count_in_the_next(
    folders: tuple[Path, Path],
) -> None:
    source, path = folders
    write(source / "events/a.csv", [*ROWS, event("x", 1, START)])
    check(source, path, declare(), share=0.25)
    error = failure(source, path, declare(), share=0.24)
    assert error.reason == "TooManyQuarantinedRows"
    assert "1 of 4 rows of interactions" in error.message


def test_text_ids_are_refused_with_the_remedy(folders: tuple[Path, Path]) -> None:
    source, path = folders
    write(source / "events/a.csv", [event('smith, "jo" é', 10, START), *ROWS])
    error = failure(source, path, declare(), share=0.01)
    assert "BadUserId 1" in error.message
    assert "for text ids, set ids.user of the mapping to Text" in error.message
    assert table(path, "quarantine")["row"].to_list() == [f'"smith, ""jo"" é",10,{START},5']


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
    monkeypatch.setattr(ordered, "PART_ROWS", 50)
    monkeypatch.setattr(readers, "BATCH_ROWS", 7)
    monkeypatch.setattr(staging, "STRETCH_ROWS", 20)
    many = check(source, path, declare())
    assert (many.rows, many.new_rows, many.quarantined_rows) == (
        one.rows,
        one.new_rows,
        one.quarantined_rows,
    )
    assert many.data_version[-16:] == one.data_version[-16:]
    assert int(many.data_version[1:].split(".")[0]) > 5
    assert version_content.read(path, many.data_version).interactions.height == one.rows


def test_no_second_at_the_end_of_a_stretch_is_lost(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, path = folders
    monkeypatch.setattr(staging, "STRETCH_ROWS", 1)
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


def test_the_last_row_of_a_user_counts_and_is_remembered(folders: tuple[Path, Path]) -> None:
    source, path = folders
    write(source / "events/a.csv", ROWS[:1])
    write(source / "people/1.csv", [{"id": 1, "age": 20}, {"id": 1, "age": 30}])
    check(source, path, declare(users={"files": "people/*", "id": "id", "features": [AGE]}))
    assert table(path, "users").rows() == [(1, 30.0, "25-44")]
    write(source / "events/b.csv", ROWS[2:])
    check(source, path, declare())
    assert table(path, "interactions")["segment"].to_list() == ["25-44", "25-44"]


def test_one_lake_accepts_movielens_and_mapped_files(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    source, path = folders
    synthetic.generate(tmp_path / "ml", synthetic.Size(20, 10, 100), seed=1)
    before = ingest.check(tmp_path / "ml", path)
    write(source / "events/a.csv", ROWS)
    both = check(source, path, declare())
    assert (both.rows, both.new_rows) == (before.rows + 3, 3)
    again = ingest.check(tmp_path / "ml", path)
    assert (again.rows, again.new_rows) == (both.rows, 0)
    (tmp_path / "ml" / "late.inter").write_text(
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t2\t4\t899000000\n"
    )
    last = ingest.check(tmp_path / "ml", path)
    assert version_content.read(path, last.data_version).interactions.height == both.rows + 1
    assert version_content.read(path, before.data_version).interactions.height == before.rows


def test_movielens_by_mapping_gives_the_same_tables(tmp_path: Path) -> None:
    source = tmp_path / "ml"
    synthetic.generate(source, synthetic.Size(30, 20, 300), seed=2)
    shipped = raw.declaration()

    def of(place: Place) -> list[dict[str, Any]]:
        ends = {"genre": "class:token_seq"}
        return [
            each.model_dump(mode="json", by_alias=True, exclude_defaults=True)
            | {"column": ends.get(each.name, f"{each.name}:token")}
            for each in shipped.of(place)
        ]

    mapping = declare(
        interactions={"files": "*.inter", "user": "user_id:token", "item": "item_id:token",
                      "timestamp": "timestamp:float", "value": "rating:float"},
        users={"files": "*.user", "id": "user_id:token", "features": of(Place.USERS)},
        items={"files": "*.item", "id": "item_id:token", "title": "movie_title:token_seq",
               "features": of(Place.ITEMS)},
        csv={"delimiter": "\t", "quote": "\x01"},
    )  # fmt: skip
    own = ingest.check(source, tmp_path / "own")
    mapped = check(source, tmp_path / "mapped", mapping)
    one = version_content.read(tmp_path / "own", own.data_version)
    other = version_content.read(tmp_path / "mapped", mapped.data_version)
    for name in ("interactions", "users", "items"):
        assert getattr(one, name).equals(getattr(other, name))


@pytest.mark.parametrize("kind", FORMATS)
def test_empty_or_missing_files_are_named(folders: tuple[Path, Path], kind: Format) -> None:
    source, path = folders
    source.mkdir()
    error = failure(source, path, declare(kind), kind)
    assert (error.reason, "events/*" in error.message) == ("DataMissing", True)
    file = source / "events" / f"a.{EXTENSIONS[kind]}"
    file.parent.mkdir()
    file.touch()
    error = failure(source, path, declare(kind), kind)
    assert error.reason == "UnreadableData"
    assert f"{file} is empty" in error.message


def test_a_file_of_two_tables_is_refused(folders: tuple[Path, Path]) -> None:
    source, path = folders
    write(source / "events/a.csv", ROWS)
    error = failure(source, path, declare(users={"files": "events/a*", "id": "user"}))
    assert error.reason == "InvalidMapping"
    assert "a.csv" in error.message


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


def test_a_changed_user_table_reaches_users_that_only_events_had_named(
    folders: tuple[Path, Path],
) -> None:
    source, path = folders
    write(source / "events/a.csv", ROWS)
    first = check(source, path, declare())
    write(source / "people.csv", [{"id": 2, "age": 50}])
    mapping = declare(users={"files": "people.csv", "id": "id", "features": [AGE]})
    second = check(source, path, mapping)
    assert second.new_rows == 0
    assert second.data_version != first.data_version
    assert table(path, "users").filter(pl.col("user_id") == 2).row(0)[1] == 50


def test_the_window_and_its_rows_come_from_the_lake(folders: tuple[Path, Path]) -> None:
    source, path = folders
    write(source / "events/a.csv", ROWS)
    result = check(source, path, declare(), window_days=1)
    assert (result.rows, result.window_end) == (2, "2026-01-02T00:00:00Z")
    error = failure(source, path, declare(), min_rows=4)
    assert error.reason == "TooFewRows"


def test_future_events_are_quarantined(folders: tuple[Path, Path]) -> None:
    source, path = folders
    write(source / "events/a.csv", [*ROWS, event(1, 1, NOW + 86_400), event(1, 1, NOW + 86_401)])
    assert check(source, path, declare()).rows == 4
    assert reasons(path) == {"FutureTimestamp": 1}
