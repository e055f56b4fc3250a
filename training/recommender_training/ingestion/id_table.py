"""The table `ids` of a lake: the text of each hashed id.

The table is append-only. The id of a row is the hash of its text, so rows can be verified without
a version of this table in the data version.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from recommender_contract import ids
from recommender_contract.ids import IdKind
from recommender_contract.resource.mapping import INTEGERS, IdKinds
from recommender_training.common.arrays import Ints
from recommender_training.common.errors import InputError
from recommender_training.data import lake, schema
from recommender_training.data.dataset import Dataset
from recommender_training.ingestion.erased_users import ErasedUsers
from recommender_training.ingestion.ids import IdReader, IntegerIds
from recommender_training.ingestion.text_ids import TextIds

_TABLE = "ids"


@dataclass(frozen=True)
class IdReaders:
    """Readers of user and item ids in one check."""

    user: IdReader
    item: IdReader


@dataclass(frozen=True)
class Named:
    """Kinds of the ids of a data set; `items` has the text of each item, in the same order."""

    kinds: IdKinds = INTEGERS
    items: tuple[str, ...] | None = None

    def lineage(self) -> dict[str, Any]:
        """Return the entry of the manifest, which is empty if all ids are whole numbers."""
        if self.kinds == INTEGERS:
            return {}
        return {"ids": {**self.kinds.model_dump(mode="json"), "hash": ids.HASH}}


def open_readers(path: Path, kinds: IdKinds) -> IdReaders:
    """Return readers that know the texts of the lake.

    Raises InputError `InvalidMapping` if the lake has ids of another kind, which would stand for
    other users and items.
    """
    check_kinds(path, kinds)
    readers: dict[str, IdReader] = {}
    for of in ("user", "item"):
        name = of.capitalize()
        is_text = getattr(kinds, of) is IdKind.TEXT
        readers[of] = TextIds(name, _of(path, of)) if is_text else IntegerIds(name)
    return IdReaders(**readers)


def check_kinds(path: Path, kinds: IdKinds) -> None:
    """Raise InputError `InvalidMapping` if the lake has ids of another kind."""
    for of in ("user", "item"):
        present, declared = kind_of(path, of), getattr(kinds, of)
        if present is not None and present is not declared:
            raise InputError(
                "InvalidMapping",
                f"ids.{of} of the mapping is {declared}, but the {of}s in {path} have ids of kind "
                f"{present}, and a lake holds one kind: set ids.{of} to {present}, or rename the "
                "model",
            )


def write_ids(path: Path, readers: IdReaders, erased: ErasedUsers, incoming: pl.DataFrame) -> None:
    """Append new texts; call it before writing the tables with their ids.

    The texts of `erased` users stay out, unless they are among the `incoming` ones (`user_id`).
    """
    for of, reader in (("user", readers.user), ("item", readers.item)):
        new = reader.new() if isinstance(reader, TextIds) else None
        if new is not None and of == "user":
            named = new.rename({"id": "user_id"})
            new = erased.users(named, path, incoming).rename({"user_id": "id"})
        if new is not None and new.height:
            rows = new.select(pl.lit(of).alias("kind"), "id", "text")
            lake.append(path, _TABLE, rows, ["kind"])


def id_texts(path: Path, data: Dataset) -> Named:
    """Return the kinds and texts of the ids of a data set in the lake at `path`.

    Raises InputError `DataVersionMissing` if a text is missing or does not match its id.
    """
    kinds = IdKinds(**{of: kind_of(path, of) or IdKind.INTEGER for of in ("user", "item")})
    for of, known in (("user", data.users.ids), ("item", data.items.ids)):
        if getattr(kinds, of) is IdKind.INTEGER and len(known) and known[-1] > ids.MAX_INTEGER:
            raise _lost(path, f"the text of the {of} {known[-1]} is missing")
    if kinds.item is IdKind.INTEGER:
        return Named(kinds)
    return Named(kinds, texts(path, "item", data.items.ids))


def texts(path: Path, of: str, numbers: Ints) -> tuple[str, ...]:
    """Return the texts of these ids, `of` items or users, in the same order.

    Raises InputError `DataVersionMissing` if a text is missing or does not match its id.
    """
    wanted = pl.LazyFrame({"id": numbers})
    rows = _of(path, of).select("id", "text").unique("id", keep="first")
    found = wanted.join(rows, on="id", how="left", maintain_order="left").collect()
    for number, text in found.iter_rows():
        if text is None or ids.hashed(text) != number:
            raise _lost(path, f"the {of} {number} has the text {text!r}")
    return tuple(found["text"].to_list())


def _of(path: Path, of: str) -> pl.LazyFrame:
    return lake.scan(path, _TABLE, schema.IDS_SCHEMA).filter(pl.col("kind") == of)


def kind_of(path: Path, of: str) -> IdKind | None:
    """Return the kind of the ids in the lake, or None if it has none."""
    if _of(path, of).head(1).collect().height:
        return IdKind.TEXT
    return None if lake.newest(path, f"{of}s") is None else IdKind.INTEGER


def _lost(path: Path, problem: str) -> InputError:
    return InputError(
        "DataVersionMissing",
        f"{path / _TABLE} lacks texts of ids: {problem}; restore the folder, or rename the model "
        "and check its data again",
    )
