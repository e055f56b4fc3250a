"""Keeps the rows of erased users out of the lake while raw files still have them.

Rows up to the time of the erasure stay out; a user who comes back has rows again. A row of the
users has no such time: it stays out until an event brings the user back.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from recommender_contract import ids
from recommender_contract.erasures import digest
from recommender_training.common.progress import say
from recommender_training.data import erasures, lake, row_times
from recommender_training.ingestion.lines import MAX_ROW_TEXT

_WHOLE = re.compile(r"([0-9]{1,18})(?:\.0+)?")
_ID = pl.Schema({"user_id": pl.Int64})
_AT = "_erased_at"


@dataclass
class ErasedUsers:
    """Erased users of a lake, by digest, with the time of the erasure."""

    times: Mapping[str, int] = field(default_factory=dict)
    #: Rows that stayed out.
    dropped: int = 0

    @classmethod
    def of(cls, path: Path) -> ErasedUsers:
        """Return those of the lake at `path`. Raises InputError `ErasuresDamaged`."""
        return cls(erasures.read_erasures(path).users)

    def among(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return `user_id` and the time of the erasure of those users who were erased."""
        users = rows["user_id"].unique() if self.times else ()
        found = [
            (user, time) for user in users if (time := self.times.get(digest(user))) is not None
        ]
        return pl.DataFrame(found, schema={**_ID, _AT: pl.Int64}, orient="row")

    def events(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return rows with `user_id` and `timestamp` without those up to an erasure."""
        return self._after(rows, self.among(rows), "timestamp")

    def users(self, rows: pl.DataFrame, path: Path, incoming: pl.DataFrame) -> pl.DataFrame:
        """Return rows of users without those of erased ones.

        A user of `incoming` or of the lake at `path` has come back since. With a history, rows
        from before the erasure stay out all the same.
        """
        erased = self.among(rows)
        if not erased.height:
            return rows
        inside = lake.scan(path, "users", _ID).join(erased.lazy(), on="user_id", how="semi")
        back = pl.concat([inside.collect(), incoming.select("user_id")])
        gone = erased.join(back, on="user_id", how="anti")
        kept = rows.join(gone, on="user_id", how="anti", maintain_order="left")
        self.dropped += rows.height - kept.height
        return self._after(kept, erased, row_times.COLUMN) if row_times.COLUMN in rows else kept

    def quarantined(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return bad rows (`row`) without those that may name an erased user, at any time."""
        if not self.times or not rows.height:
            return rows
        return rows.filter(pl.Series([not names(text, self.times) for text in rows["row"]]))

    def tell(self) -> None:
        """Report the rows that stayed out."""
        if self.dropped:
            say(f"check: {self.dropped} rows of erased users stayed out")

    def _after(self, rows: pl.DataFrame, erased: pl.DataFrame, column: str) -> pl.DataFrame:
        if not erased.height:
            return rows
        joined = rows.join(erased, on="user_id", how="left", maintain_order="left")
        is_after = pl.col(_AT).is_null() | (pl.col(column) > pl.col(_AT)).fill_null(value=False)
        kept = joined.filter(is_after).drop(_AT)
        self.dropped += rows.height - kept.height
        return kept


def names(text: str | None, digests: Collection[str]) -> bool:
    """Return True if a quarantined row may name one of these users.

    It has no columns any more, so each of its values counts. A shortened row may have lost the
    id, so it counts as well.
    """
    if text is None:
        return False
    if len(text) >= MAX_ROW_TEXT:
        return True
    return any(found in digests for value in _values(text) for found in _digests(value))


def _digests(value: str) -> Iterator[str]:
    """Return the digests of the users that a value may be the id of."""
    whole = _WHOLE.fullmatch(value.strip())
    if whole is not None:
        yield digest(int(whole[1]))
    yield digest(ids.hashed(value))


def _values(text: str) -> set[str]:
    """Return all values that a row may have: those of its JSON, or between any delimiters."""
    try:
        return {*_scalars(json.loads(text))}
    except (ValueError, RecursionError):
        pass
    found = {text, *re.findall(r"[0-9]+", text), *re.findall(r'"((?:[^"\\]|\\.)*)"', text)}
    for delimiter in {letter for letter in text if not letter.isalnum()}:
        found.update(each.strip().strip('"') for each in text.split(delimiter))
        try:
            found.update(*csv.reader([text], delimiter=delimiter))
        except (csv.Error, ValueError):  # it delimits nothing
            continue
    return found


def _scalars(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _scalars(each)
    elif isinstance(value, str | int | float):
        yield str(value)
