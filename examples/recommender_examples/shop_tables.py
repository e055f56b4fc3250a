"""The raw rows of a generated shop in the form of a log: texts, times, lists and nulls."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy.special import expit

from recommender_examples import shop_world
from recommender_examples.shop_settings import Broken, Defect
from recommender_examples.shop_visits import Visits
from recommender_examples.shop_world import (
    CATEGORIES,
    DAY_MS,
    DEVICES,
    EMBEDDING,
    PAGES,
    REGIONS,
    START_MS,
    TIERS,
    World,
)
from recommender_training.common.arrays import Bools, Doubles, Floats, Ints

#: Share of clicks that lead to a purchase.
PURCHASE_SHARE = 0.15
TIME = pl.Datetime("ms", "UTC")
#: Multiplication by an odd number modulo a power of two is a bijection.
_MIX, _MIXED = 2_654_435_761, 2**32


def users(world: World) -> pl.DataFrame:
    """Return user_id, loyalty_tier, region, attribute, signed_up_at, valid_from."""
    found, names = world.users, _categories(world)
    signed_up = pl.Series(found.signed_up)
    return pl.DataFrame(
        {
            "user_id": _user_ids(np.arange(len(found))),
            "loyalty_tier": _named(found.tier, names["loyalty_tier"]),
            "region": _named(found.region, names["region"]),
            "attribute": _named(found.attribute, names["attribute"]),
            "signed_up_at": signed_up.set(signed_up < 0, None).cast(TIME),
        }
    ).with_columns(valid_from=pl.col("signed_up_at").fill_null(_day(0)))


def items(world: World) -> pl.DataFrame:
    """Return item_id, price, brand, categories, embedding (lists), created_at, valid_from."""
    found = world.items
    titles = np.array(CATEGORIES)
    return pl.DataFrame(
        {
            "item_id": _item_ids(np.arange(len(found))),
            "price": pl.Series(found.price).fill_nan(None),
            "brand": _named(found.brand, _categories(world)["brand"]),
            "categories": [titles[row].tolist() for row in found.categories],
            "embedding": vectors(found.embedding),
            "created_at": pl.Series(found.created).cast(TIME),
        }
    ).with_columns(valid_from=pl.col("created_at"))


def vectors(numbers: Floats) -> pl.Series:
    """Return [N] the lists of numbers [N, E]; null for zeros."""
    present = pl.Series("present", numbers.any(axis=1))
    lists = pl.Series("lists", numbers, dtype=pl.Array(pl.Float32, EMBEDDING))
    return pl.select(pl.when(present).then(lists.cast(pl.List(pl.Float32)))).to_series()


def shown(visits: Visits) -> tuple[Ints, Ints, Ints]:
    """Return [N] session, view and slot of each impression, by time."""
    session, view, place = (
        index.astype(np.int64) for index in np.nonzero(np.broadcast_to(
            visits.seen[:, :, None], visits.item.shape))
    )  # fmt: skip
    order = np.argsort(visits.time[session, view], kind="stable")
    return session[order], view[order], place[order]


def impressions(
    world: World, visits: Visits, prefix: str, clicked: Bools, logit: Doubles, bought: Doubles
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the log of the sessions by time, and the truth of each row; arrays are [S, V, K].

    `bought` is uniform: a click leads to a purchase if it is below PURCHASE_SHARE.
    """
    session, view, place = shown(visits)
    item, click = visits.item[session, view, place], clicked[session, view, place]
    price = np.nan_to_num(world.items.price[item])
    paid = np.where(click & (bought[session, view, place] < PURCHASE_SHARE), price, 0.0)
    numbers = pl.Series(np.arange(len(session))).cast(pl.String).str.zfill(6)
    log = pl.DataFrame(
        {
            "impression_id": prefix + numbers,
            "user_id": _user_ids(visits.user[session]),
            "item_id": _item_ids(item),
            "time": pl.Series(visits.time[session, view]).cast(TIME),
            "session_id": f"s{prefix}" + pl.Series(session).cast(pl.String),
            "device": _named(visits.device[session], DEVICES),
            "page": _named(visits.page[session, view] + 1, PAGES),
            "slot_position": place + 1,
            "clicked": click,
            "revenue": paid,
        }
    )
    true = logit[session, view, place]
    return log, log.select(
        "impression_id",
        "user_id",
        "item_id",
        "time",
        pl.Series("logit", true),
        pl.Series("probability", expit(true)),
    )


def broken(rows: pl.DataFrame, change: Broken, world: World) -> pl.DataFrame:
    """Return the rows with the feature null, or each category renamed to the next one."""
    column = pl.col(change.feature)
    if change.defect is Defect.NULL:
        empty = pl.lit(None, dtype=rows.schema[change.feature]).alias(change.feature)
        return rows.with_columns(empty)
    names = _categories(world)[change.feature]
    wrong = dict(zip(names, [*names[1:], names[0]], strict=True))
    return rows.with_columns(column.replace_strict(wrong, default=None, return_dtype=pl.String))


def exported_again(rows: pl.DataFrame, change: Broken, world: World) -> pl.DataFrame:
    """Return the rows of a table as exported on the day of the break."""
    known = pl.max_horizontal("valid_from", _day(change.day)).alias("valid_from")
    return broken(rows, change, world).with_columns(known)


def _day(day: int) -> pl.Expr:
    return pl.lit(START_MS + day * DAY_MS).cast(TIME)


def _named(codes: Ints, names: Sequence[str]) -> pl.Series:
    """Return the name of each code; codes count from 1, 0 is null."""
    return pl.Series([None, *names], dtype=pl.String)[codes]


def _categories(world: World) -> dict[str, Sequence[str]]:
    """Return the names of each categorical feature, in the order of their codes."""
    attributes = _mixed(np.arange(shop_world.attribute_count(world.settings)))
    brands = shop_world.brand_count(world.settings)
    return {
        "device": DEVICES,
        "page": PAGES,
        "loyalty_tier": TIERS,
        "region": REGIONS,
        "attribute": [f"h{number:08x}" for number in attributes],
        "brand": [f"brand-{number:04}" for number in range(brands)],
    }


def _mixed(numbers: Ints) -> list[int]:
    """Map each number to a different 32-bit number."""
    mixed: list[int] = ((numbers + 1) * _MIX % _MIXED).tolist()
    return mixed


def _user_ids(users: Ints) -> pl.Series:
    return pl.Series([f"u-{number:08x}" for number in _mixed(users)], dtype=pl.String)


def _item_ids(items: Ints) -> pl.Series:
    return pl.Series([f"SKU-{number:06}" for number in items.tolist()], dtype=pl.String)
