"""Training ingests the writer's files as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from prometheus_client import CollectorRegistry

from recommender_collector.collector_metrics import WriterMetrics
from recommender_collector.domain.declaration import Model, parse_declaration
from recommender_collector.domain.events import Event
from recommender_collector.domain.lines import line_of
from recommender_collector.domain.validation import Rules, event_of
from recommender_collector.writers.file_batches import Batches
from recommender_collector.writers.lake_writer import LakeWriter, Pace
from recommender_contract.events import Kind
from recommender_contract.ids import hashed
from recommender_contract.resource.mapping import Format
from recommender_training.data import lake
from recommender_training.data.schema import EXPLORED_SCHEMA, QUARANTINE_SCHEMA
from recommender_training.ingestion import ingest
from recommender_training.ingestion.mapping_argument import parse_mapping
from tests.unit.recommender_collector.collector_fakes import MemoryLog

NOW = 1_795_000_000


def _mapping(unit: str, ids: str) -> dict[str, Any]:
    return {
        "interactions": {
            "files": "*/interactions.jsonl",
            "user": "user_id",
            "item": "item_id",
            "timestamp": "time",
            "timestampUnit": unit,
            "value": "rating",
            "eventType": "kind",
            "session": "visit",
            "eventTypes": [
                {"type": "click", "value": 3},
                {"type": "purchase", "value": 5},
                {"type": "dislike"},
            ],
            "features": [
                {"name": "device", "kind": "Categorical"},
                {"name": "slot", "kind": "Numeric", "column": "pos", "minimum": 1},
                {"name": "logged_in", "kind": "Boolean"},
            ],
        },
        "ids": {"user": ids, "item": ids},
    }


async def _write(root: Path, model: Model, batches: list[list[Event]]) -> None:
    log = MemoryLog()
    metrics = WriterMetrics(CollectorRegistry(), ["shop"])
    writer = LakeWriter(log, Batches(root), "shop", model, metrics, Pace(events=1), lambda: NOW)
    for events in batches:
        log.put("shop", *map(line_of, events))
        await writer.step()


def _event(rules: Rules, **fields: Any) -> Event:
    return event_of({"kind": "click", **fields}, rules, NOW)


@pytest.mark.parametrize("unit", ["Seconds", "Milliseconds", "ISO8601"])
@pytest.mark.parametrize("ids", ["Text", "Integer"])
async def test_every_interaction_is_a_row_and_none_is_quarantined(
    tmp_path: Path, unit: str, ids: str
) -> None:
    section = _mapping(unit, ids)
    rules = Rules(
        parse_declaration(orjson.dumps({"models": {"shop": {"mapping": section}}})).models["shop"]
    )

    def name(number: int) -> int | str:
        return number if ids == "Integer" else f"id {number} é"

    full = {"device": "phone", "slot": 2, "logged_in": True}
    first = [
        _event(rules, id=f"a{n}", user=name(n % 7), item=name(n % 11), time=NOW - 5000 + n / 3,
               session="s1", context=full if n % 2 else None)
        for n in range(60)
    ]  # fmt: skip
    # Twice within a second, another type, another value, and kinds that are no interactions.
    second = [
        _event(rules, id="b1", user=name(1), item=name(1), time=NOW - 9.9),
        _event(rules, id="b2", user=name(1), item=name(1), time=NOW - 9.8),
        _event(rules, id="b3", kind="purchase", user=name(1), item=name(1), time=NOW - 9, value=9),
        _event(rules, id="b4", kind="dislike", user=name(2), item=name(3), value=1.5),
        _event(rules, id="b5", user=name(2), item=name(3), time=NOW - 9, kind="impression"),
        _event(rules, id="b6", user=name(2), time=NOW - 9, kind="search", query="tea"),
    ]  # fmt: skip
    await _write(tmp_path / "raw", rules.model, [first, second])
    mapping = parse_mapping(orjson.dumps(section).decode(), Format.JSON_LINES)
    read = ingest.ingest_and_check(
        tmp_path / "raw", tmp_path / "lake", kind=Format.JSON_LINES, mapping=mapping, now=NOW,
        max_quarantined_share=0.0,
    )  # fmt: skip
    assert read.quarantined_rows == 0
    schema = pl.Schema({"user_id": pl.Int64, "event_type": pl.String, "value": pl.Float32})
    rows = lake.scan(tmp_path / "lake", "interactions", schema).collect()
    interactions = [e for e in first + second if e.kind in rules.model.values]
    expected = {(e.user, e.items[0], e.time // 1000, e.kind) for e in interactions}
    assert rows.height == len(expected) < len(interactions)
    values = dict(rows.group_by("event_type").agg(pl.col("value").unique().first()).iter_rows())
    assert values == {"click": 3.0, "purchase": 5.0, "dislike": 1.5}
    users = {hashed(str(e.user)) if ids == "Text" else e.user for e in interactions}
    assert set(rows["user_id"]) == users


async def test_a_second_check_reads_only_the_new_batch(tmp_path: Path) -> None:
    section = _mapping("Milliseconds", "Integer")
    rules = Rules(
        parse_declaration(orjson.dumps({"models": {"shop": {"mapping": section}}})).models["shop"]
    )
    mapping = parse_mapping(orjson.dumps(section).decode(), Format.JSON_LINES)
    batches = [
        [_event(rules, id=f"{b}-{n}", user=n, item=b, time=NOW - 50 + n) for n in range(5)]
        for b in range(2)
    ]
    found = []
    for count in (1, 2):
        await _write(tmp_path / f"raw{count}", rules.model, batches[:count])
        read = ingest.ingest_and_check(
            tmp_path / f"raw{count}", tmp_path / "lake", kind=Format.JSON_LINES, mapping=mapping,
            now=NOW, max_quarantined_share=0.0,
        )  # fmt: skip
        found.append((read.rows, read.new_rows))
    assert found == [(5, 5), (10, 5)]
    assert {event.kind for batch in batches for event in batch} == {Kind.CLICK}


@pytest.mark.parametrize("ids", ["Text", "Integer"])
async def test_every_place_that_was_drawn_is_a_row_with_its_pool(tmp_path: Path, ids: str) -> None:
    section = _mapping("Milliseconds", ids)
    section["interactions"]["eventTypes"].append({"type": "impression", "value": 2})
    rules = Rules(
        parse_declaration(orjson.dumps({"models": {"shop": {"mapping": section}}})).models["shop"]
    )

    def name(number: int) -> int | str:
        return number if ids == "Integer" else f"id {number} é"

    def number(id_: int) -> int:
        return id_ if ids == "Integer" else hashed(str(name(id_)))

    events = [
        _event(
            rules, id=f"v{n}", kind="impression", user=name(n), time=NOW - 60 + n,
            items=[name(1), name(2), name(3)],
            **({} if n % 3 else {"explored": {"place": 2, "pool": [name(4), name(3)]}}),
        )
        for n in range(9)
    ]  # fmt: skip
    await _write(tmp_path / "raw", rules.model, [events])
    mapping = parse_mapping(orjson.dumps(section).decode(), Format.JSON_LINES)
    ingest.ingest_and_check(
        tmp_path / "raw", tmp_path / "lake", kind=Format.JSON_LINES, mapping=mapping, now=NOW,
        max_quarantined_share=0.0,
    )  # fmt: skip
    rows = lake.scan(tmp_path / "lake", "explored", EXPLORED_SCHEMA).collect()
    pool = f"{number(4)} {number(3)}"
    expected = {(number(n), NOW - 60 + n, number(3), 2, pool) for n in (0, 3, 6)}
    assert set(rows.iter_rows()) == expected
    quarantined = lake.scan(tmp_path / "lake", "quarantine", QUARANTINE_SCHEMA).collect()
    assert quarantined.height == 0
