"""Prove a mapping on the first rows of its files, with the reader and the rules of a check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from recommender_contract.ids import IdKind
from recommender_contract.resource.mapping import Format, IdKinds
from recommender_training.common.errors import InputError
from recommender_training.data import schema
from recommender_training.ingestion import (
    convert,
    guess_label,
    quarantine_limits,
    readers,
    source_files,
)
from recommender_training.ingestion.id_table import IdReaders
from recommender_training.ingestion.ids import IdReader, IntegerIds
from recommender_training.ingestion.mapping import Mapping
from recommender_training.ingestion.text_ids import TextIds

#: Most files of a table that are read, and rows of all of them: some seconds for any size.
MAX_FILES, ROWS = 20, 200_000
_SHOWN_TEXT = 120
#: Share of rows that may fail by a proposed feature: less than a check allows in all by default.
MOST_BAD = 0.005
_EVENTS = {"timestamp": pl.Int64, "event_type": pl.String}


@dataclass
class TrialResult:
    """Result of a check of the rows of one table that were read."""

    table: str
    files: int = 0
    of_files: int = 0
    rows: int = 0
    passed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    #: By reason, the first row: its file, line and text.
    first: dict[str, str] = field(default_factory=dict)
    #: Files that cannot be read by the mapping, each with the reason; a check fails on them.
    unread: list[str] = field(default_factory=list)
    #: Whether all rows of all files were read.
    whole: bool = True
    #: Seconds and types of the events that pass, if the table is that of the interactions.
    events: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(schema=_EVENTS), repr=False, compare=False
    )

    @property
    def fits(self) -> bool:
        """True if all files can be read and all rows pass."""
        return self.passed == self.rows and not self.unread

    def lines(self) -> list[str]:
        """Return the result as texts: the rows that pass, then each reason with its remedy."""
        read = f"{self.files} of {self.of_files} files"
        texts = [f"{self.table}: {self.passed} of {self.rows} rows pass ({read} read)"]
        texts += [f"  {problem}" for problem in self.unread]
        for reason, count in self.reasons.most_common():
            remedy = quarantine_limits.REMEDIES.get(reason.partition(":")[0], "repair the rows")
            texts.append(f"  {reason} {count}, first: {self.first[reason]}: {remedy}")
        return texts

    def add(self, reason: str, count: int, first: str) -> None:
        """Count rows that fail for a reason."""
        self.reasons[reason] += count
        self.first.setdefault(reason, first)


def try_mapping(source: Path, mapping: Mapping, kind: Format, now: int) -> list[TrialResult]:
    """Return the result of a check of the first rows of each table; `now` in seconds since 1970.

    Files are spread over the order of names, the first and the last one included, so that one of
    another form is seen. Nothing is written.
    """
    ids = _id_readers(mapping.ids)
    return [_prove(source, mapping, name, kind, ids, now) for name in mapping.tables()]


def check_trial(proofs: Sequence[TrialResult]) -> None:
    """Raise InputError `TooManyQuarantinedRows` if no row of the interactions passes."""
    for proof in proofs:
        if proof.table == "interactions" and not proof.passed:
            why = proof.lines()[-1].strip()
            raise InputError(
                "TooManyQuarantinedRows", f"the proposal fits no row, so edit it: {why}"
            )


def _prove(
    source: Path, mapping: Mapping, name: str, kind: Format, ids: IdReaders, now: int
) -> TrialResult:
    pattern = mapping.tables()[name].files
    given: dict[Path, dict[str, str | None]] = {}
    if kind is Format.DELTA:
        given = {file.path: file.given for file in source_files.delta(source, pattern)}
    paths = list(given) or source_files.matches(source, pattern)
    chosen = _spread(paths)
    proof = TrialResult(name, files=len(chosen), of_files=len(paths), whole=chosen == paths)
    for path in chosen:
        place = str(path.relative_to(source))
        try:
            batches = readers.read_batches(path, kind, mapping, name, given.get(path))
            batch = next(batches, None)
            proof.whole = proof.whole and next(batches, None) is None
        except InputError as error:
            proof.unread.append(f"{error.reason}: {error.message}")
            continue
        if batch is None:
            continue
        proof.whole = proof.whole and batch.height <= ROWS // len(chosen)
        batch = batch.head(ROWS // len(chosen))
        good, bad = _converted(batch, mapping, name, ids, now)
        if name == "interactions":
            bad = pl.concat([bad, _repeated(good)])
            proof.events.extend(good.select(pl.col(each).cast(of) for each, of in _EVENTS.items()))
        proof.rows += batch.height
        proof.passed += batch.height - bad.height
        for (reason,), rows in bad.group_by("reason", maintain_order=True):
            line, text = rows.select("line", "row").row(0)
            shown = f"{place} line {line} {str(text)[:_SHOWN_TEXT]!r}"
            proof.add(str(reason), rows.height, shown)
    return proof


def leave_out(mapping: dict[str, Any], proofs: Sequence[TrialResult]) -> list[str]:
    """Leave out features for whose values too many rows fail; return what was left out and why.

    A row has one reason, so what is left is to be proven again.
    """
    notes = []
    for proof in proofs:
        table = mapping[proof.table]
        for reason, count in proof.reasons.items():
            kind, _, name = reason.partition(":")
            if not name or count <= MOST_BAD * proof.rows:
                continue
            features = [each for each in table["features"] if each["name"] != name]
            (gone,) = (each for each in table["features"] if each["name"] == name)
            table["features"] = features
            notes.append(
                f"{proof.table}: {gone.get('column', name)} is left out, as {count} of "
                f"{proof.rows} rows fail by it ({kind}): {quarantine_limits.REMEDIES[kind]}"
            )
        if not table.get("features", True):
            del table["features"]
    return notes


def fit_window(mapping: dict[str, Any], proofs: Sequence[TrialResult]) -> str:
    """Shorten the window of attribution of a proposed mapping to one that the log has room for.

    Returns what was changed, if anything. A log that was not read whole is left as it is: it is
    longer than the rows that the window was found in.
    """
    attribution = mapping.get("label", {}).get("attribution")
    (proof,) = (each for each in proofs if each.table == "interactions")
    if attribution is None or not proof.whole or not proof.events.height:
        return ""
    events, hours = proof.events.sort("timestamp"), attribution["hours"]
    shown = events.filter(pl.col("event_type").is_in(attribution["impressions"]))
    fitting = guess_label.fitting_window(
        hours, shown["timestamp"].to_numpy(), int(events["timestamp"][-1])
    )
    if fitting is None or fitting >= hours:
        return ""
    attribution["hours"] = fitting
    return (
        f"label.attribution.hours is {fitting} in place of {hours}, as the log is short: a label "
        "is known when its window has passed, and each part of the log needs some"
    )


def _repeated(good: pl.DataFrame) -> pl.DataFrame:
    """Return the rows whose event an earlier row of the file has already."""
    again = good.filter(~pl.struct(*schema.EVENT_KEY).is_first_distinct())
    reason = pl.lit("DuplicateEvent").alias("reason")
    return again.select(pl.col("_line").alias("line"), pl.col("_row").alias("row"), reason)


def _spread(paths: Sequence[Path]) -> list[Path]:
    """Return at most MAX_FILES of the files, the first and the last one included."""
    if len(paths) <= MAX_FILES:
        return list(paths)
    places = (round(n * (len(paths) - 1) / (MAX_FILES - 1)) for n in range(MAX_FILES))
    return [paths[place] for place in places]


def _id_readers(kinds: IdKinds) -> IdReaders:
    def reader(name: str, kind: IdKind) -> IdReader:
        return TextIds(name) if kind is IdKind.TEXT else IntegerIds(name)

    return IdReaders(user=reader("User", kinds.user), item=reader("Item", kinds.item))


def _converted(
    batch: pl.DataFrame, mapping: Mapping, name: str, ids: IdReaders, now: int
) -> convert.Parts:
    if name == "users":
        assert mapping.users is not None
        return convert.users(batch, mapping.users, ids.user, now)
    if name == "items":
        assert mapping.items is not None
        return convert.items(batch, mapping.items, ids.item, now)
    nobody = pl.DataFrame(schema={"user_id": pl.Int64, "segment": pl.String})
    return convert.interactions(
        batch,
        mapping.interactions,
        mapping.partition_by,
        nobody,
        now,
        ids.user,
        ids.item,
        mapping.best_types,
    )
