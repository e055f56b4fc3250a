"""Users and items of a generated shop, with the effects that `shop` describes.

Legend of shapes: U users, I items, E numbers of an embedding. A categorical feature has one effect
per category; the first effect is that of null and is 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender_examples.shop_settings import SLOTS, Settings
from recommender_training.common.arrays import Bools, Doubles, Floats, Ints

EMBEDDING = 16
#: 2026-01-05, a Monday, in milliseconds since 1970: the first day of the log.
START_MS = 1_767_571_200_000
DAY_MS = 86_400_000

TIERS = ("basic", "silver", "gold", "platinum")
REGIONS = ("north", "south", "east", "west", "centre", "coast", "islands", "abroad")
DEVICES = ("app", "desktop", "mobile", "tablet")
PAGES = ("home", "search", "category", "cart")
CATEGORIES = (
    "bags", "beauty", "books", "camping", "coats", "cycling", "decor", "denim", "dresses",
    "electronics", "fitness", "garden", "jewellery", "kids", "kitchen", "knitwear", "lighting",
    "music", "running", "shirts", "shoes", "toys", "travel", "watches",
)  # fmt: skip

#: Log-normal price in units of money: mean and deviation of its logarithm.
LOG_PRICE, LOG_PRICE_SPREAD = 3.2, 0.9
#: Decrease in logit per unit of standardised log price, by tier; guests (null) come first.
PRICE_SENSITIVITY = np.array([0.7, 1.1, 0.8, 0.4, 0.1], dtype=np.float32)
#: Increase in logit per unit of a brand's prestige, by tier; guests come first.
PRESTIGE_LIKING = np.array([0.0, -0.3, 0.0, 0.3, 0.6], dtype=np.float32)
DEVICE_EFFECT = np.array([0.0, 0.4, 0.1, -0.3, -0.1], dtype=np.float32)
PAGE_EFFECT = np.array([-0.4, 0.4, 0.2, 0.0], dtype=np.float32)
#: Standard deviations of effects in logit.
BRAND_SPREAD, ATTRIBUTE_SPREAD = 0.4, 0.25
#: Lengths of the taste vectors. Embeddings have length 1, so the standard deviation of the logit
#: is a quarter of these.
COMMON_TASTE, REGION_TASTE, CLUSTER_TASTE, PRIVATE_TASTE = 2.0, 1.0, 1.2, 0.3
#: Hidden groups of attribute values with the same taste.
CLUSTERS = 6
#: Shares of null; a null value has no effect on clicks.
NULL_TIER, NULL_REGION, NULL_ATTRIBUTE, NULL_SIGN_UP = 0.15, 0.05, 0.08, 0.1
NULL_PRICE, NULL_BRAND, NULL_EMBEDDING = 0.01, 0.03, 0.02
#: Share of users who sign up during the log; days before it in which the others signed up.
NEW_USERS, HISTORY_DAYS = 0.1, 700


@dataclass(frozen=True)
class Users:
    """Codes of categories count from 1, 0 is null; times are in milliseconds since 1970."""

    tier: Ints  # [U]
    region: Ints  # [U]
    attribute: Ints  # [U]
    cluster: Ints  # [U] hidden one of the attribute
    signed_up: Ints  # [U] -1 null
    activity: Doubles  # [U] relative to one another
    taste: Floats  # [U, E]
    effect: Floats  # [U] of the attribute

    def __len__(self) -> int:
        return len(self.tier)


@dataclass(frozen=True)
class Items:
    """Codes of categories count from 1, 0 is null; times are in milliseconds since 1970."""

    price: Doubles  # [I] NaN null
    brand: Ints  # [I]
    categories: Bools  # [I, C] one to three each
    embedding: Floats  # [I, E] of length 1; zeros are null
    created: Ints  # [I]
    popularity: Doubles  # [I] relative to one another
    cost: Floats  # [I] standardised log price, 0 for null
    prestige: Floats  # [I] of the brand
    effect: Floats  # [I] of the brand

    def __len__(self) -> int:
        return len(self.brand)


@dataclass(frozen=True)
class World:
    """Users and items of a shop."""

    settings: Settings
    users: Users
    items: Items

    @classmethod
    def of(cls, settings: Settings, seed: int) -> World:
        """Generate the users and items of a seed."""
        random = np.random.default_rng([seed, 0])
        return cls(settings, _users(random, settings), _items(random, settings))

    def logits(self, user: Ints, item: Ints) -> Floats:
        """Return [...] the part of the logit from user and item; `user` and `item` broadcast."""
        users, items = self.users, self.items
        tier = users.tier[user]
        taste = np.einsum("...e,...e->...", users.taste[user], items.embedding[item])
        liking = PRESTIGE_LIKING[tier] * items.prestige[item] + items.effect[item]
        cost = PRICE_SENSITIVITY[tier] * items.cost[item]
        return np.asarray(taste + liking - cost + users.effect[user], dtype=np.float32)


def _users(random: np.random.Generator, settings: Settings) -> Users:
    count = settings.users
    tier = _with_null(random, random.choice(4, count, p=[0.5, 0.3, 0.15, 0.05]) + 1, NULL_TIER)
    region = _with_null(random, random.integers(len(REGIONS), size=count) + 1, NULL_REGION)
    values = attribute_count(settings)
    attribute = _with_null(random, _long_tailed(random, values, count) + 1, NULL_ATTRIBUTE)
    new = random.random(count) < NEW_USERS
    new[0] = False  # the first day needs a user
    back = random.random(count) * HISTORY_DAYS * DAY_MS
    ahead = random.random(count) * settings.days * DAY_MS
    signed_up = START_MS + np.where(new, ahead, -back).astype(np.int64)
    signed_up[random.random(count) < NULL_SIGN_UP] = -1
    cluster = np.r_[0, 1 + random.integers(CLUSTERS, size=values)]
    taste = (
        _vectors(random, 1, COMMON_TASTE)
        + _or_null(_vectors(random, len(REGIONS), REGION_TASTE))[region]
    )
    taste += _or_null(_vectors(random, CLUSTERS, CLUSTER_TASTE))[cluster[attribute]]
    taste += _vectors(random, count, PRIVATE_TASTE)
    effect = np.r_[0.0, random.normal(0, ATTRIBUTE_SPREAD, values)]
    activity = random.lognormal(0, 1, count)
    return Users(
        tier,
        region,
        attribute,
        cluster[attribute],
        signed_up,
        activity,
        taste,
        effect[attribute].astype(np.float32),
    )


def _items(random: np.random.Generator, settings: Settings) -> Items:
    count, brands = settings.items, brand_count(settings)
    brand = _with_null(random, _long_tailed(random, brands, count) + 1, NULL_BRAND)
    prestige = np.r_[0.0, random.normal(0, 1, brands)].astype(np.float32)
    logarithm = 0.5 * prestige[brand] + np.sqrt(0.75) * random.normal(0, 1, count)
    price = np.round(np.exp(LOG_PRICE + LOG_PRICE_SPREAD * logarithm), 2)
    price[random.random(count) < NULL_PRICE] = np.nan
    cost = (np.log(np.maximum(price, 0.01)) - LOG_PRICE) / LOG_PRICE_SPREAD
    categories = np.zeros((count, len(CATEGORIES)), dtype=np.bool_)
    named = random.integers(len(CATEGORIES), size=(count, 3))
    kept = np.arange(3) < random.integers(1, 4, size=count)[:, None]
    categories[np.nonzero(kept)[0], named[kept]] = True
    topics = _vectors(random, len(CATEGORIES), 1.0)
    embedding = _unit(_unit(categories @ topics) + _vectors(random, count, 0.8))
    embedding[random.random(count) < NULL_EMBEDDING] = 0.0
    back = random.random(count) * HISTORY_DAYS * DAY_MS
    ahead = random.random(count) * settings.days * DAY_MS
    new = np.zeros(count, dtype=np.bool_)  # not the first items: each slot needs one on day 0
    new[SLOTS + random.permutation(count - SLOTS)[: round(count * settings.new_item_share)]] = True
    created = START_MS + np.where(new, ahead, -back).astype(np.int64)
    popularity = random.permutation(1.0 / (10.0 + np.arange(count)) ** 0.8)
    effect = np.r_[0.0, random.normal(0, BRAND_SPREAD, brands)].astype(np.float32)
    return Items(
        price,
        brand,
        categories,
        embedding,
        created,
        popularity,
        np.nan_to_num(cost).astype(np.float32),
        prestige[brand],
        effect[brand],
    )


def attribute_count(settings: Settings) -> int:
    """Return the number of values of the hashed user attribute."""
    return min(2000, max(50, settings.users // 20))


def brand_count(settings: Settings) -> int:
    """Return the number of brands; most have few items."""
    return min(2000, max(20, settings.items // 20))


def _long_tailed(random: np.random.Generator, categories: int, count: int) -> Ints:
    """Draw [count] categories from 0, with frequencies proportional to 1 / rank."""
    share = 1.0 / np.arange(1, categories + 1)
    return np.asarray(random.choice(categories, count, p=share / share.sum()), dtype=np.int64)


def _with_null(random: np.random.Generator, codes: Ints, share: float) -> Ints:
    return np.where(random.random(len(codes)) < share, 0, codes).astype(np.int64)


def _vectors(random: np.random.Generator, count: int, length: float) -> Floats:
    """Draw [count, E] vectors of a length in random directions."""
    return _unit(random.normal(0, 1, (count, EMBEDDING))) * np.float32(length)


def _unit(vectors: Doubles | Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12), dtype=np.float32)


def _or_null(effects: Floats) -> Floats:
    """Prepend the effect of null, 0, to the effects of the categories."""
    return np.concatenate([np.zeros((1, EMBEDDING), dtype=np.float32), effects])
