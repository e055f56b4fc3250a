"""The vocabulary in memory: declared features, and the items' features in compact columns."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from recommender_contract.features import WITH_CATEGORIES, Kind
from recommender_contract.hash_buckets import HashedIndex
from recommender_contract.local_calendar import LocalCalendar
from recommender_serving.artifact.row_index import ABSENT, RowIndex
from recommender_serving.artifact.vocabulary_file import (
    BooleanColumn,
    CategoricalColumn,
    Column,
    EmbeddingColumn,
    ItemColumn,
    MultiCategoricalColumn,
    NumericColumn,
    TimestampColumn,
    VocabularyFile,
)
from recommender_serving.domain.features import MAX_NUMBER, Feature, Features

NUMERIC, CATEGORICAL = "numeric", "categorical"  # kinds of reference.json


@dataclass(frozen=True, slots=True)
class ItemFeature:
    """A feature of items; `primary` has the index of each row's first category, -1 none.

    `further` has the indices of the other categories of the rows `rows`, which ascend.
    """

    name: str
    categories: tuple[str, ...]
    primary: array[int]
    rows: array[int] = field(default_factory=lambda: array("i"))
    further: array[int] = field(default_factory=lambda: array("i"))

    def categories_of(self, row: int) -> Iterator[str]:
        """Yield the categories of the item in a row; none if it is ABSENT."""
        if row == ABSENT or self.primary[row] < 0:
            return
        yield self.categories[self.primary[row]]
        place = bisect_left(self.rows, row)
        while place < len(self.rows) and self.rows[place] == row:
            yield self.categories[self.further[place]]
            place += 1


@dataclass(frozen=True, slots=True)
class Items:
    """The catalogue: about 13 to 16 bytes an item and, for each feature, 1 to 4 more, and 5 to 8
    for each category after the first."""

    rows: RowIndex
    features: tuple[ItemFeature, ...]

    def first_categories(self, item: int) -> dict[str, str | None]:
        """Return the item's first category of each feature; None if it has none or is unknown."""
        row = self.rows.row_of(item)
        found: dict[str, str | None] = {}
        for feature in self.features:
            code = ABSENT if row == ABSENT else feature.primary[row]
            found[feature.name] = feature.categories[code] if code >= 0 else None
        return found


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Names that requests may use, and their numbers in the models."""

    history_length: int
    max_top_n: int
    repeat_after: int | None  # seconds until an item may come again; None: it never does
    features: Features
    items: Items
    trends: bool = False  # the models read what is popular now

    def drift_kinds(self) -> Mapping[str, str]:
        """Return the kind of each drift feature, by its name."""
        declared = {
            name: CATEGORICAL
            if feature.kind in WITH_CATEGORIES or feature.calendar is not None
            else NUMERIC
            for name, feature in self.features.items()
            if feature.served_as is None
        }
        last = {last_name(feature.name): CATEGORICAL for feature in self.items.features}
        of_all = dict.fromkeys(("session_length", "mean_value", "top_score"), NUMERIC)
        return declared | last | of_all


def last_name(item_feature: str) -> str:
    """Return the name of the drift feature of the newest item of a session."""
    return f"last_{item_feature}"


def build_vocabulary(file: VocabularyFile) -> Vocabulary:
    """Convert vocabulary.json.

    Raises:
        ValueError: an item is listed twice.
    """
    try:
        rows = RowIndex(file.items.ids)
    except ValueError as error:
        raise ValueError(f"items: {error}") from None
    return Vocabulary(
        history_length=file.history_length,
        max_top_n=file.max_top_n,
        repeat_after=file.repeat_after,
        features={column.name: _feature(column) for column in file.features},
        items=Items(rows, tuple(map(_item_feature, file.items.features))),
        trends=file.trends,
    )


def _feature(column: Column) -> Feature:
    kind = Kind(column.kind)
    if isinstance(column, TimestampColumn):
        edges, calendar = tuple(column.edges or ()), _calendar(column)
        return Feature(column.name, column.of, kind, edges=edges, calendar=calendar)
    if isinstance(column, EmbeddingColumn):
        return Feature(column.name, column.of, kind, width=column.length)
    if isinstance(column, MultiCategoricalColumn):
        width, separator = column.max_per_row, column.separator
        index = _index(column)
        return Feature(column.name, column.of, kind, index, width=width, separator=separator)
    if not isinstance(column, NumericColumn):
        return Feature(column.name, column.of, kind, _index(column), served_as=column.served_as)
    return Feature(
        column.name,
        column.of,
        kind,
        edges=tuple(column.edges),
        low=-MAX_NUMBER if column.minimum is None else column.minimum,
        high=MAX_NUMBER if column.maximum is None else column.maximum,
        served_as=None if column.served_as is None else float(column.served_as),
    )


def _index(
    column: CategoricalColumn | MultiCategoricalColumn | BooleanColumn,
) -> Mapping[str, int]:
    if not isinstance(column, BooleanColumn) and column.hash_buckets is not None:
        return HashedIndex(column.categories)
    return {name: i for i, name in enumerate(column.categories)}


def _calendar(column: TimestampColumn) -> LocalCalendar | None:
    if column.calendar is None or column.zone is None:
        return None
    return LocalCalendar(column.calendar, tuple(column.zone.since), tuple(column.zone.offsets))


def _item_feature(column: ItemColumn) -> ItemFeature:
    names = tuple(column.categories)
    primary = _narrow(column.primary, len(names))
    if column.further is None:
        return ItemFeature(column.name, names, primary)
    rows = array("i", column.further.items)
    return ItemFeature(
        column.name, names, primary, rows, _narrow(column.further.categories, len(names))
    )


def _narrow(codes: Sequence[int], count: int) -> array[int]:
    """Return the codes, all from -1 to `count`, in the narrowest type."""
    return array("b" if count < 2**7 else "h" if count < 2**15 else "i", codes)
