"""A generated shop whose users and requests also have lists, vectors and times that matter.

To the logit of `shop` each of these features adds a part, and nothing else changes: the same seed
gives the same users, items and visits as without them, but other clicks.

| feature | kind | what it adds to the logit |
|---|---|---|
| `interests`, of users | MultiCategorical | INTEREST if the item has one of these categories |
| `profile`, of users | Embedding | PROFILE times the product with the item's embedding |
| `birth_month`, of users | Timestamp, Month | BIRTH_MONTH, vouchers around the birthday |
| `basket`, of a session | MultiCategorical | BASKET if the item has one of these categories |
| `query`, of a session | Embedding | QUERY times the product with the item's embedding |
| `hour`, of an impression | Timestamp, HourOfDay | HOUR of the local time in ZONE |
| `weekday`, of an impression | Timestamp, DayOfWeek | WEEKDAY of the local time, and at weekends \
OUTDOORS if the item has a category of OUTDOOR |

Embeddings have length 1, so a product has a standard deviation of a quarter. A value that is null
in the log adds nothing. Legend of shapes: `shop_visits`, and C categories, E numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from recommender_examples import shop_tables
from recommender_examples.shop_visits import Visits
from recommender_examples.shop_world import CATEGORIES, DAY_MS, EMBEDDING, World
from recommender_training.common.arrays import Bools, Doubles, Floats, Ints

#: The shop's time zone; its half hour separates hours from those of UTC.
ZONE = "Asia/Kolkata"
#: Effects in logit, chosen before any model was fitted: about as large as those of brand, region
#: and common taste in `shop_world`.
INTEREST, BASKET = 1.0, 1.0
PROFILE, QUERY = 2.0, 2.0
#: By local hour: fewer clicks at night, more at lunch and in the evening.
HOUR = np.array(
    [-0.8] * 7 + [0.0] * 5 + [0.5] * 2 + [0.0] * 6 + [0.8] * 3 + [0.0], dtype=np.float32
)
#: From Monday on.
WEEKDAY = np.array([0.0, 0.0, 0.0, 0.0, 0.3, 0.6, 0.6], dtype=np.float32)
SATURDAY = 5
OUTDOOR, OUTDOORS = ("camping", "cycling", "garden", "running", "travel"), 0.8
#: From January on, the month of the log.
BIRTH_MONTH = np.array([0.8, 0.4] + [0.0] * 9 + [0.4], dtype=np.float32)
#: Most categories of a user and of a basket, and shares of null.
MOST_INTERESTS, MOST_IN_BASKET = 4, 3
NULL_INTERESTS, NULL_PROFILE, NULL_BIRTH, NULL_BASKET, NULL_QUERY = 0.1, 0.1, 0.1, 0.3, 0.3
#: Years of birth.
BORN = (1970, 2007)
#: The features by the name of their part.
KINDS = ("interests", "profile", "birth_month", "basket", "query", "hour", "weekday")
#: Their declarations, by the part of a mapping.
FEATURES: Mapping[str, tuple[Mapping[str, object], ...]] = {
    "users": (
        {"name": "interests", "kind": "MultiCategorical", "maxPerRow": MOST_INTERESTS},
        {"name": "profile", "kind": "Embedding", "length": EMBEDDING},
        {
            "name": "birth_month",
            "column": "born_on",
            "kind": "Timestamp",
            "unit": "ISO8601",
            "calendar": "Month",
        },
    ),
    "interactions": (
        {"name": "basket", "kind": "MultiCategorical", "maxPerRow": MOST_IN_BASKET},
        {"name": "query", "kind": "Embedding", "length": EMBEDDING},
        *(
            {
                "name": name,
                "column": "time",
                "kind": "Timestamp",
                "unit": "ISO8601",
                "calendar": calendar,
                "timeZone": ZONE,
            }
            for name, calendar in (("hour", "HourOfDay"), ("weekday", "DayOfWeek"))
        ),
    ),
}


@dataclass(frozen=True)
class Context:
    """Context of sessions."""

    basket: Bools  # [S, C]
    query: Floats  # [S, E] of length 1; zeros are null

    def columns(self, session: Ints) -> pl.DataFrame:
        """Return basket and query of these sessions [N]."""
        return pl.DataFrame(
            {
                "basket": _listed(self.basket[session]),
                "query": shop_tables.vectors(self.query[session]),
            }
        )


@dataclass(frozen=True)
class Asked:
    """Impressions, or items that are asked for: the arrays broadcast."""

    user: Ints  # [...]
    item: Ints  # [...]
    basket: Bools  # [..., C]
    query: Floats  # [..., E]
    time: Ints  # [...] milliseconds since 1970


@dataclass(frozen=True)
class Kinds:
    """The users' features of these kinds."""

    interests: Bools  # [U, C] none is null
    profile: Floats  # [U, E] of length 1; zeros are null
    born: Ints  # [U] days since 1970; -1 null

    @classmethod
    def of(cls, world: World, seed: int) -> Kinds:
        """Generate them; they depend on nothing else of the users."""
        random, users = np.random.default_rng([seed, 3]), world.settings.users
        first, last = (np.datetime64(f"{year}-01-01", "D").astype(int) for year in BORN)
        born = random.integers(first, last, size=users)
        born[random.random(users) < NULL_BIRTH] = -1
        interests = _categories(random, users, MOST_INTERESTS, NULL_INTERESTS)
        return cls(interests, _vectors(random, users, NULL_PROFILE), born)

    def parts(self, world: World, asked: Asked) -> dict[str, Doubles]:
        """Return [...] what each of the KINDS adds to the logit."""
        has, embedding = world.items.categories[asked.item], world.items.embedding[asked.item]
        hour, weekday = local(asked.time)
        outdoor = has[..., [CATEGORIES.index(name) for name in OUTDOOR]].any(-1)
        born = self.born[asked.user]
        month = born.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12
        found = {
            "interests": INTEREST * (has & self.interests[asked.user]).any(-1),
            "profile": PROFILE * (embedding * self.profile[asked.user]).sum(-1),
            "birth_month": np.where(born < 0, 0.0, BIRTH_MONTH[month]),
            "basket": BASKET * (has & asked.basket).any(-1),
            "query": QUERY * (embedding * asked.query).sum(-1),
            "hour": HOUR[hour],
            "weekday": WEEKDAY[weekday] + OUTDOORS * ((weekday >= SATURDAY) & outdoor),
        }
        shape = np.broadcast_shapes(*(part.shape for part in found.values()))
        return {
            name: np.broadcast_to(part, shape).astype(np.float64) for name, part in found.items()
        }

    def of_visits(self, world: World, visits: Visits, context: Context) -> dict[str, Doubles]:
        """Return [S, V, K] the parts of the impressions of visits."""
        asked = Asked(
            visits.user[:, None, None],
            visits.item,
            context.basket[:, None, None],
            context.query[:, None, None],
            visits.time[:, :, None],
        )
        return self.parts(world, asked)

    def columns(self) -> pl.DataFrame:
        """Return interests, profile and born_on of all users."""
        born = pl.Series(self.born)
        known = born.set(born < 0, None) * DAY_MS
        return pl.DataFrame(
            {
                "interests": _listed(self.interests),
                "profile": shop_tables.vectors(self.profile),
                "born_on": known.cast(shop_tables.TIME),
            }
        )


def context(random: np.random.Generator, sessions: int) -> Context:
    """Draw the basket and the query of each session."""
    basket = _categories(random, sessions, MOST_IN_BASKET, NULL_BASKET)
    return Context(basket, _vectors(random, sessions, NULL_QUERY))


def beside(
    log: pl.DataFrame,
    truth: pl.DataFrame,
    visits: Visits,
    context: Context,
    parts: Mapping[str, Doubles],
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the log of the visits with their context, and the truth with the parts [S, V, K]."""
    rows = shop_tables.shown(visits)
    found = {f"of_{name}": part[rows] for name, part in parts.items()}
    return log.hstack(context.columns(rows[0])), truth.hstack(pl.DataFrame(found))


def mapping(plain: str) -> str:
    """Return the mapping of the plain shop with these features."""
    parts = json.loads(plain)
    for table, features in FEATURES.items():
        parts[table]["features"] += features
    return json.dumps(parts, indent=2)


def local(time: Ints) -> tuple[Ints, Ints]:
    """Return [...] the local hour, and the local weekday from Monday on, of times in ms."""
    there = pl.Series(time.ravel()).cast(shop_tables.TIME).dt.convert_time_zone(ZONE).dt
    hour, weekday = (part.to_numpy().astype(np.int64) for part in (there.hour(), there.weekday()))
    return hour.reshape(time.shape), weekday.reshape(time.shape) - 1


def _categories(random: np.random.Generator, count: int, most: int, null: float) -> Bools:
    """Draw [count, C]: from one to `most` different categories each, or none."""
    wanted = random.integers(1, most + 1, size=count)
    wanted[random.random(count) < null] = 0
    order = random.random((count, len(CATEGORIES))).argsort(axis=1).argsort(axis=1)
    return np.asarray(order < wanted[:, None])


def _vectors(random: np.random.Generator, count: int, null: float) -> Floats:
    """Draw [count, E] vectors of length 1 in random directions; zeros for null."""
    found = random.normal(0, 1, (count, EMBEDDING))
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    found[random.random(count) < null] = 0.0
    return found.astype(np.float32)


def _listed(has: Bools) -> pl.Series:
    """Return the names of the categories of each row; null where it has none."""
    names = np.array(CATEGORIES)
    found = [names[row].tolist() or None for row in has]
    return pl.Series(found, dtype=pl.List(pl.String))
