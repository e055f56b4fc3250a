"""A synthetic data set in the format of MovieLens, for tests without a network and of any size.

Users have tastes by genre that depend on age and gender, and items have a quality and a
popularity. Users come in sessions of a few minutes in which several events share a second, as in
MovieLens.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from recommender_training.common.arrays import Bools, Floats, Ints

GENRES = ("Action", "Comedy", "Drama", "Horror", "Romance", "Thriller")
OCCUPATIONS = ("artist", "engineer", "none", "student")
_START = 880_000_000
_DAYS = 120


@dataclass(frozen=True)
class Size:
    """Size of the data set."""

    users: int = 200
    items: int = 150
    interactions: int = 8000


def generate(destination: Path, size: Size, seed: int) -> None:
    """Write synthetic.inter, synthetic.user and synthetic.item."""
    random = np.random.default_rng(seed)
    ages = np.clip(random.normal(33, 12, size.users), 8, 80).astype(np.int64)
    genders = random.choice(["F", "M"], size.users, p=[0.3, 0.7])
    hot = random.random((size.items, len(GENRES))) < 0.25
    hot[np.arange(size.items), random.integers(0, len(GENRES), size.items)] = True
    taste = _tastes(random, ages, genders)
    quality = random.normal(0, 0.6, size.items)
    user, item, time = _events(random, size, hot, taste)
    match = (taste[user] * hot[item]).sum(1) / hot[item].sum(1)
    score = 3.5 + 0.9 * match + quality[item] + random.normal(0, 0.7, len(user))
    rating = np.clip(np.round(score), 1, 5).astype(np.int64)
    destination.mkdir(parents=True, exist_ok=True)
    _write(
        destination / "synthetic.inter",
        {
            "user_id:token": user + 1,
            "item_id:token": item + 1,
            "rating:float": rating,
            "timestamp:float": time,
        },
    )
    _write(
        destination / "synthetic.user",
        {
            "user_id:token": np.arange(1, size.users + 1),
            "age:token": ages,
            "gender:token": genders,
            "occupation:token": random.choice(OCCUPATIONS, size.users),
            "zip_code:token": np.full(size.users, 10_000),
        },
    )
    _write_items(destination / "synthetic.item", random, hot)


def _write_items(path: Path, random: np.random.Generator, hot: Bools) -> None:
    count = len(hot)
    names = [" ".join(np.array(GENRES)[row]) for row in hot]
    _write(
        path,
        {
            "item_id:token": np.arange(1, count + 1),
            "movie_title:token_seq": [f"Film {number}" for number in range(1, count + 1)],
            "release_year:token": random.integers(1950, 1998, count),
            "class:token_seq": names,
        },
    )


def _tastes(random: np.random.Generator, ages: Ints, genders: npt.NDArray[np.str_]) -> Floats:
    taste = random.normal(0, 0.7, (len(ages), len(GENRES)))
    taste[:, GENRES.index("Drama")] += (ages - 33) / 15
    taste[:, GENRES.index("Horror")] -= (ages - 33) / 15
    taste[:, GENRES.index("Romance")] += np.where(genders == "F", 0.8, -0.3)
    return taste.astype(np.float32)


def _events(
    random: np.random.Generator,
    size: Size,
    hot: Bools,
    taste: Floats,
) -> tuple[Ints, Ints, Ints]:
    """Return users, items and times; each user has one to three sessions and no item twice."""
    each = np.maximum(5, random.lognormal(0, 0.8, size.users))
    each = np.minimum(size.items, np.ceil(each * size.interactions / each.sum())).astype(np.int64)
    popularity = random.gumbel(0, 1, (1, size.items)) - np.log1p(np.arange(size.items))
    users, items, times = [], [], []
    for number in range(size.users):
        liking = (taste[number] * hot).sum(1) / hot.sum(1)
        keys = popularity[0] + liking + random.gumbel(0, 1, size.items)
        chosen = np.argsort(-keys)[: each[number]]
        sessions = int(random.integers(1, 4))
        starts = np.sort(_START + random.integers(0, _DAYS * 86_400, sessions))
        part = np.sort(random.integers(0, sessions, len(chosen)))
        offset = np.floor(np.cumsum(random.exponential(20, len(chosen))) / 15) * 15
        users.append(np.full(len(chosen), number))
        items.append(chosen)
        times.append(starts[part] + offset.astype(np.int64))
    user, item, time = (np.concatenate(parts).astype(np.int64) for parts in (users, items, times))
    order = np.argsort(random.random(len(user)))[: size.interactions]
    return user[order], item[order], time[order]


def _write(path: Path, columns: dict[str, object]) -> None:
    pl.DataFrame(columns).write_csv(path, separator="\t", quote_style="never")
