"""Seconds since 1970 as hours, weekdays or months of a time zone.

`recommender_contract.local_calendar` has the rule for one time; here it is one for arrays.
"""

from __future__ import annotations

import datetime
import functools
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from recommender_contract import local_calendar
from recommender_contract.local_calendar import CYCLE, DAY, HOUR, UTC, Calendar
from recommender_training.common.arrays import Floats, Ints
from recommender_training.config.feature import Feature

#: Offsets change between these years; before and after, the first and the last one hold.
FIRST_YEAR, LAST_YEAR = 1900, 2100


@dataclass(frozen=True)
class LocalCalendar(local_calendar.LocalCalendar):
    """One part of the local time: the category of any time. T changes of the offset."""

    zone: str  # name of the time zone

    @classmethod
    def of(cls, feature: Feature) -> LocalCalendar | None:
        """Return that of a feature; None if it has none."""
        if feature.calendar is None:
            return None
        zone = feature.time_zone or UTC
        return cls(feature.calendar, *_rules(zone), zone)

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> LocalCalendar | None:
        """Return that of a feature in vocabulary.json; None if it has none."""
        if "calendar" not in entry:
            return None
        zone = entry["zone"]
        part, since, offsets = entry["calendar"], zone["since"], zone["offsets"]
        return cls(Calendar(part), tuple(since), tuple(offsets), zone["name"])

    def agrees(self, other: LocalCalendar, first: int, last: int) -> bool:
        """Return whether another has the same part and zone, with its offsets from the second
        `first` through `last`.

        Before and after, two releases of the time zone database may differ.
        """
        same = (self.part, self.zone) == (other.part, other.zone)
        return same and self._within(first, last) == other._within(first, last)

    def _within(self, first: int, last: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The changes after `first` through `last`, and the offsets before and after each."""
        start, end = bisect_right(self.since, first), bisect_right(self.since, last)
        return self.since[start:end], self.offsets[start : end + 1]

    def codes(self, seconds: Ints) -> Ints:
        """Return [N] the category of each of these times, in seconds since 1970."""
        regime = np.searchsorted(np.array(self.since, dtype=np.int64), seconds, side="right")
        local = seconds + np.array(self.offsets, dtype=np.int64)[regime]
        if self.part is Calendar.HOUR_OF_DAY:
            return np.asarray(local % DAY // HOUR)
        days = local // DAY
        if self.part is Calendar.DAY_OF_WEEK:
            return np.asarray((days + 3) % 7)  # 1970-01-01 was a Thursday
        months = (days % CYCLE).astype("datetime64[D]").astype("datetime64[M]")
        return np.asarray(months.astype(np.int64) % 12)

    def values(self, column: pl.Series) -> Floats:
        """Return [N] the same of a column of times in single precision; NaN for null."""
        known = column.is_not_null().to_numpy()
        found = np.full(len(column), np.nan, dtype=np.float32)
        found[known] = self.codes(column.drop_nulls().cast(pl.Int64).to_numpy())
        return found

    def named(self, column: pl.Series) -> pl.Series:
        """Return [N] the names of the categories of a column of times; null for null."""
        return self.names_of(column.name, self.values(column))

    def names_of(self, name: str, values: Floats) -> pl.Series:
        """Return [N] the names of such values as a column; null for NaN."""
        names = [*self.names, None]
        places = np.where(np.isnan(values), len(self.names), values).astype(np.int64)
        return pl.Series(name, [names[place] for place in places.tolist()], dtype=pl.String)

    def examples(self) -> Ints:
        """Return [C] the first whole hour since 1970 of each category."""
        hours = np.arange(0, 367 * DAY, HOUR, dtype=np.int64)
        _, first = np.unique(self.codes(hours), return_index=True)
        return hours[first]

    def rules(self) -> dict[str, Any]:
        """Return the name and the rules of the zone as vocabulary.json has them."""
        return {"name": self.zone, "since": list(self.since), "offsets": list(self.offsets)}


@functools.lru_cache(maxsize=64)
def _rules(zone: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The times at which the offset of a zone changes, and its offsets before and after each.

    Two changes within one day count as one: no zone of today has such days after 1900.
    """
    first, last = (
        int(datetime.datetime(year, 1, 1, tzinfo=datetime.UTC).timestamp())
        for year in (FIRST_YEAR, LAST_YEAR)
    )
    days = np.arange(first, last + 1, DAY, dtype=np.int64)
    found = _offsets(zone, days)
    changed = np.flatnonzero(found[1:] != found[:-1])
    before, after = days[changed], days[changed + 1]
    while np.any(after - before > 1):
        middle = (before + after) // 2
        is_old = _offsets(zone, middle) == found[changed]
        before, after = np.where(is_old, middle, before), np.where(is_old, after, middle)
    offsets = [found[0], *found[changed + 1]]
    return tuple(after.tolist()), tuple(int(each) for each in offsets)


def _offsets(zone: str, seconds: Ints) -> Ints:
    """[N] seconds to add to UTC at these times."""
    times = pl.from_epoch(pl.Series(seconds), time_unit="s").dt.replace_time_zone(UTC)
    local = times.dt.convert_time_zone(zone)
    total = (local.dt.base_utc_offset() + local.dt.dst_offset()).dt.total_seconds()
    return np.asarray(total.to_numpy(), dtype=np.int64)
