"""The rows of mapped files become those of the tables, with the features that are declared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recommender_contract.resource.mapping import Format
from recommender_examples import synthetic
from recommender_training.config.feature_schema import FeatureTable
from recommender_training.data import lake, version_content
from recommender_training.ingestion import ingest, raw
from tests.integration.training.mapped_events import AGE, FORMATS, ROWS, failure
from tests.mapped_files import (
    EVENTS,
    EXTENSIONS,
    INTERACTIONS,
    START,
    check,
    declare,
    event,
    reasons,
    table,
    write,
)


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
    read = version_content.read_version(path, result.data_version)
    assert read.interactions.height == 3


def test_partitions_can_be_hourly(folders: tuple[Path, Path]) -> None:
    source, path = folders
    write(source / "events/a.csv", [event(1, 10, START + 3600 * hour) for hour in (0, 13)])
    result = check(source, path, declare(partitionBy="Hour"))
    dates = table(path, "interactions").sort("timestamp")["event_date"].to_list()
    assert dates == ["2026-01-01T00", "2026-01-01T13"]
    assert version_content.read_version(path, result.data_version).interactions.height == 2
    write(source / "events/b.csv", [event(1, 10, START + 3600 * hour) for hour in (13, 14)])
    assert check(source, path, declare()).new_rows == 1


def test_a_segment_can_be_any_text(folders: tuple[Path, Path]) -> None:
    source, path = folders
    names = ["gold/plus", "prämie, neu", "a b=c%20"]
    write(source / "events/a.csv", [event(n, 1, START, segment=s) for n, s in enumerate(names)])
    result = check(source, path, declare(interactions=INTERACTIONS | {"segment": "segment"}))
    found = version_content.read_version(path, result.data_version).interactions
    assert set(found["segment"].to_list()) == set(names)


def test_another_event_type_at_the_same_time_is_another_event(folders: tuple[Path, Path]) -> None:
    source, path = folders
    rows = [event(1, 10, START, None, event=what) for what in ("view", "buy", "view")]
    write(source / "events/a.csv", rows)
    mapping = declare(interactions=EVENTS | {"session": None, "segment": None, "value": None})
    assert check(source, path, mapping).rows == 2
    assert sorted(table(path, "interactions")["value"].to_list()) == [2.0, 5.0]
    assert reasons(path) == {"DuplicateEvent": 1}


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
    before = ingest.ingest_and_check(tmp_path / "ml", path, kind=Format.MOVIELENS_100K)
    write(source / "events/a.csv", ROWS)
    both = check(source, path, declare())
    assert (both.rows, both.new_rows) == (before.rows + 3, 3)
    again = ingest.ingest_and_check(tmp_path / "ml", path, kind=Format.MOVIELENS_100K)
    assert (again.rows, again.new_rows) == (both.rows, 0)
    (tmp_path / "ml" / "late.inter").write_text(
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t2\t4\t899000000\n"
    )
    last = ingest.ingest_and_check(tmp_path / "ml", path, kind=Format.MOVIELENS_100K)
    assert (
        version_content.read_version(path, last.data_version).interactions.height == both.rows + 1
    )
    assert (
        version_content.read_version(path, before.data_version).interactions.height == before.rows
    )


def test_movielens_by_mapping_gives_the_same_tables(tmp_path: Path) -> None:
    source = tmp_path / "ml"
    synthetic.generate(source, synthetic.Size(30, 20, 300), seed=2)
    shipped = raw.declaration()

    def of(place: FeatureTable) -> list[dict[str, Any]]:
        ends = {"genre": "class:token_seq"}
        return [
            each.model_dump(mode="json", by_alias=True, exclude_defaults=True)
            | {"column": ends.get(each.name, f"{each.name}:token")}
            for each in shipped.of(place)
        ]

    mapping = declare(
        interactions={"files": "*.inter", "user": "user_id:token", "item": "item_id:token",
                      "timestamp": "timestamp:float", "value": "rating:float"},
        users={"files": "*.user", "id": "user_id:token", "features": of(FeatureTable.USERS)},
        items={"files": "*.item", "id": "item_id:token", "title": "movie_title:token_seq",
               "features": of(FeatureTable.ITEMS)},
        csv={"delimiter": "\t", "quote": "\x01"},
    )  # fmt: skip
    own = ingest.ingest_and_check(source, tmp_path / "own", kind=Format.MOVIELENS_100K)
    mapped = check(source, tmp_path / "mapped", mapping)
    one = version_content.read_version(tmp_path / "own", own.data_version)
    other = version_content.read_version(tmp_path / "mapped", mapped.data_version)
    for name in ("interactions", "users", "items"):
        assert getattr(one, name).equals(getattr(other, name))


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
