"""`init` proposes a mapping that a check accepts, from the first rows of raw files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recommender_training.cli import main
from recommender_training.common.errors import InputError
from recommender_training.data import lake
from recommender_training.ingestion import ingest, look, propose
from recommender_training.ingestion.mapping import Format, parse_mapping
from recommender_training.samples import shop
from recommender_training.samples.shop_settings import RawFormat, Settings
from tests.mapped_files import START, write

EVENTS = [
    {"customer_id": f"c{n % 3}", "sku": n, "created_at": START + n, "event": "view",
     "device": "phone", "position": n % 4 + 1, "tags_seen": "a|b"}
    for n in range(30)
]  # fmt: skip
PEOPLE = [
    {"customer_id": f"c{n}", "age": 20 + n, "newsletter": "true", "Home Town": "Bern",
     "segment": "a", "signed_up": "2020-01-01"}
    for n in range(3)
]  # fmt: skip
THINGS = [
    {"sku": n, "name": f"Thing {n}", "tags": "a|b", "year": 1990 + n, "price": n / 3,
     "brand": "x", "text": f"all about {n} " * 9, "id": n}
    for n in range(30)
]  # fmt: skip


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write(tmp_path / "raw/clicks/1.csv", EVENTS)
    write(tmp_path / "raw/people.csv", PEOPLE)
    write(tmp_path / "raw/things.csv", THINGS)
    return tmp_path / "raw"


def proposed(source: Path) -> propose.Proposal:
    return propose.propose(look.tables(source))


def kinds(found: propose.Proposal, table: str) -> dict[str, Any]:
    return {each["name"]: each["kind"] for each in found.mapping[table]["features"]}


def test_tables_roles_and_kinds_follow_names_and_values(source: Path) -> None:
    found = proposed(source)
    events = found.mapping["interactions"]
    assert events["files"] == "clicks/**/*.csv"
    assert (events["user"], events["item"], events["timestamp"]) == (
        "customer_id", "sku", "created_at",
    )  # fmt: skip
    assert events["eventTypes"] == [{"type": "view", "value": 2}]
    assert found.mapping["ids"] == {"user": "Text", "item": "Integer"}
    assert kinds(found, "interactions") == {"device": "Categorical", "position": "Numeric"}
    assert kinds(found, "users") == {
        "age": "Numeric", "newsletter": "Boolean", "home_town": "Categorical",
        "user_segment": "Categorical", "signed_up": "Timestamp",
    }  # fmt: skip
    assert found.mapping["items"]["title"] == "name"
    assert kinds(found, "items") == {
        "tags": "MultiCategorical", "year": "Timestamp", "price": "Numeric",
        "brand": "Categorical",
    }  # fmt: skip


def test_each_column_is_listed_and_doubts_are_warnings(source: Path) -> None:
    lines = {(line.table, line.column): line for line in proposed(source).lines}
    assert len(lines) == len(EVENTS[0]) + len(PEOPLE[0]) + len(THINGS[0])
    for table, column, words in (
        ("interactions", "event", "set the value of each type"),
        ("interactions", "tags_seen", "a kind of items only"),
        ("items", "text", "more than 64 characters"),
        ("items", "id", "looks like an id"),
    ):
        assert words in lines[table, column].warning
    assert lines["interactions", "device"].distinct == 1


@pytest.mark.parametrize("kind", list(RawFormat))
def test_a_check_reads_the_generated_shop_by_the_proposal(tmp_path: Path, kind: RawFormat) -> None:
    size = Settings(users=40, items=60, impressions=2000)
    shop.write(tmp_path, size, 3, kind)
    found = proposed(tmp_path / "raw")
    assert found == proposed(tmp_path / "raw")
    assert found.kind is Format(kind)
    mapping = parse_mapping(json.dumps(found.mapping), found.kind)
    result = ingest.check(tmp_path / "raw", tmp_path / "lake", kind=found.kind, mapping=mapping)
    tables = lake.read_version(tmp_path / "lake", result.data_version)
    assert result.quarantined_rows == 0
    declared = {each.name: each.kind.value for each in tables.declaration.items}
    assert declared["embedding"] == "Embedding"
    assert declared["categories"] == "MultiCategorical"
    (signed_up,) = (each for each in tables.declaration.users if each.name == "signed_up_at")
    assert signed_up.kind.value == "Timestamp"


@pytest.mark.parametrize(
    ("of_label", "label"),
    [
        (lambda click: {"clicked": int(click)}, "clicked"),
        (lambda click: {"rating": 5 if click else 3}, "rating"),
    ],
)
def test_what_is_known_only_after_the_event_is_left_out(
    tmp_path: Path, of_label: Callable[[bool], dict[str, int]], label: str
) -> None:
    rows = [
        {"user": n, "item": n, "time": START + n, "place": n % 3, "revenue": 3 * (n % 4 == 0),
         **of_label(n % 4 == 0)}
        for n in range(80)
    ]  # fmt: skip
    write(tmp_path / "raw/a.csv", rows)
    found = proposed(tmp_path / "raw")
    assert kinds(found, "interactions") == {"place": "Numeric"}
    (revenue,) = (line for line in found.lines if line.column == "revenue")
    assert revenue.use == "-"
    assert f"only where {label} is positive, so known only after" in revenue.warning


def test_only_the_first_rows_are_read(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "ROWS", 7)
    assert {seen.files: seen.rows for seen in look.tables(source)} == {
        "clicks/**/*.csv": 7, "people.csv": 3, "things.csv": 7,
    }  # fmt: skip


def test_files_without_interactions_are_named_with_their_columns(tmp_path: Path) -> None:
    write(tmp_path / "raw/a.csv", [{"left": 1, "right": 2}])
    with pytest.raises(InputError) as caught:
        proposed(tmp_path / "raw")
    assert caught.value.reason == "InvalidMapping"
    assert "a.csv: left, right" in caught.value.message
    with pytest.raises(InputError) as caught:
        proposed(tmp_path / "nowhere")
    assert caught.value.reason == "DataMissing"


def test_names_of_features_are_free_and_not_taken(tmp_path: Path) -> None:
    rows = [{"user": 1, "item": 2, "time": START, "rating": 3, "Title": "a", "title ": "b",
             "9 lives": 1, "last_x": 2}]  # fmt: skip
    write(tmp_path / "raw/a.jsonl", rows)
    names = [
        each["name"] for each in proposed(tmp_path / "raw").mapping["interactions"]["features"]
    ]
    assert names == ["interaction_title", "interaction_title_2", "i_9_lives", "interaction_last_x"]


def test_the_command_writes_a_mapping_once(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "mapping.json"
    assert main.main(["init", str(source), "--output", str(output)]) == 0
    shown = capsys.readouterr().out
    assert "interactions  device" in shown
    assert json.loads(output.read_text()) == proposed(source).mapping
    assert main.main(["init", str(source), "--output", str(output)]) == 2
    assert main.main(["init", str(source)]) == 0
    assert '"interactions": {' in capsys.readouterr().out
