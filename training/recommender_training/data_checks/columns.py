"""Summary statistics of the columns of a table, accumulated over its parts in bounded memory."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from itertools import accumulate
from typing import Any

import polars as pl

#: Most categories of a column in a profile; the most frequent ones.
MAX_CATEGORIES = 200
#: Numeric columns by table, with the number of counting steps per unit.
NUMBERS = {
    "interactions": {"value": 100},
    "users": {"age": 1},
    "items": {"release_year": 1},
}
CATEGORIES = {
    "interactions": ("event_type", "segment"),
    "users": ("gender", "occupation"),
    "items": ("genres",),
}
_MAX_NAME = 64


class Table:
    """Summary statistics of the columns of a table that arrives in parts."""

    def __init__(self, name: str, types: Mapping[str, str]) -> None:
        self._types = {c: t for c, t in types.items() if c != "event_date"}  # derived
        self._rows = 0
        self._nulls: Counter[str] = Counter()
        self._atoms = {column: Counter[int]() for column in NUMBERS[name]}
        self._steps = NUMBERS[name]
        self._names = {column: Counter[str]() for column in CATEGORIES[name] if column in types}

    def add(self, part: pl.DataFrame) -> None:
        """Count the rows of a part."""
        self._rows += part.height
        self._nulls.update(part.select(list(self._types)).null_count().row(0, named=True))
        for column, atoms in self._atoms.items():
            steps = (pl.col(column).cast(pl.Float64) * self._steps[column]).round()
            atoms.update(_counted(part.select(steps.cast(pl.Int64).alias("value"))))
        for column, names in self._names.items():
            names.update(_counted(part.select(_category(column).alias("value"))))

    def facts(self) -> dict[str, Any]:
        """Return rows, types, null shares, ranges and categories."""
        total = max(self._rows, 1)
        return {
            "rows": self._rows,
            "columns": {
                column: {"type": kind, "nulls": round(self._nulls[column] / total, 9)}
                for column, kind in self._types.items()
            },
            "numbers": {
                column: numbers(atoms, self._steps[column])
                for column, atoms in self._atoms.items()
            },
            "categories": {column: categories(names) for column, names in self._names.items()},
        }


def _category(column: str) -> pl.Expr:
    """Return the names of categories; an item of several genres counts for each."""
    value = pl.col(column)
    if column == "genres":
        value = value.str.split(" ").explode(empty_as_null=True)
    return value.str.slice(0, _MAX_NAME)


def _counted(values: pl.DataFrame) -> dict[Any, int]:
    return dict(values.drop_nulls().group_by("value").len().iter_rows())


def numbers(atoms: Mapping[int, int], steps: int) -> dict[str, float] | None:
    """Return minimum, maximum, median, and the 1 % and 99 % quantiles of counted values."""
    if not atoms:
        return None
    ordered = sorted(atoms)
    up_to = list(accumulate(atoms[atom] for atom in ordered))

    def quantile(share: float) -> float:
        place = bisect_left(up_to, max(1, math.ceil(share * up_to[-1])))
        return ordered[place] / steps

    return {
        "least": ordered[0] / steps,
        "low": quantile(0.01),
        "median": quantile(0.5),
        "high": quantile(0.99),
        "largest": ordered[-1] / steps,
    }


def categories(names: Mapping[str, int]) -> dict[str, Any]:
    """Return the rows of each category, most frequent first, and the rows of all others."""
    ordered = sorted(names.items(), key=lambda entry: (-entry[1], entry[0]))
    return {
        "counts": dict(ordered[:MAX_CATEGORIES]),
        "others": sum(count for _, count in ordered[MAX_CATEGORIES:]),
    }
