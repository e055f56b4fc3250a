"""What is ingested in any format by any declaration is read back as it was written."""

from __future__ import annotations

import csv
import datetime
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.features import Kind, TimeOf
from recommender_contract.resource.mapping import Format
from recommender_training.config.feature import Feature
from recommender_training.data import version_content
from recommender_training.ingestion.mapping import Mapping
from tests.effort import COSTLY
from tests.mapped_files import EXTENSIONS, INTERACTIONS, START, check, declare

LETTERS = "abcXYZ019-_,;:\"'$#\\{}éü日本🎬"
WORD = st.text(LETTERS, min_size=1, max_size=12)
TEXT = st.text(LETTERS + " \n", min_size=1, max_size=30).map(str.strip).filter(bool)
NUMBER = st.floats(-1e30, 1e30) | st.integers(-1000, 1000).map(float)
YEARS = st.integers(1, 9999)
SECONDS = st.integers(-(10**10), 10**10)


@dataclass(frozen=True)
class Column:
    """A declared feature, and how its values are written."""

    feature: Feature
    values: st.SearchStrategy[Any]
    typed: pl.DataType
    #: Separator of a list in CSV.
    between: str = " "

    def text(self, value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        parts = value if isinstance(value, list) else [value]
        return self.between.join(repr(x) if isinstance(x, float) else str(x) for x in parts)

    def stored(self, value: Any) -> Any:
        """The value of the table."""
        if value is None or value == []:
            return None
        if self.feature.kind is Kind.BOOLEAN:
            return "true" if value else "false"
        if self.feature.kind is Kind.MULTI_CATEGORICAL:
            return " ".join(dict.fromkeys(value))
        if self.feature.unit is TimeOf.YEAR:
            return (datetime.date(value, 1, 1) - datetime.date(1970, 1, 1)).days * 86_400
        if self.feature.unit is TimeOf.ISO8601:
            moment = datetime.datetime.fromisoformat(value)
            epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
            return int((moment - epoch).total_seconds())
        return value


def iso(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC).isoformat()


def column(draw: st.DrawFn, name: str, kinds: Sequence[Kind]) -> Column:
    kind = draw(st.sampled_from(kinds))
    more: dict[str, Any] = {}
    if kind is Kind.EMBEDDING:
        more = {"length": draw(st.integers(1, 3))}
    if kind is Kind.MULTI_CATEGORICAL:
        more = {"separator": "|"}
    if kind is Kind.TIMESTAMP:
        more = {"unit": draw(st.sampled_from(["Seconds", "Year", "ISO8601"]))}
    feature = Feature.model_validate({"name": name, "kind": kind, "column": f"{name} €", **more})
    times: dict[TimeOf | None, st.SearchStrategy[Any]] = {
        TimeOf.YEAR: YEARS, TimeOf.SECONDS: SECONDS, TimeOf.ISO8601: SECONDS.map(iso),
    }  # fmt: skip
    values: dict[Kind, tuple[st.SearchStrategy[Any], pl.DataType]] = {
        Kind.CATEGORICAL: (TEXT, pl.String()),
        Kind.BOOLEAN: (st.booleans(), pl.Boolean()),
        Kind.NUMERIC: (NUMBER, pl.Float64()),
        Kind.TIMESTAMP: (
            times.get(feature.unit, SECONDS),
            pl.String() if feature.unit is TimeOf.ISO8601 else pl.Int64(),
        ),
        Kind.MULTI_CATEGORICAL: (st.lists(WORD, max_size=4), pl.List(pl.String)),
        Kind.EMBEDDING: (
            st.lists(NUMBER, min_size=feature.length or 0, max_size=feature.length),
            pl.List(pl.Float64),
        ),
    }
    strategy, typed = values[kind]
    between = "|" if kind is Kind.MULTI_CATEGORICAL else " "
    return Column(feature, st.none() | strategy, typed, between)


@dataclass(frozen=True)
class Data:
    """Columns by table, and rows of values; the position of a row is its id."""

    columns: dict[str, list[Column]]
    rows: dict[str, list[list[Any]]]

    def mapping(self, kind: Format) -> Mapping:
        features = {
            table: [each.feature.model_dump(mode="json", by_alias=True) for each in found]
            for table, found in self.columns.items()
        }
        of = {name: {"files": f"{name}/*", "id": "id"} for name in ("users", "items")}
        sections: dict[str, dict[str, Any]] = {"interactions": dict(INTERACTIONS), **of}
        sections["interactions"]["files"] = "interactions/*"
        return declare(
            kind, **{name: each | {"features": features[name]} for name, each in sections.items()}
        )

    def write(self, source: Path, kind: Format, first: int, last: int) -> None:
        """Write the rows from `first` up to, without, `last`."""
        for table, columns in self.columns.items():
            keys = {"user": "user", "item": "item", "at": "at", "rating": "rating"}
            rows = []
            for place in range(first, last):
                base: dict[str, Any] = {"id": place}
                if table == "interactions":
                    facts = (place, place, START + place, 5)
                    base = dict(zip(keys, facts, strict=True))
                rows.append((base, self.rows[table][place]))
            path = source / table / f"{first}.{EXTENSIONS[kind]}"
            path.parent.mkdir(parents=True, exist_ok=True)
            WRITERS[kind](path, columns, rows)


Rows = list[tuple[dict[str, Any], list[Any]]]


def as_csv(path: Path, columns: list[Column], rows: Rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([*rows[0][0], *(each.feature.source for each in columns)])
        for base, values in rows:
            texts = [each.text(value) for each, value in zip(columns, values, strict=True)]
            writer.writerow([*base.values(), *texts])


def as_json(path: Path, columns: list[Column], rows: Rows) -> None:
    names = [each.feature.source for each in columns]
    lines = [json.dumps(base | dict(zip(names, values, strict=True))) for base, values in rows]
    path.write_text("".join(f"{line}\n" for line in lines))


def as_parquet(path: Path, columns: list[Column], rows: Rows) -> None:
    frame = pl.DataFrame([base for base, _ in rows])
    frame.with_columns(
        pl.Series(each.feature.source, [values[place] for _, values in rows], dtype=each.typed)
        for place, each in enumerate(columns)
    ).write_parquet(path)


WRITERS = {Format.CSV: as_csv, Format.JSON_LINES: as_json, Format.PARQUET: as_parquet}
TABLES = {"users": "user_id", "items": "item_id", "interactions": "user_id"}


@st.composite
def data(draw: st.DrawFn) -> Data:
    count = draw(st.integers(2, 6))
    columns = {
        table: [
            column(draw, f"{table[:2]}_{place}", tuple(Kind))
            for place in range(draw(st.integers(0, 4)))
        ]
        for table in TABLES
    }
    rows = {
        table: [[draw(each.values) for each in found] for _ in range(count)]
        for table, found in columns.items()
    }
    return Data(columns, rows)


def stored(found: version_content.Tables, of: Data, table: str, count: int) -> list[list[Any]]:
    """The values of the table by id; the numbers of an embedding as a list."""
    frame = getattr(found, table).sort(TABLES[table])
    assert frame[TABLES[table]].to_list() == list(range(count))
    texts = frame.select(each.feature.name for each in of.columns[table]).rows()
    return [
        [
            [float(part) for part in value.split(" ")]
            if each.feature.kind is Kind.EMBEDDING and value is not None
            else value
            for each, value in zip(of.columns[table], row, strict=True)
        ]
        for row in texts
    ] or [[]] * count


#: Each example is six ingestions.
@COSTLY
@given(data(), st.integers(1, 5))
def test_every_value_is_read_back_and_no_later_row_changes_it(of: Data, cut: int) -> None:
    count = len(of.rows["users"])
    first = min(cut, count - 1)
    wanted = {
        table: [
            [each.stored(value) for each, value in zip(columns, row, strict=True)]
            for row in of.rows[table]
        ]
        for table, columns in of.columns.items()
    }
    versions = set()
    for kind in EXTENSIONS:
        with tempfile.TemporaryDirectory() as folder:
            source, path = Path(folder, "raw"), Path(folder, "lake")
            of.write(source, kind, 0, first)
            before = check(source, path, of.mapping(kind), kind)
            of.write(source, kind, first, count)
            after = check(source, path, of.mapping(kind), kind)
            assert (before.quarantined_rows, after.quarantined_rows) == (0, 0)
            for result, rows in ((before, first), (after, count)):
                found = version_content.read_version(path, result.data_version)
                assert found.declaration == of.mapping(kind).declaration
                for table in TABLES:
                    assert stored(found, of, table, rows) == wanted[table][:rows]
            versions.add((before.data_version, after.data_version))
    assert len(versions) == 1  # all formats have the same content
