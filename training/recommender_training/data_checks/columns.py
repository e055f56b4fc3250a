"""Summary statistics of the columns of a table, accumulated over its parts in bounded memory.

Which columns are numbers and which are categories follows from the declaration of the features.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Any

import polars as pl

from recommender_contract.features import WITH_CATEGORIES, Kind
from recommender_training.config.feature import Feature
from recommender_training.config.feature_schema import FeatureSchema, FeatureTable
from recommender_training.data.local_calendar import LocalCalendar

#: Most categories of a column in a profile; the most frequent ones.
MAX_CATEGORIES = 200
#: Distinct categories to count; beyond, the rarest at the time are only summed.
MAX_COUNTED = 200_000
#: Significant digits of a declared number in a profile, for a bounded number of distinct values.
_DIGITS = 4
_DAY = 86_400
_MAX_NAME = 64
#: Features of each table.
PLACES = {
    "interactions": FeatureTable.CONTEXT,
    "users": FeatureTable.USERS,
    "items": FeatureTable.ITEMS,
}
#: Rounds the values of a column before they are counted.
Round = Callable[[pl.Expr], pl.Expr]


def numbers_of(table: str, declaration: FeatureSchema) -> dict[str, Round]:
    """Return the columns of a table that are numbers or times, and how to round each."""
    found: dict[str, Round] = {}
    if table == "interactions":
        found["value"] = lambda value: (value * 100).round() / 100
    for feature in declaration.of(PLACES[table]):
        if feature.kind is Kind.NUMERIC:
            found[feature.name] = lambda value: value.round_sig_figs(_DIGITS)
        elif feature.ages:
            found[feature.name] = lambda value: (value / _DAY).floor() * _DAY
    return found


def categories_of(table: str, declaration: FeatureSchema) -> dict[str, Feature | None]:
    """Return the columns of a table that are categories, with the feature if it is declared."""
    found: dict[str, Feature | None] = {}
    if table == "interactions":
        found = {"event_type": None, "segment": None}
    declared = (
        each
        for each in declaration.of(PLACES[table])
        if each.kind in WITH_CATEGORIES or each.calendar is not None
    )
    return found | {feature.name: feature for feature in declared}


class Table:
    """Summary statistics of the columns of a table that arrives in parts."""

    def __init__(self, name: str, types: Mapping[str, str], declaration: FeatureSchema) -> None:
        self._types = {c: t for c, t in types.items() if c != "event_date"}  # derived
        self._rows = 0
        self._nulls: Counter[str] = Counter()
        self._rounds = numbers_of(name, declaration)
        self._atoms = {column: Counter[float]() for column in self._rounds}
        self._features = categories_of(name, declaration)
        self._names = {column: Counter[str]() for column in self._features}
        self._dropped: Counter[str] = Counter()

    def add(self, part: pl.DataFrame) -> None:
        """Count the rows of a part."""
        self._rows += part.height
        self._nulls.update(part.select(list(self._types)).null_count().row(0, named=True))
        for column, atoms in self._atoms.items():
            rounded = self._rounds[column](pl.col(column).cast(pl.Float64))
            atoms.update(_counted(part.select(rounded.alias("value"))))
        for column, names in self._names.items():
            names.update(_counted(part.select(self._category(column).alias("value"))))
            if len(names) > MAX_COUNTED:
                kept = Counter(dict(_ranked(names)[: MAX_COUNTED // 2]))
                self._dropped[column] += names.total() - kept.total()
                self._names[column] = kept

    def facts(self) -> dict[str, Any]:
        """Return rows, types, null shares, ranges and categories."""
        total = max(self._rows, 1)
        return {
            "rows": self._rows,
            "columns": {
                column: {"type": kind, "nulls": round(self._nulls[column] / total, 9)}
                for column, kind in self._types.items()
            },
            "numbers": {column: numbers(atoms) for column, atoms in self._atoms.items()},
            "categories": {column: self._categories(column) for column in self._names},
        }

    def _category(self, column: str) -> pl.Expr:
        """Return the names of categories; a row with several counts for each."""
        value = pl.col(column)
        feature = self._features[column]
        if feature is not None and feature.kind is Kind.MULTI_CATEGORICAL:
            value = value.str.split(" ").explode(empty_as_null=True)
        calendar = None if feature is None else LocalCalendar.of(feature)
        if calendar is not None:
            value = value.map_batches(calendar.named, return_dtype=pl.String)
        return value.str.slice(0, _MAX_NAME)

    def _categories(self, column: str) -> dict[str, Any]:
        feature = self._features[column]
        found = categories(self._names[column], feature.max_categories if feature else None)
        found["others"] += self._dropped[column]
        return found


def _counted(values: pl.DataFrame) -> dict[Any, int]:
    return dict(values.drop_nulls().group_by("value").len().iter_rows())


def numbers(atoms: Mapping[float, int]) -> dict[str, float] | None:
    """Return minimum, maximum, median, and the 1 % and 99 % quantiles of counted values."""
    if not atoms:
        return None
    ordered = sorted(atoms)
    up_to = list(accumulate(atoms[atom] for atom in ordered))

    def quantile(share: float) -> float:
        return ordered[bisect_left(up_to, max(1, math.ceil(share * up_to[-1])))]

    return {
        "least": ordered[0],
        "low": quantile(0.01),
        "median": quantile(0.5),
        "high": quantile(0.99),
        "largest": ordered[-1],
    }


def categories(names: Mapping[str, int], known: int | None = None) -> dict[str, Any]:
    """Return the rows of each category, most frequent first, and the rows of all others.

    `distinct` is the number of categories, and `beyond` counts the rows of those that are not
    among the `known` most frequent ones (None: all are known).
    """
    ordered = _ranked(names)
    beyond = ordered[known:] if known is not None else []
    return {
        "counts": dict(ordered[:MAX_CATEGORIES]),
        "others": sum(count for _, count in ordered[MAX_CATEGORIES:]),
        "distinct": len(ordered),
        "beyond": sum(count for _, count in beyond),
    }


def _ranked(names: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return categories and rows, most frequent first, and by name among equals."""
    return sorted(names.items(), key=lambda entry: (-entry[1], entry[0]))
