"""The table `ids` of a lake: the text of each id that is the hash of one.

Rows are only ever added. A row proves itself, for its id is the hash of its text: no data version
has to name a version of this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from recommender_training.common.arrays import Ints
from recommender_training.common.errors import InputError
from recommender_training.data import lake, schema
from recommender_training.data.dataset import Dataset
from recommender_training.ingestion import ids
from recommender_training.ingestion.ids import IdKind, IdReader, IntegerIds
from recommender_training.ingestion.mapping import INTEGERS, Ids
from recommender_training.ingestion.text_ids import TextIds

_TABLE = "ids"


@dataclass(frozen=True)
class IdReaders:
    """How the ids of users and items are read in one check."""

    user: IdReader
    item: IdReader


@dataclass(frozen=True)
class Named:
    """What the ids of a data set are; `items` has the text of each item, in their order."""

    kinds: Ids = INTEGERS
    items: tuple[str, ...] | None = None

    def lineage(self) -> dict[str, Any]:
        """What the manifest says of it: nothing where all ids are whole numbers."""
        if self.kinds == INTEGERS:
            return {}
        return {"ids": {**self.kinds.model_dump(mode="json"), "hash": ids.HASH}}


def open_readers(path: Path, kinds: Ids) -> IdReaders:
    """Readers that know the texts of the lake.

    Raises InputError `InvalidMapping` where the lake has ids of another kind: they would be
    other users and items than they are.
    """
    check_kinds(path, kinds)
    readers: dict[str, IdReader] = {}
    for of in ("user", "item"):
        name = of.capitalize()
        is_text = getattr(kinds, of) is IdKind.TEXT
        readers[of] = TextIds(name, _of(path, of)) if is_text else IntegerIds(name)
    return IdReaders(**readers)


def check_kinds(path: Path, kinds: Ids) -> None:
    """Raises InputError `InvalidMapping` where the lake has ids of another kind."""
    for of in ("user", "item"):
        held, wanted = _kind(path, of), getattr(kinds, of)
        if held is not None and held is not wanted:
            raise InputError(
                "InvalidMapping",
                f"ids.{of} of the mapping is {wanted}, and the {of}s in {path} have ids of the "
                f"kind {held}: one lake holds one kind; set ids.{of} to {held}, or give the "
                "model another name",
            )


def write(path: Path, readers: IdReaders) -> None:
    """Append the texts that are new; before the tables that have their ids."""
    for of, reader in (("user", readers.user), ("item", readers.item)):
        if isinstance(reader, TextIds) and (new := reader.new()).height:
            rows = new.select(pl.lit(of).alias("kind"), "id", "text")
            lake.append(path, _TABLE, rows, ["kind"])


def named(path: Path, data: Dataset) -> Named:
    """What the ids of a data set in the lake at `path` are.

    Raises InputError `DataVersionMissing` where a text is missing or is not that of its id.
    """
    kinds = Ids(**{of: _kind(path, of) or IdKind.INTEGER for of in ("user", "item")})
    for of, known in (("user", data.users.ids), ("item", data.items.ids)):
        if getattr(kinds, of) is IdKind.INTEGER and len(known) and known[-1] >= ids.INTEGER_LIMIT:
            raise _lost(path, f"the {of} {known[-1]} is the hash of a text that is not there")
    if kinds.item is IdKind.INTEGER:
        return Named(kinds)
    return Named(kinds, _texts(path, data.items.ids))


def _texts(path: Path, items: Ints) -> tuple[str, ...]:
    wanted = pl.LazyFrame({"id": items})
    rows = _of(path, "item").select("id", "text").unique("id", keep="first")
    found = wanted.join(rows, on="id", how="left", maintain_order="left").collect()
    for number, text in found.iter_rows():
        if text is None or ids.hashed(text) != number:
            raise _lost(path, f"the item {number} has the text {text!r}")
    return tuple(found["text"].to_list())


def _of(path: Path, of: str) -> pl.LazyFrame:
    return lake.scan(path, _TABLE, schema.IDS_SCHEMA).filter(pl.col("kind") == of)


def _kind(path: Path, of: str) -> IdKind | None:
    """The kind of the ids that the lake has; None where it has none."""
    if _of(path, of).head(1).collect().height:
        return IdKind.TEXT
    return None if lake.newest(path, f"{of}s") is None else IdKind.INTEGER


def _lost(path: Path, what: str) -> InputError:
    return InputError(
        "DataVersionMissing",
        f"{path / _TABLE} does not hold the texts of the ids: {what}; restore that folder, or "
        "give the model another name and check its data again",
    )
