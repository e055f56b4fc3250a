"""Raw files of a large shop, a part at a time, in time that does not depend on users x items.

Items are drawn by their popularity (a Zipf law, shifted so that the first items do not have it
all) within a genre that the user likes; the response depends on that liking and on a quality of
the item. Memory follows the items and one part of the events.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recommender_training.common.arrays import Doubles, Ints

GENRES = ("Action", "Comedy", "Drama", "Horror", "Romance", "Thriller")
OCCUPATIONS = ("artist", "engineer", "none", "student")
PART_ROWS, USER_ROWS, DAYS, SEED = 250_000, 100, 120, 17
#: Events of a session, and seconds from one to the next.
SESSION, APART = 8, 60
_START, _SHIFT = 880_000_000, 50


@dataclass(frozen=True)
class Catalogue:
    """Items by genre, most popular first, and how good each is."""

    genre: Ints  # [I]
    quality: Doubles  # [I]
    of_genre: tuple[Ints, ...]  # of each genre the items
    cumulative: tuple[Doubles, ...]  # of each genre the shares of its items, summed up

    @classmethod
    def draw(cls, items: int, random: np.random.Generator) -> Catalogue:
        """A catalogue of so many items."""
        genre = random.integers(0, len(GENRES), items)
        share = 1.0 / (_SHIFT + random.permutation(items))
        of_genre = tuple(np.flatnonzero(genre == each) for each in range(len(GENRES)))
        cumulative = tuple(np.cumsum(share[own]) / share[own].sum() for own in of_genre)
        return cls(genre, random.normal(0, 0.6, items), of_genre, cumulative)


def write(folder: Path, rows: int, items: int) -> dict[str, Any]:
    """Write `raw/events`, `raw/users` and `raw/items` below `folder`; what was written."""
    if items < 10 * len(GENRES):
        raise ValueError(f"items is {items}; give at least {10 * len(GENRES)}")
    random = np.random.default_rng(SEED)
    raw = folder / "raw"
    for kind in ("events", "users", "items"):
        (raw / kind).mkdir(parents=True)
    catalogue = Catalogue.draw(items, random)
    _items(catalogue, random).write_parquet(raw / "items" / "00000.parquet")
    written = people = 0
    for part, count in enumerate(_parts(rows)):
        users = max(2, count // USER_ROWS)
        known, events = _part(catalogue, users, count, random)
        shifted = pl.col("user") + people
        known.with_columns(shifted).write_parquet(raw / "users" / f"{part:05}.parquet")
        events.with_columns(shifted).write_parquet(raw / "events" / f"{part:05}.parquet")
        written, people = written + events.height, people + users
    return {"rows": written, "users": people, "items": items}


def _parts(rows: int) -> Iterator[int]:
    for start in range(0, rows, PART_ROWS):
        yield min(PART_ROWS, rows - start)


def _items(catalogue: Catalogue, random: np.random.Generator) -> pl.DataFrame:
    count = len(catalogue.genre)
    return pl.DataFrame(
        {
            "item": np.arange(1, count + 1),
            "title": [f"Item {number}" for number in range(1, count + 1)],
            "year": random.integers(1950, 1998, count),
            "genres": np.array(GENRES)[catalogue.genre],
        }
    )


def _times(user: Ints, random: np.random.Generator) -> Ints:
    """[N] seconds since 1970 of the events of sorted users, SESSION in a row at one time."""
    rows = np.arange(len(user))
    first = np.r_[True, user[1:] != user[:-1]]
    place = (rows - np.maximum.accumulate(np.where(first, rows, 0))) % SESSION
    session = np.cumsum(place == 0) - 1
    starts = _START + random.integers(0, DAYS * 86_400, session[-1] + 1)
    return np.asarray(starts[session] + place * APART, dtype=np.int64)


def _part(
    catalogue: Catalogue, users: int, rows: int, random: np.random.Generator
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """So many users, from 1 on, and about so many events of theirs, no pair twice."""
    taste = random.normal(0, 1.0, (users, len(GENRES)))
    weight = random.lognormal(0, 0.8, users)
    user = np.sort(random.choice(users, rows, p=weight / weight.sum()))
    likes = np.exp(taste) / np.exp(taste).sum(1, keepdims=True)
    drawn = random.random(rows)[:, None]
    genre = (np.cumsum(likes, 1)[user] < drawn).sum(1).clip(max=len(GENRES) - 1)
    item = np.empty(rows, dtype=np.int64)
    for each, (own, cumulative) in enumerate(
        zip(catalogue.of_genre, catalogue.cumulative, strict=True)
    ):
        at = np.flatnonzero(genre == each)
        place = np.searchsorted(cumulative, random.random(len(at))).clip(max=len(own) - 1)
        item[at] = own[place]
    score = 3.5 + 0.7 * taste[user, genre] + catalogue.quality[item]
    score += random.normal(0, 0.7, rows)
    time = _times(user, random)
    events = pl.DataFrame(
        {
            "user": user + 1,
            "item": item + 1,
            "rating": np.clip(np.round(score), 1, 5).astype(np.float64),
            "time": time,
        }
    ).unique(["user", "item"], keep="first", maintain_order=True)
    known = pl.DataFrame(
        {
            "user": np.arange(1, users + 1),
            "age": np.clip(random.normal(33, 12, users), 8, 80).astype(np.int64),
            "gender": random.choice(["F", "M"], users, p=[0.3, 0.7]),
            "occupation": random.choice(OCCUPATIONS, users),
        }
    )
    return known, events
