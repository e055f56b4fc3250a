"""The bins and groups of a reference: what later sessions are counted by, too.

Fixed by the sessions of a training, so that counts of different days and users can be added.

Legend of shapes: S sessions, N values (a list of categories has several for a session).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl

from recommender_training.artifact.reference import edges_of
from recommender_training.common.arrays import Ints
from recommender_training.config.feature import Feature
from recommender_training.statistics.clustered_counts import Counts

#: Most values of a feature with a group, or bin, of their own; all others share one.
MOST_VALUES = 10
#: The group of sessions without a value of the feature.
UNKNOWN = "unknown"
_LONGEST = 64


@dataclass(frozen=True)
class Bins:
    """The bins of one feature: between edges, or by category with a last one for all others."""

    name: str
    edges: tuple[float, ...] | None
    categories: tuple[str, ...]

    @classmethod
    def of(cls, feature: Feature, values: pl.Series) -> Self:
        """Choose bins by the values of the reference."""
        if values.dtype.is_numeric():
            known = values.drop_nulls()
            return cls(feature.name, tuple(edges_of(known.to_list())), ())
        return cls(feature.name, None, tuple(_most(_texts(values))))

    @property
    def count(self) -> int:
        """Number of bins."""
        return len(self.categories if self.edges is None else self.edges) + 1

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the bins, for people."""
        if self.edges is None:
            return (*(repr(each) for each in self.categories), "other values")
        if not self.edges:
            return ("all",)
        inner = (f"{a:g} to {b:g}" for a, b in zip(self.edges, self.edges[1:], strict=False))
        return (f"below {self.edges[0]:g}", *inner, f"from {self.edges[-1]:g}")

    def place(self, values: pl.Series) -> tuple[Ints, Ints]:
        """Return [N] the sessions and [N] the bins of all known values."""
        if self.edges is not None:
            known = np.flatnonzero(values.is_not_null().to_numpy())
            found = values.cast(pl.Float64).to_numpy()[known]
            return known, np.searchsorted(np.array(self.edges), found, side="right")
        frame = pl.DataFrame({"value": _cut(values)}).with_row_index("session")
        if frame["value"].dtype == pl.List:
            frame = frame.explode("value", empty_as_null=True)
        frame = frame.drop_nulls()
        # Several other categories of a session are one value, as several unknown ones are.
        frame = frame.with_columns(self._coded(frame["value"])).unique().sort("session", "value")
        return frame["session"].to_numpy().astype(np.int64), frame["value"].to_numpy()

    def _coded(self, values: pl.Series) -> pl.Series:
        index = dict(zip(self.categories, range(len(self.categories)), strict=True))
        return values.replace_strict(
            index, default=len(self.categories), return_dtype=pl.Int64
        ).alias("value")

    def to_json(self) -> dict[str, Any]:
        """Return the bins for a file."""
        edges = None if self.edges is None else list(self.edges)
        return {"name": self.name, "edges": edges, "categories": list(self.categories)}

    @classmethod
    def read(cls, content: dict[str, Any]) -> Self:
        """Return the bins of `to_json`."""
        edges = None if content["edges"] is None else tuple(content["edges"])
        return cls(content["name"], edges, tuple(content["categories"]))


def _cut(values: pl.Series) -> pl.Series:
    if values.dtype == pl.List:
        return values.list.eval(pl.element().str.slice(0, _LONGEST))
    return values.cast(pl.String).str.slice(0, _LONGEST)


def _texts(values: pl.Series) -> pl.Series:
    cut = _cut(values)
    cut = cut.explode(empty_as_null=True) if cut.dtype == pl.List else cut
    return cut.drop_nulls()


def _most(values: pl.Series) -> Iterable[str]:
    """Return the most frequent texts, by name among equals."""
    counted = values.alias("value").value_counts(name="count")
    ordered = counted.sort("count", "value", descending=[True, False])
    return ordered["value"].head(MOST_VALUES).to_list()


@dataclass(frozen=True)
class Groups:
    """The groups of sessions by one feature, like bins; without a value they are `unknown`."""

    bins: Bins

    @classmethod
    def of(cls, feature: Feature, values: pl.Series) -> Self:
        """Choose groups by the values of the reference."""
        return cls(Bins.of(feature, _named(values)))

    @property
    def count(self) -> int:
        """Number of groups; of numbers the last one has those that are unknown."""
        return self.bins.count + (self.bins.edges is not None)

    @property
    def names(self) -> tuple[str, ...]:
        """Values of the groups, for people."""
        if self.bins.edges is not None:
            return (*self.bins.names, UNKNOWN)
        return (*self.bins.categories, "other values")

    def place(self, values: pl.Series) -> Ints:
        """Return [S] the group of each session."""
        sessions, found = self.bins.place(_named(values))
        group_S = np.full(len(values), self.count - 1, dtype=np.int64)
        group_S[sessions] = found
        return group_S


def _named(values: pl.Series) -> pl.Series:
    """Name missing texts, so that they are a group if there are many."""
    return values if values.dtype.is_numeric() else values.fill_null(UNKNOWN)


@dataclass(frozen=True)
class Placed:
    """The bins of S sessions, of each feature once: they are the same in all groups."""

    user_S: Ints  # noqa: N815
    #: By feature: sessions and bins of its values, and [S] whether a session has none.
    values: Mapping[str, tuple[Ints, Ints]]
    missing: Mapping[str, Ints]
    bins: Mapping[str, int]

    @classmethod
    def of(cls, features: Sequence[Bins], frame: pl.DataFrame) -> Self:
        """Place the values of sessions (`segment_rows.sessions`)."""
        return cls(
            frame["user_id"].to_numpy().astype(np.int64),
            {each.name: each.place(frame[each.name]) for each in features},
            {
                each.name: frame[each.name].is_null().to_numpy().astype(np.int64)
                for each in features
            },
            {each.name: each.count for each in features},
        )


@dataclass(frozen=True)
class Cross:
    """Counts of one feature's values, and of missing ones, by cell: a group, or its windows."""

    values: Counts
    missing: Counts

    @classmethod
    def of(cls, placed: Placed, name: str, cell_S: Ints, cells: int) -> Self:
        """Count a feature in the cells of S sessions; those below 0 are left out."""
        session_N, bin_N = placed.values[name]
        shape = (cells, placed.bins[name])
        user_S = placed.user_S
        return cls(
            Counts.of(user_S[session_N], cell_S[session_N], bin_N, shape),
            Counts.of(user_S, cell_S, placed.missing[name], (cells, 2)),
        )

    def __add__(self, other: Cross) -> Cross:
        """Return the counts of both sets of users, which must be disjoint."""
        return Cross(self.values + other.values, self.missing + other.missing)


def chosen(features: Sequence[Feature], frame: pl.DataFrame) -> tuple[Bins, ...]:
    """Return the bins of features by the sessions of a reference."""
    return tuple(Bins.of(each, frame[each.name]) for each in features)
