"""`init` takes files that look alike as one table, and finds what belongs to items."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recommender_training.cli import main
from recommender_training.ingestion import ingest
from recommender_training.ingestion.mapping_argument import parse_mapping
from recommender_training.ingestion.propose import Proposal
from tests.mapped_files import write
from tests.unit.recommender_training.ingestion.test_mapping_trial import ga4, ratings, rees46
from tests.unit.recommender_training.ingestion.test_propose import kinds, proposed


def checked(tmp_path: Path, found: Proposal) -> ingest.CheckResult:
    mapping = parse_mapping(json.dumps(found.mapping), found.kind)
    return ingest.ingest_and_check(
        tmp_path / "raw", tmp_path / "lake", kind=found.kind, mapping=mapping
    )


@pytest.mark.parametrize(
    ("names", "others", "pattern"),
    [
        (("2026-Oct.csv", "2026-Nov.csv"), (), "2026-*.csv"),
        (("2025-12.csv", "2026-01.csv"), ("items.csv",), "[0-9]*.csv"),
        (("part_1.parquet", "part_2.parquet", "part_10.parquet"), (), "part_*.parquet"),
        (("october.jsonl", "november.jsonl"), (), "*.jsonl"),
    ],
)
def test_files_that_differ_in_numbers_or_months_are_one_table(
    tmp_path: Path, names: tuple[str, ...], others: tuple[str, ...], pattern: str
) -> None:
    for place, name in enumerate(names):
        write(tmp_path / "raw" / name, [ratings(n + 100 * place) for n in range(50)])
    for name in others:
        write(tmp_path / "raw" / name, [{"movieId": n, "price": n} for n in range(7)])
    found = proposed(tmp_path / "raw")
    assert found.mapping["interactions"]["files"] == pattern
    assert not found.unused
    assert checked(tmp_path, found).rows == 50 * len(names)


def test_a_file_that_no_pattern_takes_alone_is_left_out_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, column in (("Oct.csv", "rating"), ("Nov.csv", "rating"), ("notes.csv", "note")):
        write(tmp_path / "raw" / name, [{**ratings(n), column: 4} for n in range(9)])
    found = proposed(tmp_path / "raw")
    assert found.mapping["interactions"]["files"] == "Nov.csv"
    assert [each.partition(" ")[0] for each in found.unused] == ["Oct.csv", "notes.csv"]
    assert main.main(["init", str(tmp_path / "raw")]) == 0
    assert "left out: Oct.csv (columns userId, movieId" in capsys.readouterr().out


def test_columns_with_one_value_per_item_are_features_of_items(tmp_path: Path) -> None:
    rows = [{**rees46(n), "page": f"p{n % 3}"} for n in range(400)]
    rows[200] |= {"price": 99.5}  # a price may change
    write(tmp_path / "raw/2026-Oct.csv", rows)
    found = proposed(tmp_path / "raw")
    items = found.mapping["items"]
    assert (items["files"], items["id"]) == ("2026-Oct.csv", "product_id")
    assert kinds(found, "items") == {
        "category_code": "Categorical", "brand": "Categorical", "price": "Numeric",
    }  # fmt: skip
    assert kinds(found, "interactions") == {"page": "Categorical"}
    assert checked(tmp_path, found).quarantined_rows == 0


def test_the_name_of_an_item_in_the_log_is_its_title(tmp_path: Path) -> None:
    write(tmp_path / "raw/log.csv", [ga4(n) for n in range(200)])
    found = proposed(tmp_path / "raw")
    assert found.mapping["items"]["title"] == "item_name"
    assert {*kinds(found, "items")} == {"item_category", "price"}
    assert "device" in kinds(found, "interactions")


def test_a_column_of_users_that_see_one_item_again_is_none_of_items(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {**ratings(n), "userId": n // 20, "movieId": n // 10, "tier": f"t{n // 20 % 2}"}
        for n in range(400)
    ]
    write(tmp_path / "raw/log.csv", rows)
    assert "items" not in proposed(tmp_path / "raw").mapping


def test_what_the_log_says_of_items_that_have_a_table_is_to_be_added_there(tmp_path: Path) -> None:
    write(tmp_path / "raw/log.csv", [rees46(n) for n in range(200)])
    things = [{"product_id": 1_003_461 + n, "weight": n} for n in range(7)]
    write(tmp_path / "raw/things.csv", things)
    found = proposed(tmp_path / "raw")
    assert found.mapping["items"]["files"] == "things.csv"
    (line,) = (line for line in found.lines if line.column == "price")
    assert line.warning == "one value for each item: left out; add it to things.csv"


@pytest.mark.parametrize("name", ["id", "code"])
def test_a_key_with_the_ids_of_the_log_is_found_by_its_values(tmp_path: Path, name: str) -> None:
    rows = [{**ratings(n), "movieId": 500 + n % 7} for n in range(60)]
    write(tmp_path / "raw/log.csv", rows)
    vectors = [
        {name: 500 + n, "title": f"Film {n}", "text": " ".join(f"{n}.{k}" for k in range(80))}
        for n in range(9)
    ]
    write(tmp_path / "raw/films.csv", vectors)
    write(tmp_path / "raw/people.csv", [{"id": n, "age": 20 + n} for n in range(11)])
    found = proposed(tmp_path / "raw")
    assert (found.mapping["items"]["files"], found.mapping["items"]["id"]) == ("films.csv", name)
    (vector,) = found.mapping["items"]["features"]
    assert vector == {"name": "text", "kind": "Embedding", "length": 80}
    assert found.mapping["users"]["files"] == "people.csv"
    assert checked(tmp_path, found).quarantined_rows == 0
