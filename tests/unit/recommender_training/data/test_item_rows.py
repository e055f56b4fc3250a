"""Tables of items that gain or lose a history, and rows whose times are close together."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from recommender_contract.resource.mapping import Format
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data import lake, load
from recommender_training.data.row_times import RowTimes
from recommender_training.features import event_features
from recommender_training.features.assembly import Constants
from recommender_training.features.item_content import content
from recommender_training.ingestion import ingest
from tests import small_data
from tests.mapped_files import NOW, START, check, declare, event, reasons, write
from tests.mapped_files import table as lake_table

ITEMS: dict[str, Any] = {
    "files": "items/*", "id": "id", "validFrom": "since",
    "features": [{"name": "price", "kind": "Numeric", "edges": [10]}],
}  # fmt: skip
USERS: dict[str, Any] = {
    "files": "users/*", "id": "id",
    "features": [{"name": "tier", "kind": "Categorical", "fairness": True}],
}  # fmt: skip


def item(number: int, since: Any, price: float, **more: Any) -> dict[str, Any]:
    return {"id": number, "since": since, "price": price, **more}


def bands(lake: Path, version: str) -> list[int]:
    """The band of the price at each event, in the order of their times; -1 unknown."""
    _, found = load.load_dataset(lake, version, None)
    known, rows = found.items.at(found.events.item, found.events.time)
    return [int(code) for code in known.first[0][rows]]


def plain() -> Any:
    return declare(items={name: value for name, value in ITEMS.items() if name != "validFrom"})


def test_values_that_were_stored_without_a_time_are_not_known_of_the_past(tmp_path: Path) -> None:
    source, lake = tmp_path / "raw", tmp_path / "lake"
    write(source / "items" / "one.csv", [item(5, START, 20), item(7, START, 20)])
    write(source / "events" / "one.csv", [event(1, 5, START + 1), event(1, 5, START + 60)])
    before = check(source, lake, plain()).data_version
    write(source / "items" / "one.csv", [item(5, START + 50, 8)])
    found = check(source, lake, declare(items=ITEMS))
    assert bands(lake, found.data_version) == [-1, 0]
    _, known = load.load_dataset(lake, found.data_version, None)
    assert known.items.ids.tolist() == [5, 7]  # ids stay
    assert bands(lake, before) == [1, 1]


@pytest.mark.parametrize("first", [True, False])
def test_a_table_can_gain_or_lose_its_history_where_nothing_else_changes(
    first: bool, tmp_path: Path
) -> None:
    source, lake = tmp_path / "raw", tmp_path / "lake"
    write(source / "items" / "one.csv", [item(5, START, 20), item(5, START + 9, 8)])
    write(source / "events" / "one.csv", [event(1, 5, START + 1), event(1, 5, START + 60)])
    one, other = [plain(), declare(items=ITEMS)][:: 1 if first else -1]
    check(source, lake, one)
    found = check(source, lake, other)
    assert bands(lake, found.data_version) == ([1, 0] if first else [0, 0])


def test_a_lost_history_leaves_the_newest_row_of_each_item_in_whatever_order(
    tmp_path: Path,
) -> None:
    source, path = tmp_path / "raw", tmp_path / "lake"
    write(source / "items" / "one.csv", [item(5, START, 8), item(5, START + 9, 20)])
    write(source / "events" / "one.csv", [event(1, 5, START + 1)])
    check(source, path, declare(items=ITEMS))
    lake.overwrite(path, "items", lake_table(path, "items").sort("valid_from", descending=True))
    write(source / "items" / "one.csv", [item(6, START, 8)])
    _, known = load.load_dataset(path, check(source, path, plain()).data_version, None)
    assert known.items.first[0].tolist() == [1, 0]


def test_segments_of_users_that_were_stored_without_a_time_are_not_known_of_the_past(
    tmp_path: Path,
) -> None:
    source, path = tmp_path / "raw", tmp_path / "lake"
    write(source / "users" / "one.csv", [{"id": 1, "since": START + 50, "tier": "gold"}])
    write(source / "events" / "one.csv", [event(1, 5, START)])
    check(source, path, declare(users=USERS))
    write(source / "events" / "two.csv", [event(1, 5, START + 1), event(1, 5, START + 60)])
    found = check(source, path, declare(users=USERS | {"validFrom": "since"}))
    segments = lake_table(path, "interactions").sort("timestamp")["segment"].to_list()
    assert segments == ["gold", "unknown", "gold"]  # that of an event stays as it was stored
    _, known = load.load_dataset(path, found.data_version, None)
    assert known.side_of_events(known.events.rows)[:, 0].tolist()[2] == 0.0
    assert lake_table(path, "users")["segment"].to_list() == ["unknown", "gold"]


@pytest.mark.parametrize("known_first", [True, False])
def test_values_of_items_that_events_know_first_have_the_scale_of_their_own(
    known_first: bool,
) -> None:
    features = [{"name": "picture", "kind": "Embedding", "length": 2},
                {"name": "released", "kind": "Timestamp"}]  # fmt: skip
    declared = FeatureSchema.model_validate({"itemHistory": True, "items": features})
    rows: list[dict[str, Any]] = [
        {"id": n, "valid_from": n + 9, "picture": f"{n} 0.0", "released": n} for n in (1, 2, 3)
    ]
    rows += [{"id": n, "valid_from": None} for n in (1, 2, 3) if known_first]
    rows.append({"id": 1, "valid_from": 90, "picture": "9.0 9.0", "released": 80})
    found = content(
        small_data.build([(0, 1, 5.0, 5)], [{"id": 0}], rows, declared).items, times=True
    )
    lengths = found.numbers.norm(dim=1)
    assert sorted(lengths[lengths > 0].tolist())[:3] == [0.5, 1.0, 1.5]
    assert set(found.places[found.shares > 0].tolist()) == {3, 4, 5}  # a band of each release


def iso(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()


@pytest.mark.parametrize(
    ("unit", "written"),
    [
        ("Seconds", lambda seconds: seconds),
        ("Milliseconds", lambda seconds: round(seconds * 1000)),
        ("Microseconds", lambda seconds: round(seconds * 1_000_000)),
        ("ISO8601", iso),
    ],
)
def test_a_row_counts_from_the_first_whole_second_on_and_the_latest_of_a_second_counts(
    unit: str, written: Any, tmp_path: Path
) -> None:
    source, path = tmp_path / "raw", tmp_path / "lake"
    mapping = declare(items=ITEMS | {"validFromUnit": unit})
    times = {START + 10.25: 8, START + 10.75: 20, START + 10.5: 9, START + 20: 8, START + 19.5: 20}
    write(source / "items" / "one.csv", [item(5, written(at), p) for at, p in times.items()])
    ends = (10, 11, 19, 20)  # the times of events are cut off to the second
    write(source / "events" / "one.csv", [event(1, 5, START + end) for end in ends])
    assert bands(path, check(source, path, mapping).data_version) == [-1, 1, 1, 0]
    assert reasons(path) == {}
    assert lake_table(path, "items")["valid_from"].to_list() == [START + 11, START + 20]


@pytest.mark.parametrize("unit", ["Seconds", "Milliseconds", "Microseconds", "ISO8601"])
def test_fractions_of_typed_times_count(unit: str, tmp_path: Path) -> None:
    source, path = tmp_path / "raw", tmp_path / "lake"
    micros = [START * 1_000_000 + more for more in (0, 100, 999_999)]
    rows = pl.DataFrame({"id": [4, 5, 6], "since": micros, "price": [8.0, 8.0, 8.0]})
    (source / "items").mkdir(parents=True)
    typed = rows.with_columns(pl.col("since").cast(pl.Datetime("us")))
    typed.write_parquet(source / "items" / "one.parquet")
    write(source / "events" / "one.parquet", [event(1, n, START) for n in (4, 5, 6)])
    mapping = declare(Format.PARQUET, items=ITEMS | {"validFromUnit": unit})
    version = check(source, path, mapping, Format.PARQUET).data_version
    assert bands(path, version) == [0, -1, -1]


def test_a_title_may_differ_and_a_correction_by_a_later_file_is_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source, path = tmp_path / "raw", tmp_path / "lake"
    mapping = declare(items=ITEMS | {"title": "title"})
    rows = [item(5, START, 8, title="Pot"), item(5, START, 8, title="Pan")]
    write(source / "items" / "one.csv", [*rows, item(6, START, 8, title="Lid")])
    write(source / "events" / "one.csv", [event(1, 5, START), event(1, 6, START)])
    check(source, path, mapping)
    assert reasons(path) == {}
    assert lake_table(path, "items")["title"].to_list() == ["Pan", "Lid"]
    assert "differently" not in "".join(capfd.readouterr())
    write(source / "items" / "two.csv", [item(5, START, 20, title="Pan")])
    assert bands(path, check(source, path, mapping).data_version) == [1, 0]
    assert "1 rows of items differ between files" in "".join(capfd.readouterr())


def test_a_row_that_does_not_count_yet_waits_for_a_later_check(tmp_path: Path) -> None:
    source, path = tmp_path / "raw", tmp_path / "lake"
    rows = [item(5, START, 8), item(5, NOW, 8), item(5, NOW + 60, 20)]
    write(source / "items" / "one.csv", rows)
    write(source / "events" / "one.csv", [event(1, 5, START)])
    found = check(source, path, declare(items=ITEMS))
    assert load.load_dataset(path, found.data_version, None)[1].at_the_end.items.first[
        0
    ].tolist() == [0]
    assert reasons(path) == {}
    more = ingest.ingest_and_check(
        source, path, kind=Format.CSV, mapping=declare(items=ITEMS), max_quarantined_share=1.0,
        now=NOW + 60,
    )  # fmt: skip
    assert load.load_dataset(path, more.data_version, None)[1].at_the_end.items.first[
        0
    ].tolist() == [1]


def test_a_catalogue_of_one_time_is_not_searched_for_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = FeatureSchema.model_validate(
        {"itemHistory": True, "items": [{"name": "price", "kind": "Numeric", "edges": [10]}]}
    )
    rows = [{"id": 1, "valid_from": n, "price": 8 * n} for n in (1, 2, 3)]
    events: list[small_data.Event] = [(0, 1, 5.0, 5), (0, 1, 2.0, 9)]
    then = small_data.build(events, [{"id": 0}], rows, declared).as_of(2)
    wanted = event_features.build_features(then, 3, Constants(3.0, 0.5))

    def refused(*_: object) -> Any:
        raise AssertionError

    monkeypatch.setattr(RowTimes, "places", refused)
    assert torch.equal(
        event_features.build_features(then, 3, Constants(3.0, 0.5)).numbers, wanted.numbers
    )


def test_bands_and_kept_categories_count_an_item_once_however_often_it_changes() -> None:
    features = [{"name": "price", "kind": "Numeric", "bands": 2},
                {"name": "brand", "kind": "Categorical", "maxCategories": 1},
                {"name": "tags", "kind": "MultiCategorical", "maxCategories": 1}]  # fmt: skip
    declared = FeatureSchema.model_validate({"itemHistory": True, "items": features})
    rows: list[dict[str, Any]] = [
        {"id": n, "valid_from": 1, "price": 10.0 * n, "brand": "fine", "tags": "red blue"}
        for n in range(1, 5)
    ]
    busy: list[dict[str, Any]] = [
        {"id": 5, "valid_from": n, "price": 900.0 - n, "brand": "busy", "tags": f"green t{n}"}
        for n in range(1, 60)
    ]
    named = [
        small_data.build([(0, 1, 5.0, 99)], [{"id": 0}], [*rows, *each], declared).items.tag_names
        for each in (busy, busy[-1:])
    ]
    assert named[0] == named[1]
    assert named[0][-2:] == ("brand:fine", "tags:blue")
