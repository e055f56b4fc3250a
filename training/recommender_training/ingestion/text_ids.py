"""Text ids without collisions.

Each id takes 16 bytes of memory: the hash of 63 bits and a fingerprint of 64 bits of its text. The
fingerprint reveals two texts with the same hash; the newer one is quarantined.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from recommender_contract.ids import IdKind
from recommender_training.common.arrays import Bools, Ints
from recommender_training.data import schema
from recommender_training.ingestion.ids import read_texts

_Prints = npt.NDArray[np.uint64]


class TextIds:
    """Ids that are texts. `of` is User or Item; `known` has `id` and `text` of the lake."""

    kind = IdKind.TEXT

    def __init__(self, of: str, known: pl.LazyFrame | None = None) -> None:
        self._of = of
        columns = {"id": pl.Int64, "print": pl.UInt64}
        frame = pl.DataFrame(schema=columns)
        if known is not None:
            prints = known.select("id", pl.col("text").hash().alias("print"))
            frame = prints.collect(engine="streaming").sort("id")
        self._ids: Ints = frame["id"].to_numpy()
        self._prints: _Prints = frame["print"].to_numpy()
        self._new: list[pl.DataFrame] = []

    def read(self, frame: pl.DataFrame, raw: str, column: str) -> pl.DataFrame:
        """See IdReader; the reasons are those of `read_texts`."""
        return read_texts(frame, raw, column, self._of)

    def settle(self, frame: pl.DataFrame, raw: str, column: str) -> pl.DataFrame:
        """See IdReader. A text with the hash of another text gets the reason UserIdCollision."""
        pairs = frame.filter(pl.col("reason").is_null()).select(
            pl.col(column).alias("id"), pl.col(raw).alias("text")
        )
        pairs = pairs.unique(maintain_order=True)
        clash = self._claim(pairs)
        if not clash.any():
            return frame
        wrong = pairs.filter(pl.Series(clash)).select(
            pl.col("text").alias(raw), pl.lit(f"{self._of}IdCollision").alias("clash")
        )
        frame = frame.join(wrong, on=raw, how="left", maintain_order="left")
        return frame.with_columns(pl.coalesce("reason", "clash").alias("reason")).drop("clash")

    def new(self) -> pl.DataFrame:
        """Return `id` and `text` of the ids that the lake does not have, sorted by id."""
        columns = {name: schema.IDS_SCHEMA[name] for name in ("id", "text")}
        return pl.concat([pl.DataFrame(schema=columns), *self._new]).sort("id")

    def _claim(self, pairs: pl.DataFrame) -> Bools:
        """Remember pairs with a free id; return true for pairs whose id is another text's."""
        ids: Ints = pairs["id"].to_numpy()
        prints: _Prints = pairs["text"].hash().to_numpy()
        present, owner = self._owners(ids)
        distinct, first, back = np.unique(ids, return_index=True, return_inverse=True)
        owner = np.where(present, owner, prints[first][back])
        free = first[~present[first]]
        if len(free):
            place = np.searchsorted(self._ids, ids[free])
            self._ids = np.insert(self._ids, place, distinct[~present[first]])
            self._prints = np.insert(self._prints, place, prints[free])
            self._new.append(pairs[free.tolist()])
        clash: Bools = prints != owner
        return clash

    def _owners(self, ids: Ints) -> tuple[Bools, _Prints]:
        """Return a mask of the known ids, and the fingerprint of its text (arbitrary if not)."""
        if len(self._ids) == 0:
            return np.zeros(len(ids), dtype=np.bool_), np.zeros(len(ids), dtype=np.uint64)
        place = np.searchsorted(self._ids, ids).clip(max=len(self._ids) - 1)
        return self._ids[place] == ids, self._prints[place]
