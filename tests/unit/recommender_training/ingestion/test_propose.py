"""`init` proposes a mapping that a check accepts, from the first rows of raw files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recommender_contract.resource.mapping import Format
from recommender_examples import shop
from recommender_examples.shop_settings import RawFormat, Settings
from recommender_training.cli import main
from recommender_training.common.errors import InputError
from recommender_training.data import version_content
from recommender_training.ingestion import file_preview, ingest, propose
from recommender_training.ingestion.mapping_argument import parse_mapping
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


DRAWN = {"negatives": {"perPositive": 4}, "positiveRate": 0.2}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write(tmp_path / "raw/clicks/1.csv", EVENTS)
    write(tmp_path / "raw/people.csv", PEOPLE)
    write(tmp_path / "raw/things.csv", THINGS)
    return tmp_path / "raw"


def proposed(source: Path) -> propose.Proposal:
    return propose.propose(file_preview.preview_tables(source))


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
    assert kinds(found, "interactions") == {
        "device": "Categorical", "position": "Numeric", "tags_seen": "MultiCategorical",
    }  # fmt: skip
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
        ("interactions", "tags_seen", "is it known before the outcome?"),
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
    result = ingest.ingest_and_check(
        tmp_path / "raw", tmp_path / "lake", kind=found.kind, mapping=mapping
    )
    tables = version_content.read_version(tmp_path / "lake", result.data_version)
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
    monkeypatch.setattr(file_preview, "ROWS", 7)
    assert {seen.files: seen.rows for seen in file_preview.preview_tables(source)} == {
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


def shop_events(*events: tuple[int, int, int, str]) -> list[dict[str, Any]]:
    names = ("user", "item", "time", "event")
    return [dict(zip(names, event, strict=True)) for event in events]


def test_event_types_become_a_label_with_the_window_that_the_rows_show(tmp_path: Path) -> None:
    hour = 3600
    rows = shop_events(
        *((n, n, START, "product_view") for n in range(20)),
        *((n, n, START + 5 * hour, "Purchase") for n in range(19)),
        (19, 19, START + 99 * hour, "Purchase"),  # a twentieth waits longer
        (1, 1, START + 200 * hour, "product_view"),  # followed by nothing
        (1, 1, START + hour, "add_to_cart"),
        (2, 2, START + hour, "return_of_purchase"),
    )
    write(tmp_path / "raw/a.csv", rows)
    found = proposed(tmp_path / "raw")
    assert found.mapping["label"] == {
        "positiveTypes": [{"type": "Purchase"}],
        "attribution": {"impressions": ["product_view"], "hours": 5},
    }
    values = {each["type"]: each["value"] for each in found.mapping["interactions"]["eventTypes"]}
    assert values == {"product_view": 2, "add_to_cart": 4, "Purchase": 5, "return_of_purchase": 1}
    (line,) = (line for line in found.lines if line.column == "event")
    assert "Purchase within 5 h of product_view (95% of 20 pairs" in line.warning
    mapping = parse_mapping(json.dumps(found.mapping), found.kind)
    assert ingest.ingest_and_check(
        tmp_path / "raw", tmp_path / "lake", kind=found.kind, mapping=mapping
    ).data_version


@pytest.mark.parametrize(
    ("types", "label", "reason"),
    [
        (("view", "click"), {"positiveTypes": [{"type": "click"}],
                             "attribution": {"impressions": ["view"], "hours": 24}}, "no pair"),
        (("display", "order_list_view", "order"), {
            "positiveTypes": [{"type": "order"}],
            "attribution": {"impressions": ["display", "order_list_view"], "hours": 24}},
         "no pair"),
        (("order", "dislike"), {"positiveTypes": [{"type": "order"}]}, "order is positive"),
        (("order", "purchase"), {"positiveTypes": [{"type": "order"}, {"type": "purchase"}],
                                 **DRAWN}, "order and purchase is positive"),
        (("view", "product_view"), {"positiveTypes": [{"type": "product_view"},
                                                      {"type": "view"}],
                                    **DRAWN}, "set label.positiveRate"),
        (("a", "b"), None, "set the value of each type"),
    ],
)  # fmt: skip
def test_a_label_is_proposed_where_names_of_types_say_one(
    tmp_path: Path, types: tuple[str, ...], label: dict[str, Any] | None, reason: str
) -> None:
    rows = shop_events(*((n, n, START + n, types[n % len(types)]) for n in range(8)))
    write(tmp_path / "raw/a.csv", rows)
    found = proposed(tmp_path / "raw")
    assert found.mapping.get("label") == label
    (line,) = (line for line in found.lines if line.column == "event")
    assert reason in line.warning


@pytest.mark.parametrize(
    ("column", "times", "repeated", "used"),
    [
        ("valid_from", (START, START + 9), True, True),
        ("validFrom", ("2020-01-01", "2020-02-01T10:00:00Z"), False, True),
        ("updated_at", (START * 1000, START * 1000 + 9000), True, True),
        ("updated_at", (START, START + 9), False, False),
        ("valid_from", (1, 2), True, False),
    ],
)
def test_rows_of_users_that_begin_at_a_time_become_a_history(
    tmp_path: Path, column: str, times: tuple[Any, Any], repeated: bool, used: bool
) -> None:
    write(tmp_path / "raw/events/1.csv", EVENTS)
    people = [
        {"customer_id": "c0" if repeated else f"c{n}", "age": 30 + n, column: time}
        for n, time in enumerate(times)
    ]
    write(tmp_path / "raw/people.csv", people)
    found = proposed(tmp_path / "raw")
    assert (found.mapping["users"].get("validFrom") == column) is used
    if not used:
        return
    (line,) = (line for line in found.lines if line.table == "users" and line.column == column)
    assert line.use == "validFrom"
    assert f"{int(repeated)} of 2 repeat an id" in line.warning
    mapping = parse_mapping(json.dumps(found.mapping), found.kind)
    result = ingest.ingest_and_check(
        tmp_path / "raw", tmp_path / "lake", kind=found.kind, mapping=mapping
    )
    users = version_content.read_version(tmp_path / "lake", result.data_version).users
    assert users["valid_from"].drop_nulls().len() == 2


@pytest.mark.parametrize("repeated", [True, False])
def test_times_of_rows_of_items_are_no_feature_and_a_history_where_ids_repeat(
    tmp_path: Path, repeated: bool
) -> None:
    write(tmp_path / "raw/events/1.csv", EVENTS)
    rows = [{**thing, "valid_from": START} for thing in THINGS]
    rows += [{**THINGS[0], "valid_from": START + 9}] if repeated else []
    write(tmp_path / "raw/things.csv", rows)
    found = proposed(tmp_path / "raw")
    assert "item_valid_from" not in kinds(found, "items")
    assert (found.mapping["items"].get("validFrom") == "valid_from") is repeated
    (line,) = (line for line in found.lines if line.column == "valid_from")
    assert ("map it as validFrom if items get several rows" in line.warning) is not repeated


def test_too_many_categories_share_buckets_and_those_of_items_are_cut(tmp_path: Path) -> None:
    events = [
        {"customer_id": f"c{n % 3}", "sku": n, "created_at": START + n, "event": "view",
         "campaign": f"k{n % 1100}"}
        for n in range(2200)
    ]  # fmt: skip
    write(tmp_path / "raw/clicks/1.csv", events)
    write(tmp_path / "raw/things.csv", [{"sku": n, "brand": f"b{n % 1100}"} for n in range(2200)])
    found = proposed(tmp_path / "raw")
    (campaign,) = found.mapping["interactions"]["features"]
    assert campaign == {"name": "campaign", "kind": "Categorical", "hashBuckets": 4096}
    (brand,) = found.mapping["items"]["features"]
    assert brand == {"name": "brand", "kind": "Categorical", "maxCategories": 1000}
    (line,) = (line for line in found.lines if line.column == "campaign")
    assert "1100 values in the first rows: they share buckets" in line.warning
