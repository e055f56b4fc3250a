"""Users or items that are columns of the interactions: one file is both tables.

A table without `validFrom` has one row an id. Of the many rows that events give, the latest known
value of each column counts, by the time of the event and not by the order of files.
"""

from __future__ import annotations

import polars as pl

from recommender_training.data import row_times
from recommender_training.ingestion import conflicts, quarantine_limits, readers
from recommender_training.ingestion.ingestion_run import Run
from recommender_training.ingestion.mapping import Mapping, SideTable
from recommender_training.ingestion.source_files import SourceFile

_AT = "_at"


def is_latest(mapping: Mapping, name: str) -> bool:
    """True if a table is the latest values of the columns of the interactions' own files."""
    table: SideTable | None = getattr(mapping, name)
    shared = table is not None and table.files == mapping.interactions.files
    return shared and table is not None and not table.has_history


def latest(
    run: Run, name: str, files: list[SourceFile]
) -> tuple[pl.DataFrame, quarantine_limits.Count]:
    """Read the table from the files of interactions, a batch of rows at a time; count its rows."""
    mapping = _timed(run.mapping, name)
    columns = run.columns[name].names()
    newest = pl.DataFrame(schema={**run.columns[name], _AT: pl.Float64()})
    good_rows = bad_rows = 0
    for file in files:
        for frame in readers.read_batches(file.path, run.kind, mapping, name, file.given):
            good, bad = run.converted(getattr(mapping, name), frame)
            run.quarantine.add(bad, name, file, run.hash(name))
            good_rows, bad_rows = good_rows + good.height, bad_rows + bad.height
            at = (pl.col(row_times.COLUMN) - pl.col(conflicts.AHEAD)).alias(_AT)
            rows = pl.concat([newest, good.select(*columns, at)]).sort(_AT, maintain_order=True)
            newest = rows.group_by(columns[0], maintain_order=True).agg(
                pl.exclude(columns[0]).drop_nulls().last()
            )
    return newest.select(columns), quarantine_limits.Count(name, good_rows, bad_rows)


def _timed(mapping: Mapping, name: str) -> Mapping:
    """The mapping whose table also reads the time of the event."""
    table, events = getattr(mapping, name), mapping.interactions
    timed = {"valid_from": events.timestamp, "valid_from_unit": events.timestamp_unit}
    columns = {"columns": events.columns} if events.columns and not table.columns else {}
    return mapping.model_copy(update={name: table.model_copy(update=timed | columns)})
