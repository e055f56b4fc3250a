"""Ingest the files of a mapped source into the lake, in bounded memory, each file once.

All rows are read and staged first, and bad rows are quarantined. If their share is small enough,
users and items are written, then interactions, then the record of ingested files. A killed check
can be repeated: rows already in the lake are recognised.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from recommender_contract.bands import UNKNOWN
from recommender_contract.resource.mapping import Format
from recommender_training.common.errors import InputError
from recommender_training.common.progress import say
from recommender_training.data import (
    compaction,
    data_versions,
    lake,
    row_times,
    schema,
    schema_files,
    version_content,
)
from recommender_training.ingestion import (
    conflicts,
    convert,
    default_segment,
    exploration_events,
    id_table,
    quarantine_limits,
    readers,
    shared_files,
    source_files,
)
from recommender_training.ingestion.erased_users import ErasedUsers
from recommender_training.ingestion.file_digests import FileDigests
from recommender_training.ingestion.ingestion_run import IngestedFile, Run
from recommender_training.ingestion.mapping import Mapping
from recommender_training.ingestion.quarantine import Quarantine
from recommender_training.ingestion.source_files import SourceFile
from recommender_training.ingestion.staged_rows import StagedRows


def batch_rows(batches: Iterable[IngestedFile], schema_hash: str) -> pl.DataFrame:
    """Return the rows of the table `batches` for files that were read with this schema hash."""
    rows = [
        (each.file.batch, schema_hash, each.file.name, each.rows, each.new, each.known, each.bad)
        for each in batches
    ]
    return pl.DataFrame(rows, schema=schema.BATCHES_SCHEMA, orient="row")


#: Each segment is a folder per day.
MAX_SEGMENTS = 100


@dataclass(frozen=True)
class Ingested:
    """Result of an ingestion. `times` has at least the column `timestamp` of all events."""

    data_version: str
    times: pl.DataFrame
    quarantined_rows: int
    new_rows: int
    quarantined: quarantine_limits.Quarantined


def ingest(
    source: Path, path: Path, kind: Format, mapping: Mapping, max_share: float, now: int
) -> Ingested:
    """Ingest all files that the lake at `path` does not have yet.

    Raises InputError: DataMissing, UnreadableData, UnknownColumns, InvalidMapping,
    SchemaChanged, TooManySegments, NoRowsInWindow, TooManyQuarantinedRows.
    """
    declaration = mapping.declaration
    lake.check_growth(path, declaration)
    digests = FileDigests.of(path)
    files = source_files.find_files(source, mapping, kind, digests)
    ids = id_table.open_readers(path, mapping.ids)
    staging, columns = StagedRows(path / ".staging"), schema.tables(declaration)
    quarantine = Quarantine(path, ErasedUsers.of(path))
    run = Run(path, kind, mapping, now, quarantine, staging, ids, declaration, columns)
    run.events = source_files.of_the_collector(source, files, kind, digests)
    digests.write(path)
    run.staging.begin()
    try:
        return _ingest(run, files, max_share)
    finally:
        run.staging.end()


def _ingest(run: Run, files: dict[str, list[SourceFile]], max_share: float) -> Ingested:
    users, user_count = _side(run, "users", files.get("users", []))
    items, item_count = _side(run, "items", files.get("items", []))
    done = lake.scan(run.path, "batches", schema.BATCHES_SCHEMA).collect()
    done = done.filter(pl.col("schema_hash") == run.hash("interactions"))
    fresh = _fresh(files["interactions"], done)
    _, present = lake.current(run.path, "users", run.columns["users"])
    users = default_segment.fill(users, present, run.declaration)
    key = [each for each in ("user_id", row_times.COLUMN) if each in users.columns]
    known = pl.concat([users, present]).unique(key, keep="first")
    for number, file in enumerate(fresh):
        _read(run, number, file, known.select(*key, "segment"))
    resolved = list(_resolve(run))
    run.quarantine.flush()
    batches = {file.batch for file in files["interactions"]}
    earlier = done.filter(pl.col("batch").is_in(list(batches))).unique("batch")
    bad = int(earlier["quarantined_rows"].sum()) + sum(batch.bad for batch in run.batches)
    rows = int(earlier["rows"].sum()) + sum(batch.rows for batch in run.batches)
    counts = [quarantine_limits.Count("interactions", rows - bad, bad), user_count, item_count]
    say(f"check: {rows} rows, {bad} quarantined, {len(fresh)} new files")
    quarantine_limits.check_quarantine(
        counts,
        run.quarantine.reasons,
        run.quarantine.first,
        max_share,
        files=run.mapping.interactions.files,
        remedies=quarantine_limits.REMEDIES,
    )
    read = sum(batch.rows for batch in run.batches)
    quarantined = quarantine_limits.quarantined(counts, run.quarantine.reasons, read)
    return _write(run, users, items, resolved, sum(count.bad for count in counts), quarantined)


def _side(
    run: Run, name: str, files: list[SourceFile]
) -> tuple[pl.DataFrame, quarantine_limits.Count]:
    """Read users or items of the source, as every check does.

    The last row of an id counts, or with a history, of an id and the time that it counts from.
    With a history, rows of one file must not contradict one another: their order says nothing.
    """
    if shared_files.is_latest(run.mapping, name):
        return shared_files.latest(run, name, files)
    columns = run.columns[name]
    key = [each for each in columns.names() if each in (columns.names()[0], row_times.COLUMN)]
    history = row_times.COLUMN in key
    kept = pl.Schema({**columns, **({conflicts.AHEAD: pl.Float64()} if history else {})})
    parts, bad_rows = [pl.DataFrame(schema=kept)], 0
    for file in files:
        own = [pl.DataFrame(schema=kept)]
        for frame in readers.read_batches(file.path, run.kind, run.mapping, name, file.given):
            good, bad = run.converted(getattr(run.mapping, name), frame)
            own.append(good if history else good.select(columns.names()))
            run.quarantine.add(bad, name, file, run.hash(name))
            bad_rows += bad.height
        rows = pl.concat(own, how="diagonal")
        if history and rows.height:
            rows, bad = conflicts.split(rows, key)
            run.quarantine.add(bad, name, file, run.hash(name))
            bad_rows += bad.height
        parts.append(rows.select(kept.names()))
    count = quarantine_limits.Count(name, sum(part.height for part in parts), bad_rows)
    if files and not count.good + count.bad:
        raise quarantine_limits.no_row(name, getattr(run.mapping, name).files)
    rows, corrected = conflicts.settled(parts, key)
    if corrected:
        say(
            f"check: {corrected} rows of {name} differ between files; the last "
            "file in the order of names counts"
        )
    return rows, count


def _fresh(files: list[SourceFile], done: pl.DataFrame) -> list[SourceFile]:
    """Return files with new content under this mapping; copies do not count."""
    seen = set(done["batch"].to_list())
    fresh = []
    for file in files:
        if file.batch not in seen:
            fresh.append(file)
        seen.add(file.batch)
    return fresh


def _read(run: Run, number: int, file: SourceFile, segments: pl.DataFrame) -> None:
    """Stage the good rows of a file of interactions and quarantine the bad ones."""
    table = run.mapping.interactions
    batch = IngestedFile(file)
    frames = readers.read_batches(file.path, run.kind, run.mapping, "interactions", file.given)
    for frame in frames:
        good, bad = convert.interactions(
            frame,
            table,
            run.mapping.partition_by,
            segments,
            run.now,
            run.ids.user,
            run.ids.item,
            run.mapping.best_types,
        )
        good = run.quarantine.erased.events(good)
        run.staging.add(number, good)
        run.quarantine.add(bad, "interactions", file, run.hash("interactions"))
        batch.rows += frame.height
        batch.bad += bad.height
        run.segments.update(good["segment"].unique().to_list())
        if len(run.segments) > MAX_SEGMENTS:
            raise InputError(
                "TooManySegments",
                f"{file.path}: more than {MAX_SEGMENTS} segments, such as "
                f"{', '.join(sorted(run.segments)[:5])}; each is a folder per day: map a column "
                "with few values",
            )
    run.batches.append(batch)


def _resolve(run: Run) -> Iterator[Path]:
    """Separate new events from known and repeated ones; yield files with the new events."""
    hash_ = run.hash("interactions")
    for number, part in enumerate(run.staging.resolve(run.path)):
        for index, rows in part.known.items():
            run.batches[index].known += rows
        for batch, bad in zip(run.batches, _by_file(part.bad, len(run.batches)), strict=True):
            batch.bad += bad.height
            run.quarantine.add(bad, "interactions", batch.file, hash_)
        for index, rows in part.new.group_by("_number").len().iter_rows():
            run.batches[index].new += rows
        if part.new.height:
            yield run.staging.keep(number, part.new.drop("_number"))


def _by_file(bad: pl.DataFrame, files: int) -> list[pl.DataFrame]:
    rows = bad.select("line", "row", "reason")
    return [rows.filter(bad["number"] == number) for number in range(files)]


def _write(
    run: Run,
    users: pl.DataFrame,
    items: pl.DataFrame,
    resolved: list[Path],
    bad_rows: int,
    quarantined: quarantine_limits.Quarantined,
) -> Ingested:
    """Write new rows; users and items before interactions, so that none lacks its user or item."""
    erased, incoming = run.quarantine.erased, run.staging.distinct("user_id")
    users = erased.users(users, run.path, incoming)
    erased.tell()
    id_table.write_ids(run.path, run.ids, erased, incoming)
    user_version, users = lake.merge(run.path, "users", _with_new_ids(run, "users", users))
    item_version, items = lake.merge(run.path, "items", _with_new_ids(run, "items", items))
    for part in resolved:
        lake.append(run.path, "interactions", pl.read_parquet(part), ["event_date", "segment"])
    if resolved:
        compaction.compact_interactions(run.path)
    version = lake.newest(run.path, "interactions")
    if run.batches:
        counts = batch_rows(run.batches, run.hash("interactions"))
        lake.append(run.path, "batches", counts, None)
        compaction.compact_notes(run.path)
    new_rows = sum(batch.new for batch in run.batches)
    rows = lake.scan(run.path, "interactions", run.columns["interactions"])
    times = rows.select("timestamp").collect(engine="streaming")
    if version is None:
        return Ingested("", times, bad_rows, 0, quarantined)
    place_version, places = exploration_events.add_exploration(
        run.path, run.events, run.mapping.ids, run.now
    )
    digest = version_content.content_digest(
        run.declaration, lake.interactions_in_order(rows), users, items, places
    )
    name = data_versions.name_version(version, user_version, item_version, digest, place_version)
    schema_files.write_schema(run.path, name, run.declaration)
    return Ingested(name, times, bad_rows, new_rows, quarantined)


def _with_new_ids(run: Run, name: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Add rows for ids that occur only in events, with unknown features."""
    columns = run.columns[name]
    key = columns.names()[0]
    _, present = lake.current(run.path, name, columns)
    ids = (
        run.staging.distinct(key).join(present, on=key, how="anti").join(rows, on=key, how="anti")
    )
    unknown = {column: pl.lit(None, dtype=kind) for column, kind in columns.items()}
    unknown["segment"] = pl.lit(UNKNOWN)
    others = [unknown[column].alias(column) for column in columns.names()[1:]]
    return pl.concat([rows, ids.sort(key).select(key, *others)])
