"""Values of declared features from the text of their columns: one function for each kind.

Each returns null for a text that is not a value of the kind. The physical types are those of
`data.schema.TYPES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import polars as pl

from recommender_contract.features import TEXTS, Kind, TimeOf
from recommender_training.config.feature import Feature
from recommender_training.ingestion import raw_columns, texts
from recommender_training.ingestion.mapping import field_of
from recommender_training.ingestion.raw_columns import flag

#: Longest category in characters.
MAX_TEXT = 64
#: Largest number on either side of 0: the models compute in single precision.
MAX_NUMBER = 1e30
#: The year 1 and the year 9999.
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
_TRUE = ("true", "t", "yes", "y", "1", "1.0")
_FALSE = ("false", "f", "no", "n", "0", "0.0")


def read_feature(
    frame: pl.DataFrame, features: Iterable[Feature], *, of_requests: bool = True
) -> pl.DataFrame:
    """Add the value of each feature (see `columns`), and a reason to rows with a bad one.

    Reasons name the feature: `BadFeature:price`, `TextTooLong:brand`, `TooManyCategories:tags`,
    `NullInList:tags`. The text columns have no whitespace at their ends, and null for an empty
    text. Features of users and context (`of_requests`) have at most `maxPerRow` categories, as a
    request has room for so many, and no nulls among them, as a request must not; items have any
    number, and their nulls are left out.
    """
    for feature in features:
        raw = pl.col(f"raw_{field_of(feature)}")
        text = pl.when(~raw.is_in(list(feature.missing or ()))).then(raw)
        value = _READERS[feature.kind](text, feature)
        frame = frame.with_columns(value.alias(_value_of(feature)))
        if feature.kind in _LIMITS:
            too_long = _LIMITS[feature.kind](pl.col(_value_of(feature)))
            frame = flag(frame, too_long.fill_null(value=False), f"TextTooLong:{feature.name}")
        if of_requests and feature.kind is Kind.MULTI_CATEGORICAL:
            spaces = pl.col(_value_of(feature)).str.count_matches(" ", literal=True)
            too_many = (spaces >= feature.most).fill_null(value=False)
            frame = flag(frame, too_many, f"TooManyCategories:{feature.name}")
            frame = flag(frame, _has_null(text, feature), f"NullInList:{feature.name}")
        if feature.kind is not Kind.MULTI_CATEGORICAL:  # of which a text may have no category
            is_bad = text.is_not_null() & pl.col(_value_of(feature)).is_null()
            frame = flag(frame, is_bad, f"BadFeature:{feature.name}")
    return frame


def columns(features: Iterable[Feature]) -> list[pl.Expr]:
    """Return the columns that `read` added, named as in the tables."""
    return [pl.col(_value_of(feature)).alias(feature.name) for feature in features]


def _value_of(feature: Feature) -> str:
    return f"value_{field_of(feature)}"  # the dot keeps it apart from all other columns


def categorical(text: pl.Expr, feature: Feature) -> pl.Expr:  # noqa: ARG001
    """Return the text itself."""
    return text


def boolean(text: pl.Expr, feature: Feature) -> pl.Expr:  # noqa: ARG001
    """Return `true` or `false`; also from 1 and 0, yes and no, and their first letters."""
    lower = text.str.to_lowercase()
    return (
        pl.when(lower.is_in(list(_TRUE)))
        .then(pl.lit("true"))
        .when(lower.is_in(list(_FALSE)))
        .then(pl.lit("false"))
    )


def multi_categorical(text: pl.Expr, feature: Feature) -> pl.Expr:
    """Return categories separated by one space, each once; whitespace inside becomes `-`.

    The separator separates within an entry of a list too. Nulls of a list are left out.
    """
    words = _entries(_separated(text, feature)).list.eval(
        pl.element().str.replace_all(r"\s+", "-")
    )
    kept = words.list.eval(pl.element().filter(~pl.element().is_in(["", raw_columns.NULL_ENTRY])))
    joined = kept.list.unique(maintain_order=True).list.join(" ")
    return pl.when(joined.str.len_bytes() > 0).then(joined)


def _has_null(text: pl.Expr, feature: Feature) -> pl.Expr:
    """Return True if an entry is null, or a category the text that stands for one.

    Readers write a null as this text, so nothing tells the two apart, and a request with it is
    rejected too. A separator may contain it, so the entries are looked at before and after.
    """
    found = (
        _entries(each).list.contains(raw_columns.NULL_ENTRY)
        for each in (text, _separated(text, feature))
    )
    return pl.any_horizontal(*found).fill_null(value=False)


def _separated(text: pl.Expr, feature: Feature) -> pl.Expr:
    if feature.separator is None:
        return text
    return text.str.replace_all(feature.separator, raw_columns.LIST_SEPARATOR, literal=True)


def _entries(text: pl.Expr) -> pl.Expr:
    return text.str.split(raw_columns.LIST_SEPARATOR).list.eval(pl.element().str.strip_chars())


def numeric(text: pl.Expr, feature: Feature) -> pl.Expr:
    """Return a number from minimum to maximum."""
    value = texts.number(text)
    low, high = max(feature.lowest, -MAX_NUMBER), min(feature.highest, MAX_NUMBER)
    return pl.when(value.is_between(low, high)).then(value)


def timestamp(text: pl.Expr, feature: Feature) -> pl.Expr:
    """Return seconds since 1970, rounded down, of a time in the years 1 to 9999."""
    unit = feature.unit or TimeOf.SECONDS
    if unit is TimeOf.ISO8601:
        seconds = texts.iso_seconds(text)
    elif unit is TimeOf.YEAR:
        number = texts.number(text)
        year = pl.when(number.is_between(1, 9999) & (number == number.floor())).then(number)
        seconds = pl.date(year.cast(pl.Int32), 1, 1).cast(pl.Datetime("us")).dt.epoch("s")
    else:
        seconds = (
            (texts.number(text) / texts.PER_SECOND[unit]).floor().cast(pl.Int64, strict=False)
        )
    return pl.when(seconds.is_between(_FIRST_SECOND, _LAST_SECOND)).then(seconds)


def embedding(text: pl.Expr, feature: Feature) -> pl.Expr:
    """Return `length` numbers separated by one space.

    They may be a list, or a text with spaces, commas or semicolons between, in brackets or not.
    """
    one = raw_columns.LIST_SEPARATOR
    inner = text.str.strip_chars("[]() ").str.replace_all(rf"\s*[,;{one}]\s*|\s+", one)
    number = texts.number(pl.element())
    fits = number.abs() <= MAX_NUMBER
    numbers = inner.str.split(one).list.eval(
        pl.when(fits).then(number).cast(pl.String)  # the same text for the same number
    )
    whole = (numbers.list.len() == feature.length) & ~numbers.list.contains(None, nulls_equal=True)
    return pl.when(whole).then(numbers.list.join(" "))


def _longest(value: pl.Expr) -> pl.Expr:
    return value.str.split(" ").list.eval(pl.element().str.len_chars()).list.max() > MAX_TEXT


_READERS: dict[Kind, Callable[[pl.Expr, Feature], pl.Expr]] = {
    Kind.CATEGORICAL: categorical,
    Kind.MULTI_CATEGORICAL: multi_categorical,
    Kind.BOOLEAN: boolean,
    Kind.NUMERIC: numeric,
    Kind.TIMESTAMP: timestamp,
    Kind.EMBEDDING: embedding,
}
_LIMITS: dict[Kind, Callable[[pl.Expr], pl.Expr]] = {
    **dict.fromkeys(TEXTS, lambda value: value.str.len_chars() > MAX_TEXT),
    Kind.MULTI_CATEGORICAL: _longest,
}
