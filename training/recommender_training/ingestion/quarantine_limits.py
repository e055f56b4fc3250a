"""Limits on the share of quarantined rows, and remedies by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recommender_contract import ids
from recommender_training.common.errors import InputError

#: Likely remedy for a mapped source, by its most frequent reason.
REMEDIES: Mapping[str, str] = {
    "BadUserId": "ids must be whole numbers from 0; for text ids, set ids.user of the mapping to "
    "Text",
    "BadItemId": "ids must be whole numbers from 0; for text ids, set ids.item of the mapping to "
    "Text",
    "EmptyUserId": "map the column with the user's id, or export no rows without a user",
    "EmptyItemId": "map the column with the item's id, or export no rows without an item",
    "UserIdTooLong": f"ids have at most {ids.MAX_BYTES} bytes of UTF-8: map another column",
    "ItemIdTooLong": f"ids have at most {ids.MAX_BYTES} bytes of UTF-8: map another column",
    "ControlInUserId": "ids must not have control characters, such as line ends: clean the export",
    "ControlInItemId": "ids must not have control characters, such as line ends: clean the export",
    "UserIdCollision": "two texts have the same 63-bit hash: give that user another id",
    "ItemIdCollision": "two texts have the same 63-bit hash: give that item another id",
    "TimestampLooksLikeSeconds": "set timestampUnit of the mapping to Seconds",
    "TimestampLooksLikeMilliseconds": "set timestampUnit of the mapping to Milliseconds",
    "TimestampLooksLikeMicroseconds": "set timestampUnit of the mapping to Microseconds",
    "TimestampLooksLikeNanoseconds": "export the times in milliseconds and set timestampUnit of "
    "the mapping to Milliseconds",
    "TimestampLooksLikeISO8601": "set timestampUnit of the mapping to ISO8601",
    "BadTimestamp": "the text is no time of timestampUnit of the mapping: with ISO8601, export "
    "such as 2026-11-25T00:00:00Z or 2026-11-25 00:00:00 UTC",
    "TimestampIsNumber": "set timestampUnit of the mapping to Seconds or Milliseconds",
    "FutureTimestamp": "check the clock of the writer and the unit of the times",
    "UnknownEventType": "add the type to eventTypes of the mapping",
    "BadValue": "set lowest and highest of the mapping to the range of the column of values",
    "WrongFieldCount": "quote fields that hold the delimiter, or set csv.delimiter of the mapping",
    "BadQuotes": "double the quotes inside a field, or set csv.quote of the mapping",
    "BadFeature": "the text is no value of the feature's kind, or out of its range: check kind, "
    "unit, minimum, maximum, length and missing in the features of the mapping",
    "TextTooLong": "texts have at most 64 characters: map another column, or set the separator of "
    "a MultiCategorical feature",
    "TooManyCategories": "a row of users or interactions has more categories than maxPerRow of a "
    "MultiCategorical feature allows: raise maxPerRow (64 at most), or export the main ones",
    "NullInList": "a list of a MultiCategorical feature of users or interactions has a null: "
    "leave it out of the export, or write null in place of the list",
    "ConflictingRow": "two rows of one file have the same id and validFrom but different values: "
    "export one row per change, with the time of the change",
    "DuplicateEvent": "export one row per event, that is per user, item, time and type",
}
#: Reasons of rows whose event was already known.
DUPLICATES = ("DuplicateRow", "DuplicateEvent", "ConflictingEvent")


@dataclass(frozen=True)
class Count:
    """Rows of one table of a source."""

    table: str
    good: int
    bad: int

    @property
    def share(self) -> float:
        """Share of quarantined rows."""
        return self.bad / max(self.good + self.bad, 1)


@dataclass(frozen=True)
class Quarantined:
    """Counts of quarantined rows of a source, each with the number of all rows."""

    quarantine: Mapping[str, tuple[int, int]]  # by table
    duplicates: Mapping[str, tuple[int, int]]  # by table, only files read in this check


def quarantined(counts: Sequence[Count], reasons: Counter[str], rows_read: int) -> Quarantined:
    """Count quarantined rows; `rows_read` are the rows of interactions read in this check."""
    duplicates = sum(reasons[reason] for reason in DUPLICATES)
    return Quarantined(
        {count.table: (count.bad, count.good + count.bad) for count in counts},
        {counts[0].table: (duplicates, rows_read)},
    )


def no_row(table: str, files: str) -> InputError:
    """Without a row all features of a table would be unknown, and nothing would say so."""
    text = f"{table}.files: {files!r} has no row; write the files again, or remove {table}"
    return InputError("UnreadableData", f"{text} from the mapping")


def check_quarantine(
    counts: Sequence[Count],
    reasons: Counter[str],
    first: Mapping[str, object] | None,
    max_share: float,
    *,
    files: str,
    remedies: Mapping[str, str] | None = None,
) -> None:
    """Compare each table with the allowed share; the first count is that of the interactions.

    `first` is a quarantined row to show; `files` is the pattern of the interactions. Raises
    InputError: NoRowsInWindow, TooManyQuarantinedRows.
    """
    if counts[0].good + counts[0].bad == 0:
        raise InputError(
            "NoRowsInWindow",
            f"the {files} files have no row below their headers: export the interactions again",
        )
    worst = max(counts, key=lambda count: count.share)
    if worst.share <= max_share:
        return
    ranked = sorted(reasons.items(), key=lambda entry: (entry[1], entry[0]), reverse=True)
    parts = [", ".join(f"{reason} {count}" for reason, count in ranked[:5]) or "in earlier checks"]
    if first is not None:
        row = str(first["row"])[:120]
        parts.append(f"first: {first['file']} line {first['line']} {row!r} ({first['reason']})")
    of = ranked[0][0].partition(":")[0] if ranked else ""  # without the name of the feature
    if remedies and of in remedies:
        parts.append(remedies[of])
    parts.append("repair the rows or raise data.maxQuarantinedShare")
    raise InputError(
        "TooManyQuarantinedRows",
        f"{worst.bad} of {worst.good + worst.bad} rows of {worst.table} are quarantined "
        f"({worst.share:.2%}, at most {max_share:.2%} allowed): {'; '.join(parts)}",
        quarantinedRows=sum(count.bad for count in counts),
        rows=counts[0].good,
        totalRows=sum(count.good + count.bad for count in counts),
    )
