"""Whether too many rows of a source had to be put aside, and what that is likely to mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recommender_training.common.errors import InputError
from recommender_training.ingestion import ids

#: What is likely to be wrong with a mapped source where a reason is the commonest.
REMEDIES: Mapping[str, str] = {
    "BadUserId": "ids are whole numbers from 0; where they are texts, set ids.user of the mapping "
    "to Text",
    "BadItemId": "ids are whole numbers from 0; where they are texts, set ids.item of the mapping "
    "to Text",
    "EmptyUserId": "map the column that has the user's id, or leave out rows without a user",
    "EmptyItemId": "map the column that has the item's id, or leave out rows without an item",
    "UserIdTooLong": f"ids have at most {ids.MAX_BYTES} bytes of UTF-8: map another column",
    "ItemIdTooLong": f"ids have at most {ids.MAX_BYTES} bytes of UTF-8: map another column",
    "ControlInUserId": "ids hold no control characters, such as line ends: clean the export",
    "ControlInItemId": "ids hold no control characters, such as line ends: clean the export",
    "UserIdCollision": "two texts have one hash of 63 bits: give that user another id",
    "ItemIdCollision": "two texts have one hash of 63 bits: give that item another id",
    "TimestampLooksLikeSeconds": "set timestamp.unit of the mapping to Seconds",
    "TimestampLooksLikeMilliseconds": "set timestamp.unit of the mapping to Milliseconds",
    "TimestampLooksLikeMicroseconds": "export the times in milliseconds and say so",
    "TimestampLooksLikeNanoseconds": "export the times in milliseconds and say so",
    "TimestampLooksLikeISO8601": "set timestamp.unit of the mapping to ISO8601",
    "TimestampIsNumber": "set timestamp.unit of the mapping to Seconds or Milliseconds",
    "FutureTimestamp": "the clock of the writer or the unit of the times is wrong",
    "UnknownEventType": "add the type to eventType.types of the mapping",
    "BadValue": "set value.lowest and value.highest of the mapping to the range of the column",
    "WrongFieldCount": "quote fields that hold the delimiter, or set csv.delimiter of the mapping",
    "BadQuotes": "double the quotes inside of a field, or set csv.quote of the mapping",
    "DuplicateEvent": "an event has one row: the same user, item, time and type came again",
}
#: Reasons of rows whose event was there already.
DUPLICATES = ("DuplicateRow", "DuplicateEvent", "ConflictingEvent")


@dataclass(frozen=True)
class Count:
    """Rows of one table of a source."""

    table: str
    good: int
    bad: int

    @property
    def share(self) -> float:
        """Share of the rows that were put aside."""
        return self.bad / max(self.good + self.bad, 1)


@dataclass(frozen=True)
class Aside:
    """Rows of the files of a source that were put aside, each with the number of all rows."""

    quarantine: Mapping[str, tuple[int, int]]  # by table
    duplicates: Mapping[str, tuple[int, int]]  # by table, of the files read in this check


def aside(counts: Sequence[Count], reasons: Counter[str], rows_read: int) -> Aside:
    """What was put aside; `rows_read` are the rows of interactions that this check has read."""
    duplicates = sum(reasons[reason] for reason in DUPLICATES)
    return Aside(
        {count.table: (count.bad, count.good + count.bad) for count in counts},
        {counts[0].table: (duplicates, rows_read)},
    )


def check(
    counts: Sequence[Count],
    reasons: Counter[str],
    first: Mapping[str, object] | None,
    max_share: float,
    *,
    files: str,
    remedies: Mapping[str, str] | None = None,
) -> None:
    """Hold each table against the allowed share; the first count is that of the interactions.

    `first` is a quarantined row to show; `files` names those of the interactions. Raises
    InputError: NoRowsInWindow, TooManyQuarantinedRows.
    """
    if counts[0].good + counts[0].bad == 0:
        raise InputError("NoRowsInWindow", f"the {files} files hold no row below their headers")
    worst = max(counts, key=lambda count: count.share)
    if worst.share <= max_share:
        return
    ranked = sorted(reasons.items(), key=lambda entry: (entry[1], entry[0]), reverse=True)
    told = [", ".join(f"{reason} {count}" for reason, count in ranked[:5]) or "in earlier checks"]
    if first is not None:
        row = str(first["row"])[:120]
        told.append(f"first: {first['file']} line {first['line']} {row!r} ({first['reason']})")
    if remedies and ranked and ranked[0][0] in remedies:
        told.append(remedies[ranked[0][0]])
    told.append("repair the rows or raise data.maxQuarantinedShare")
    raise InputError(
        "TooManyQuarantinedRows",
        f"{worst.bad} of {worst.good + worst.bad} rows of {worst.table} are quarantined "
        f"({worst.share:.2%}, at most {max_share:.2%} allowed): {'; '.join(told)}",
        quarantinedRows=sum(count.bad for count in counts),
        rows=counts[0].good,
        totalRows=sum(count.good + count.bad for count in counts),
    )
