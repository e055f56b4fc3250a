"""An event sees its item as it was then; later rows of items change nothing before them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from recommender_contract.resource.mapping import Format
from recommender_training.common.errors import InputError
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data import load
from recommender_training.data.dataset import Dataset
from recommender_training.data.row_times import END
from recommender_training.evaluation import response_metrics
from recommender_training.features import event_features, item_groups
from recommender_training.features.assembly import Constants, Inputs
from recommender_training.features.catalogue_state import CatalogueState
from recommender_training.features.item_content import content
from recommender_training.mitigation import exposure
from recommender_training.models.item_vectors import ItemContent, times_of
from tests import small_data
from tests.mapped_files import NOW, START, check, declare, event, reasons, write
from tests.mapped_files import table as lake_table

BRANDS = ("plain", "fine", None)
#: Item, first second (None: always), and what a row of the items says: brand, price, tags,
#: hashed code, picture and the time of the release.
VALUES = st.tuples(
    st.sampled_from(BRANDS),
    st.none() | st.sampled_from([5.0, 15.0, 30.0]),
    st.sampled_from(["red", "red blue", None]),
    st.none() | st.sampled_from(["x", "y", "z"]),
    st.sampled_from(["1.0 0.0", "0.5 -2.0", None]),
    st.none() | st.integers(1, 30),
)
ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.none() | st.integers(1, 40), VALUES),
    max_size=10,
    unique_by=lambda row: row[:2],
)
#: Items that begin with a row that says nothing, as those of events alone do.
BARE = st.sets(st.integers(0, 2))
EVENTS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.sampled_from([2.0, 5.0]),
              st.integers(1, 40)),
    min_size=1, max_size=16, unique_by=lambda row: (row[0], row[1], row[3]),
)  # fmt: skip
NAMES = ("brand", "price", "tags", "code", "picture", "released")
DECLARED = FeatureSchema.model_validate(
    {
        "itemHistory": True,
        "items": [
            {"name": "brand", "kind": "Categorical", "fairness": True},
            {"name": "price", "kind": "Numeric", "edges": [10, 20]},
            {"name": "tags", "kind": "MultiCategorical"},
            {"name": "code", "kind": "Categorical", "hashBuckets": 2},
            {"name": "picture", "kind": "Embedding", "length": 2},
            {"name": "released", "kind": "Timestamp"},
        ],
    }
)
FROZEN = Constants(3.0, 0.3)
#: Items that are there whatever the rows are, so that all categories and every id are known.
KNOWN = [
    (8, None, ("plain", 5.0, "red blue", "x", "3.0 4.0", 1)),
    (9, None, ("fine", 5.0, "red", "y", None, 20)),
]


def data(rows: list[Any], events: list[Any], bare: Collection[int] = (0, 1, 2)) -> Dataset:
    """A data set whose items without rows, and those of `bare`, have one that says nothing."""
    silent = {*bare, *range(3)} - ({row[0] for row in rows} - {*bare})
    always = [(item, None, (None,) * 6) for item in sorted(silent)]
    own = [row for row in always if row[:2] not in {each[:2] for each in rows}]
    items = [
        {"id": item, "valid_from": since, **dict(zip(NAMES, values, strict=True))}
        for item, since, values in [*rows, *own, *KNOWN]
    ]
    return small_data.build(events, [{"id": n} for n in range(3)], items, DECLARED)


def by_hand(rows: list[Any], item: int, time: int) -> str | None:
    """The brand of an item at a time, by a loop."""
    own = [(-1 if since is None else since, values[0]) for i, since, values in rows if i == item]
    before = [row for row in own if row[0] <= time]
    return max(before, key=lambda row: row[0])[1] if before else None


def brands(found: Dataset, items: Any, times: Any) -> list[str | None]:
    known, rows = found.items.at(items, times)
    names = [*known.blocks[0].categories, None]
    return [names[code] for code in known.first[0][rows]]


@given(ROWS, EVENTS, BARE)
@example([(0, 7, ("fine", 5.0, None, None, None, None))], [(0, 0, 5.0, 6), (0, 0, 5.0, 7)], set())
def test_an_event_sees_the_row_of_its_item_that_counted_at_its_time(
    rows: list[Any], events: list[Any], bare: set[int]
) -> None:
    found = data(rows, events, bare)
    item, time = found.events.item, found.events.time
    wanted = [by_hand(rows, int(i), int(t)) for i, t in zip(item, time, strict=True)]
    assert brands(found, item, time) == wanted
    of_groups = response_metrics.item_rows(found, np.arange(len(item)))
    for name in ("plain", "fine"):
        assert of_groups[f"brand:{name}"].tolist() == [each == name for each in wanted]


def settled(past: list[Any], later: list[Any]) -> list[Any]:
    """Later rows without the first picture and release of an item: as those of a new item, the
    scale and bands of all are theirs too.
    """
    kept = []
    for item, since, values in later:
        own = [each[2] for each in past if each[0] == item]
        known = [any(each[place] is not None for each in own) for place in range(6)]
        pairs = enumerate(zip(values, known, strict=True))
        kept.append((item, since, tuple(v if n < 4 or k else None for n, (v, k) in pairs)))
    return kept


def read(found: Dataset, end: int) -> list[str]:
    """All that models read of the events up to `end`: inputs, and the content of every item that
    an event names, times fixed weights."""
    rows = np.flatnonzero(found.events.time <= end)
    inputs = event_features.build_features(found, 4, FROZEN).take(torch.from_numpy(rows))
    known = content(found.items, times=True)
    weights = torch.sin(torch.arange(known.columns * 3.0)).view(-1, 3)
    named = torch.cat([inputs.target.unsqueeze(1), inputs.session], 1)
    vectors = ItemContent(known)(named.reshape(-1), weights, times_of(named, inputs.items_at))
    columns = [getattr(inputs, each.name) for each in fields(Inputs)]
    columns.append(vectors.view(len(rows), 5 * 3))
    return ["|".join(str(column[n].tolist()) for column in columns) for n in range(len(rows))]


@given(ROWS, EVENTS, ROWS, st.integers(1, 40), BARE)
def test_nothing_that_models_read_changes_when_later_rows_of_items_are_added(
    rows: list[Any], events: list[Any], later: list[Any], end: int, bare: set[int]
) -> None:
    past = [row for row in rows if row[1] is None or row[1] <= end]
    more = [(item, end + since, values) for item, since, values in later if since is not None]
    more = settled(past, more)
    bare = bare | ({0, 1, 2} - {row[0] for row in past})  # all ids are known
    assert read(data(past + more, events, bare), end) == read(data(past, events, bare), end)


@given(ROWS, st.integers(0, 50), BARE)
def test_a_catalogue_of_a_time_has_the_rows_that_counted_then(
    rows: list[Any], time: int, bare: set[int]
) -> None:
    then = data(rows, [(0, 0, 5.0, 50)], bare).as_of(time)
    names = [*then.items.blocks[0].categories, None]
    wanted = [by_hand(rows, item, time) for item in range(3)]
    assert [names[code] for code in then.items.first[0][:3]] == wanted
    assert then.items.ids.tolist() == [0, 1, 2, 8, 9]


def test_all_requests_see_a_catalogue_of_a_time_as_one_without_a_history() -> None:
    rows = [
        (0, 10, ("plain", 15.0, "red", "x", "1.0 0.0", 5)),
        (0, 30, ("fine", 30.0, "blue", "y", None, 9)),
        (1, 20, ("fine", 15.0, "red blue", "z", "0.5 -2.0", 8)),
    ]
    then = data(rows, [(0, 0, 5.0, 12), (0, 1, 2.0, 32), (0, 0, 2.0, 40)]).as_of(20)
    plain = replace(then, items=replace(then.items, history=None))
    one, other = (event_features.build_features(each, 4, FROZEN) for each in (then, plain))
    assert torch.equal(one.numbers, other.numbers)
    assert one.items_at.tolist() == [20] * 3


@given(ROWS, EVENTS, BARE)
def test_the_graph_gets_the_newest_rows(
    rows: list[Any], events: list[Any], bare: set[int]
) -> None:
    found = data(rows, events, bare)
    served = found.at_the_end
    assert served.items.seen_at(np.array([1])).tolist() == [END]
    assert [each.tolist() for each in served.items.first] == [
        each.tolist() for each in found.items.first
    ]
    names = [*served.items.blocks[0].categories, None]
    wanted = [by_hand(rows, item, 1000) for item in range(3)]
    assert [names[code] for code in served.items.first[0][:3]] == wanted


@given(ROWS, EVENTS, st.integers(0, 50), st.integers(0, 50))
def test_a_bonus_of_item_groups_that_is_found_at_one_time_is_used_at_any_other(
    rows: list[Any], events: list[Any], one: int, other: int
) -> None:
    found = data(rows, events)
    counts = CatalogueState.at(found, None).counts
    for by in ("brand", "tags"):
        then, later, served = (
            item_groups.membership(by, each.items, counts)
            for each in (found.as_of(one), found.as_of(other), found.at_the_end)
        )
        bonus = exposure.of_items(np.arange(then.shape[1]) / 4, later)
        assert bonus.shape == (found.items.count,)
        assert served.shape == then.shape
        assert len(item_groups.names(by, found.as_of(one).items)) == then.shape[1]
        assert item_groups.names(by, found.at_the_end.items)[-1] == f"{by}:unknown"


def test_memory_follows_the_rows_and_not_items_times_moments() -> None:
    rows = [(n % 3, n + 1, ("plain", 5.0, "red", "x", "1.0 0.0", 1)) for n in range(30)]
    found = data(rows, [(0, 0, 5.0, 50)])
    assert found.items.history is not None
    assert found.items.history.rows.count == 30 + 3 + len(KNOWN) + 1
    assert content(found.items).places.shape[0] == 36


ITEMS: dict[str, Any] = {
    "files": "items/*", "id": "id", "validFrom": "since",
    "features": [{"name": "price", "kind": "Numeric", "edges": [10]}],
}  # fmt: skip


def item(number: int, since: Any, price: float) -> dict[str, Any]:
    return {"id": number, "since": since, "price": price}


def bands(lake: Path, version: str) -> list[int]:
    """The band of the price at each event, in the order of their times; -1 unknown."""
    _, found = load.load_dataset(lake, version, None)
    known, rows = found.items.at(found.events.item, found.events.time)
    return [int(code) for code in known.first[0][rows]]


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet"])
def test_rows_of_items_are_added_and_events_keep_theirs(name: str, tmp_path: Path) -> None:
    kind = {"csv": Format.CSV, "jsonl": Format.JSON_LINES, "parquet": Format.PARQUET}[name]
    source, lake, mapping = tmp_path / "raw", tmp_path / "lake", declare(kind, items=ITEMS)
    write(source / "items" / f"one.{name}", [item(5, START, 8), item(6, START + 50, 12)])
    write(source / "events" / f"one.{name}", [event(1, 5, START + 10), event(1, 6, START + 20)])
    first = check(source, lake, mapping, kind)
    assert bands(lake, first.data_version) == [0, -1]
    (source / "items" / f"one.{name}").unlink()
    write(source / "items" / f"two.{name}", [item(5, START + 100, 20), item(5, START + 200, 9)])
    write(source / "events" / f"two.{name}", [event(1, 5, START + 150), event(1, 7, START + 160)])
    second = check(source, lake, mapping, kind)
    assert lake_table(lake, "items").height == 5  # with that of an item of events alone
    assert bands(lake, second.data_version) == [0, -1, 1, -1]
    assert check(source, lake, mapping, kind).data_version == second.data_version
    assert bands(lake, first.data_version) == [0, -1]


def test_rows_of_one_file_that_contradict_one_another_are_quarantined(tmp_path: Path) -> None:
    source, lake, mapping = tmp_path / "raw", tmp_path / "lake", declare(items=ITEMS)
    rows = [item(5, START, 8), item(5, START, 20), item(5, START, 8), item(6, START, 8)]
    write(source / "items" / "one.csv", rows)
    write(source / "events" / "one.csv", [event(1, 5, START + 10)])
    found = check(source, lake, mapping)
    assert reasons(lake) == {"ConflictingRow": 1}
    assert lake_table(lake, "quarantine")["line"].to_list() == [3]
    assert bands(lake, found.data_version) == [0]
    with pytest.raises(InputError, match="export one row per change") as error:
        check(source, tmp_path / "other", mapping, share=0.1)
    assert error.value.reason == "TooManyQuarantinedRows"


def test_a_later_file_corrects_a_row(tmp_path: Path) -> None:
    source, lake, mapping = tmp_path / "raw", tmp_path / "lake", declare(items=ITEMS)
    write(source / "items" / "one.csv", [item(5, START, 8)])
    write(source / "items" / "two.csv", [item(5, START, 20)])
    write(source / "events" / "one.csv", [event(1, 5, START + 10)])
    assert bands(lake, check(source, lake, mapping).data_version) == [1]
    assert reasons(lake) == {}


@pytest.mark.parametrize(
    ("since", "reason"),
    [("", "BadTimestamp"), ("2026-01-01", "TimestampLooksLikeISO8601"),
     (NOW + 100 * 86_400, "FutureTimestamp")],
)  # fmt: skip
def test_a_row_of_an_item_without_a_usable_time_is_quarantined(
    since: Any, reason: str, tmp_path: Path
) -> None:
    source, lake = tmp_path / "raw", tmp_path / "lake"
    write(source / "items" / "one.csv", [item(5, since, 8), item(6, START, 8)])
    write(source / "events" / "one.csv", [event(1, 5, START + 10)])
    check(source, lake, declare(items=ITEMS))
    assert reasons(lake) == {reason: 1}


def test_a_model_that_no_longer_declares_a_history_keeps_the_newest_rows(tmp_path: Path) -> None:
    source, lake = tmp_path / "raw", tmp_path / "lake"
    write(source / "items" / "one.csv", [item(5, START, 8), item(5, START + 9, 20)])
    write(source / "events" / "one.csv", [event(1, 5, START + 1)])
    check(source, lake, declare(items=ITEMS))
    write(source / "items" / "one.csv", [item(6, START, 8)])
    plain = declare(items={name: value for name, value in ITEMS.items() if name != "validFrom"})
    found = check(source, lake, plain)
    _, known = load.load_dataset(lake, found.data_version, None)
    assert known.items.history is None
    assert known.items.first[0].tolist() == [1, 0]
