"""Quarantined rows, each stored once with its file, line, reason and schema."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from recommender_training.data import lake, schema
from recommender_training.ingestion.erased_users import ErasedUsers
from recommender_training.ingestion.source_files import SourceFile

#: Rows held in memory before a write: some tens of megabytes at most.
_HELD_ROWS = 50_000
#: A row is identified by its position, not by its text.
_KEY = ["batch", "schema_hash", "table", "line", "reason"]


@dataclass
class Quarantine:
    """Collects bad rows, and writes those that the table does not have yet."""

    lake_path: Path
    erased: ErasedUsers = field(default_factory=ErasedUsers)
    reasons: Counter[str] = field(default_factory=Counter)
    first: dict[str, object] | None = None
    _held: list[pl.DataFrame] = field(default_factory=list)

    def add(self, bad: pl.DataFrame, table: str, file: SourceFile, schema_hash: str) -> None:
        """Add bad rows (`line`, `row`, `reason`) of a file; those of erased users only count."""
        if bad.height == 0:
            return
        facts = {
            "table": table,
            "file": file.name,
            "schema_hash": schema_hash,
            "batch": file.batch,
        }
        kept = self.erased.quarantined(bad)
        rows = kept.with_columns(pl.lit(value).alias(name) for name, value in facts.items())
        self._held.append(rows.select(schema.MAPPED_QUARANTINE_SCHEMA.names()))
        self.reasons.update(dict(bad.group_by("reason").len().iter_rows()))
        if self.first is None and rows.height:
            self.first = rows.row(0, named=True)
        if sum(frame.height for frame in self._held) >= _HELD_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write the collected rows."""
        if not self._held:
            return
        rows = pl.concat(self._held).unique(_KEY, keep="first", maintain_order=True)
        self._held.clear()
        present = (
            lake.scan(self.lake_path, "quarantine", schema.MAPPED_QUARANTINE_SCHEMA)
            .filter(pl.col("batch").is_in(rows["batch"].unique().implode()))
            .select(_KEY)
            .collect(engine="streaming")
        )
        new = rows.join(present, on=_KEY, how="anti")
        if new.height:
            lake.append(self.lake_path, "quarantine", new, None)
