"""Stage the good rows of new files on disk, then separate new events from known ones.

No row may enter the lake before the share of bad rows is known, and a source may exceed the
memory. So rows wait in Parquet files and are resolved in stretches of time. Duplicates share their
second, so each stretch is independent.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data import lake, schema

#: Rows of a stretch, unless a single hour has more: about a hundred megabytes.
STRETCH_ROWS = 250_000
_HOUR = 3600
_KEY = list(schema.EVENT_KEY)
#: The columns of an event that tell whether it is known, in every lake.
_EVENT = schema.interactions_schema(FeatureSchema())


@dataclass(frozen=True)
class Resolved:
    """Result of a stretch of time: new events, counts of known ones by file number, bad rows.

    `new` has the columns of the table and `_number` (of the file); `bad` has `number`, `line`,
    `row` and `reason`.
    """

    new: pl.DataFrame
    known: dict[int, int]
    bad: pl.DataFrame


@dataclass
class StagedRows:
    """Staged rows of the files of a source, by the number of the file."""

    folder: Path
    _hours: dict[int, int] = field(default_factory=dict)
    _parts: int = 0

    def begin(self) -> None:
        """Start empty; remove the remains of a killed process."""
        self.end()
        self.folder.mkdir(parents=True)

    def end(self) -> None:
        """Remove all staged rows."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def add(self, number: int, good: pl.DataFrame) -> None:
        """Stage rows of the interactions table, with `_line` and `_row`."""
        if good.height == 0:
            return
        hours = good.group_by(pl.col("timestamp") // _HOUR).len()
        for hour, rows in hours.iter_rows():
            self._hours[hour] = self._hours.get(hour, 0) + rows
        staged = good.sort("timestamp").with_columns(pl.lit(number, pl.Int32).alias("_number"))
        staged.write_parquet(
            self.folder / f"{self._parts:06}.parquet", compression="zstd", row_group_size=20_000
        )
        self._parts += 1

    def resolve(self, lake_path: Path) -> Iterator[Resolved]:
        """Yield the result of each stretch of time, oldest first."""
        for first, last in self._stretches():
            inside = pl.col("timestamp").is_between(first, last)
            staged = self._scan().filter(inside)
            rows = staged.drop("_row").collect(engine="streaming").sort("_number", "_line")
            yield _resolve(rows, staged, _known(lake_path, rows.select(_KEY), first, last))

    def keep(self, number: int, new: pl.DataFrame) -> Path:
        """Keep the new events of a stretch in a file until they are written; return its path."""
        folder = self.folder / "new"
        folder.mkdir(exist_ok=True)
        path = folder / f"{number:06}.parquet"
        new.write_parquet(path, compression="zstd")
        return path

    def distinct(self, column: str) -> pl.DataFrame:
        """Return the distinct ids of a column in all staged rows."""
        if not self._parts:
            return pl.DataFrame(schema={column: pl.Int64})
        return self._scan().select(pl.col(column).unique()).collect(engine="streaming")

    def _scan(self) -> pl.LazyFrame:
        return pl.scan_parquet(sorted(self.folder.glob("*.parquet")), glob=False)

    def _stretches(self) -> Iterator[tuple[int, int]]:
        """Yield first and last second of stretches of whole hours with limited rows."""
        hours = sorted(self._hours)
        start, rows = 0, 0
        for at, hour in enumerate(hours):
            rows += self._hours[hour]
            if rows >= STRETCH_ROWS or at == len(hours) - 1:
                yield hours[start] * _HOUR, hour * _HOUR + _HOUR - 1
                start, rows = at + 1, 0


def _known(lake_path: Path, keys: pl.DataFrame, first: int, last: int) -> pl.DataFrame:
    """Return events of the lake with these keys, with their value as `_known_value`."""
    days = [
        pl.select(pl.from_epoch(pl.lit(time), time_unit="s").dt.strftime("%Y-%m-%d")).item()
        for time in (first, last + 24 * _HOUR)
    ]
    return (
        lake.scan(lake_path, "interactions", _EVENT)
        .filter(pl.col("event_date") >= days[0], pl.col("event_date") < days[1])
        .filter(pl.col("timestamp").is_between(first, last))
        .select(*_KEY, pl.col("value").alias("_known_value"))
        .join(keys.unique().lazy(), on=_KEY, how="semi", nulls_equal=True)
        .collect(engine="streaming")
        .unique(_KEY, keep="first", maintain_order=True)
    )


def _resolve(rows: pl.DataFrame, staged: pl.LazyFrame, known: pl.DataFrame) -> Resolved:
    """Classify rows, which are sorted by file and line.

    The first row of an event in a file counts; others in the same file are duplicates. An event
    that another file or the lake has already is known, since exports overlap. If its value
    differs, one of the two is wrong, and the newer one is quarantined.
    """
    columns = [column for column in rows.columns if column != "_line"]
    rows = rows.with_columns(
        pl.struct("_number", *_KEY).is_first_distinct().alias("_first_in_file"),
        pl.struct(*_KEY).is_first_distinct().alias("_first"),
    )
    firsts = rows.filter("_first").select(*_KEY, pl.col("value").alias("_first_value"))
    rows = rows.join(known, on=_KEY, how="left", nulls_equal=True, maintain_order="left")
    rows = rows.join(firsts, on=_KEY, how="left", nulls_equal=True, maintain_order="left")
    before = pl.coalesce("_known_value", "_first_value")
    reason = (
        pl.when(~pl.col("_first_in_file"))
        .then(pl.lit("DuplicateEvent"))
        .when(pl.col("value") != before)
        .then(pl.lit("ConflictingEvent"))
    )
    rows = rows.with_columns(reason.alias("_reason"))
    good = pl.col("_reason").is_null()
    fresh = pl.col("_first") & pl.col("_known_value").is_null()
    repeated = rows.filter(good & ~fresh).group_by("_number").len()
    wrong = rows.filter(~good).select("_number", "_line", "_reason")
    bad = wrong.with_columns(_row=pl.lit("")).clear()
    if wrong.height:
        lines = staged.select("_number", "_line", "_row").join(
            wrong.lazy().select("_number", "_line"), on=["_number", "_line"], how="semi"
        )
        bad = wrong.join(lines.collect(engine="streaming"), on=["_number", "_line"])
    return Resolved(
        rows.filter(good & fresh).select(columns),
        dict(repeated.iter_rows()),
        bad.rename({f"_{name}": name for name in ("number", "line", "row", "reason")}),
    )
