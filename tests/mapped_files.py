"""The same rows written as CSV, JSON lines and Parquet, and a mapping that reads them."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping as Facts
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from recommender_contract.resource.mapping import Format
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data import lake, schema
from recommender_training.ingestion import ingest
from recommender_training.ingestion.mapping import Mapping
from recommender_training.ingestion.mapping_argument import parse_mapping

#: 2026-01-01T00:00:00Z
START = 1_767_225_600
NOW = START + 30 * 86_400
EXTENSIONS = {Format.CSV: "csv", Format.JSON_LINES: "jsonl", Format.PARQUET: "parquet"}
INTERACTIONS: dict[str, Any] = {
    "files": "events/*",
    "user": "user",
    "item": "item",
    "timestamp": "at",
    "value": "rating",
}
EVENTS: dict[str, Any] = {
    **INTERACTIONS,
    "eventType": "event",
    "eventTypes": [{"type": "view", "value": 2}, {"type": "buy", "value": 5}],
    "session": "session",
    "segment": "segment",
}

Row = Facts[str, Any]


def declare(kind: Format = Format.CSV, **sections: Any) -> Mapping:
    """A mapping, read as the command reads it."""
    mapping = parse_mapping(json.dumps({"interactions": INTERACTIONS} | sections), kind)
    assert mapping is not None
    return mapping


def event(user: Any, item: Any, at: Any, rating: Any = 5, **more: Any) -> dict[str, Any]:
    return {"user": user, "item": item, "at": at, "rating": rating, **more}


def write(path: Path, rows: Sequence[Row]) -> Path:
    """Write rows in the format that the name's ending says; None is nothing at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(dict.fromkeys(name for row in rows for name in row))
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, names)
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".jsonl":
        kept = [{name: value for name, value in row.items() if value is not None} for row in rows]
        lines = [json.dumps(row, ensure_ascii=False) for row in kept]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    else:
        columns = {name: [row.get(name) for row in rows] for name in names}
        pl.DataFrame(columns, strict=False).write_parquet(path)
    return path


def check(
    source: Path, path: Path, mapping: Mapping, kind: Format = Format.CSV, share: float = 1.0,
    **options: Any,
) -> ingest.CheckResult:  # fmt: skip
    return ingest.ingest_and_check(
        source, path, kind=kind, mapping=mapping, max_quarantined_share=share, now=NOW, **options
    )


def table(path: Path, name: str) -> pl.DataFrame:
    """The newest rows of a table with all of its columns; no rows if it is missing."""
    empty = {
        **schema.tables(FeatureSchema()),
        "quarantine": schema.MAPPED_QUARANTINE_SCHEMA,
        "batches": schema.BATCHES_SCHEMA,
    }[name]
    if lake.newest(path, name) is None:
        return pl.DataFrame(schema=empty)
    return pl.scan_delta(str(path / name)).collect()


def reasons(path: Path) -> dict[str, int]:
    counted = table(path, "quarantine").group_by("reason").len()
    return dict(counted.iter_rows())
