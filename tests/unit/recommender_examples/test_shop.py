"""The generated shop: its truth follows the formula, its log has the columns of a shop."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from recommender_contract.resource.mapping import Format
from recommender_examples import shop, shop_visits, shop_world
from recommender_examples.shop_settings import (
    SLOTS,
    Broken,
    Drift,
    RawFormat,
    Settings,
)
from recommender_examples.shop_world import START_MS
from recommender_training.common.arrays import Floats
from recommender_training.common.errors import InputError
from recommender_training.ingestion import ingest
from recommender_training.ingestion.mapping_argument import parse_mapping
from tests.unit.recommender_examples.shop_logs import LARGE, SEED, SMALL, logged, of_shop

LOG = [
    "impression_id", "user_id", "item_id", "time", "session_id", "device", "page",
    "slot_position", "clicked", "revenue",
]  # fmt: skip
USERS = ["user_id", "loyalty_tier", "region", "attribute", "signed_up_at", "valid_from"]
ITEMS = ["item_id", "price", "brand", "categories", "embedding", "created_at", "valid_from"]
#: Standard errors within which chance keeps.
CHANCE = 5.0


@pytest.fixture(scope="module")
def large() -> tuple[pl.DataFrame, pl.DataFrame]:
    return logged(LARGE)


@pytest.mark.parametrize("seed", [0, SEED, 2**32 - 1])
def test_a_seed_gives_the_same_rows_and_another_seed_others(seed: int) -> None:
    settings = replace(SMALL, impressions=600)
    first, again, other = (shop.Shop(settings, of) for of in (seed, seed, seed + 1))
    assert_frame_equal(*(pl.concat(each.users()) for each in (first, again)))
    assert_frame_equal(*(pl.concat(each.items()) for each in (first, again)))
    rows, truth = of_shop(first)
    assert_frame_equal(rows, of_shop(again)[0])
    assert_frame_equal(truth, of_shop(again)[1])
    assert not rows.equals(of_shop(other)[0])


@given(impressions=st.integers(1, 3000), days=st.integers(1, 9), new=st.sampled_from([0.0, 0.5]))
def test_impressions_are_the_requested_number_rounded_to_full_pages(
    impressions: int, days: int, new: float
) -> None:
    settings = replace(SMALL, impressions=impressions, days=days, new_item_share=new)
    log, truth = logged(settings)
    assert log.height == -(-impressions // SLOTS) * SLOTS
    assert log["impression_id"].n_unique() == log.height
    assert log["impression_id"].equals(truth["impression_id"])
    pages = log.group_by("session_id", "time").agg(
        pl.col("item_id").n_unique(),
        pl.col("slot_position").sort(),
        pl.col("user_id", "device", "page").n_unique(),
    )
    assert pages["slot_position"].to_list() == [list(range(1, SLOTS + 1))] * pages.height
    assert (pages["item_id"] == SLOTS).all(), "no page shows an item twice"
    assert (pages.select("user_id", "device", "page").to_numpy() == 1).all()


def test_a_user_sees_an_item_once_in_a_second_also_if_sessions_overlap() -> None:
    log, _ = logged(replace(SMALL, users=1, impressions=120_000, days=1))
    seconds = log.with_columns(pl.col("time").dt.truncate("1s"))
    assert seconds.select("item_id", "time").is_unique().all()
    assert seconds.select("session_id", "time").n_unique() > seconds["time"].n_unique()


@pytest.mark.parametrize("rate", [0.001, 0.004, 0.01])
def test_clicks_have_the_requested_rate(rate: float) -> None:
    log, truth = logged(replace(LARGE, positive_rate=rate))
    assert truth["probability"].mean() == pytest.approx(rate, rel=0.1)
    expected = float(truth["probability"].sum())
    assert abs(int(log["clicked"].sum()) - expected) < CHANCE * np.sqrt(expected)


def test_the_truth_is_right_for_each_tenth_of_the_impressions(
    large: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    log, truth = large
    order = np.argsort(truth["probability"].to_numpy())
    for rows in np.array_split(order, 10):
        expected = float(truth["probability"].to_numpy()[rows].sum())
        clicked = int(log["clicked"].to_numpy()[rows].sum())
        assert abs(clicked - expected) < CHANCE * np.sqrt(expected) + 1


def effect(of: Floats, names: tuple[str, ...], value: str | None) -> float:
    """The effect of a category, whose place 0 is that of null."""
    return float(of[0 if value is None else 1 + names.index(value)])


def by_id(rows: pl.DataFrame, key: str) -> dict[str, tuple[int, dict[str, Any]]]:
    return {row[key]: (number, row) for number, row in enumerate(rows.iter_rows(named=True))}


def test_the_truth_follows_from_the_columns_of_the_log_by_the_formula() -> None:
    made = shop.Shop(replace(SMALL, impressions=3000, positive_rate=0.01), SEED)
    users, items = by_id(made.users()[0], "user_id"), by_id(made.items()[0], "item_id")
    log, truth = logged(made.settings)
    assert log["clicked"].sum() > 10
    clicked: dict[str, list[Any]] = {}
    recent = 0
    for row, logit in zip(log.iter_rows(named=True), truth["logit"], strict=True):
        earlier = [time for time in clicked.get(row["session_id"], []) if time < row["time"]]
        expected = made.intercept + of_pair(
            made, users[row["user_id"]], items[row["item_id"]], row["time"]
        )
        expected += effect(shop_world.DEVICE_EFFECT, shop_world.DEVICES, row["device"])
        expected += float(shop_world.PAGE_EFFECT[shop_world.PAGES.index(row["page"])])
        expected -= shop_visits.POSITION_BIAS * np.log(row["slot_position"])
        if earlier:
            since = (row["time"] - max(earlier)).total_seconds()
            expected += shop_visits.CLICKED * np.exp(-since / shop_visits.CLICKED_SECONDS)
            recent += 1
        assert logit == pytest.approx(expected, abs=1e-4)
        if row["clicked"]:
            clicked.setdefault(row["session_id"], []).append(row["time"])
    assert recent > 0


def of_pair(
    made: shop.Shop, user: tuple[int, dict[str, Any]], item: tuple[int, dict[str, Any]], time: Any
) -> float:
    """What user and item add to the logit at a time, from the rows of the tables."""
    users, items = made.world.users, made.world.items
    (u, of_user), (i, of_item) = user, item
    tier, price, signed_up = of_user["loyalty_tier"], of_item["price"], of_user["signed_up_at"]
    z = 0.0 if price is None else (np.log(price) - shop_world.LOG_PRICE) / 0.9
    age = (time - of_item["created_at"]).total_seconds() / 86_400
    assert age > 0
    found = float(np.dot(users.taste[u], of_item["embedding"] or [0.0] * 16))
    found += float(users.effect[u] + items.effect[i])
    found += effect(shop_world.PRESTIGE_LIKING, shop_world.TIERS, tier) * float(items.prestige[i])
    found -= effect(shop_world.PRICE_SENSITIVITY, shop_world.TIERS, tier) * z
    found += shop_visits.FRESH_ITEM * np.exp(-age / shop_visits.FRESH_ITEM_DAYS)
    if signed_up is not None:
        tenure = (time - signed_up).total_seconds() / 86_400
        assert tenure > 0
        found += shop_visits.FRESH_USER * np.exp(-tenure / shop_visits.FRESH_USER_DAYS)
    return float(found)


def test_null_values_have_no_effect() -> None:
    made = shop.Shop(replace(SMALL, items=3000), SEED)
    users, items = made.users()[0], made.items()[0]
    assert all(users[name].null_count() > 0 for name in USERS[1:5])
    assert all(items[name].null_count() > 0 for name in ("price", "brand", "embedding"))
    nobody = users["attribute"].is_null().to_numpy()
    assert (made.world.users.effect[nobody] == 0).all()
    unbranded = items["brand"].is_null().to_numpy()
    assert (made.world.items.effect[unbranded] == 0).all()
    assert (made.world.items.prestige[unbranded] == 0).all()
    assert (made.world.items.cost[items["price"].is_null().to_numpy()] == 0).all()


def test_brands_are_long_tailed_prices_log_normal_and_categories_multi_valued() -> None:
    items = shop.Shop(replace(SMALL, items=5000), SEED).items()[0]
    brands = items["brand"].drop_nulls().value_counts(sort=True)["count"].to_numpy()
    assert brands[:20].sum() > 0.5 * brands.sum()
    assert (brands < 10).sum() > 50
    logarithm = items["price"].drop_nulls().log().to_numpy()
    skew = float(((logarithm - logarithm.mean()) ** 3).mean() / logarithm.std() ** 3)
    assert abs(skew) < 0.5
    assert set(items["categories"].list.len().unique()) == {1, 2, 3}
    length = items["embedding"].drop_nulls().list.len()
    assert (length == shop_world.EMBEDDING).all()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_new_items_appear_after_their_creation(share: float) -> None:
    settings = replace(SMALL, new_item_share=share)
    items = shop.Shop(settings, SEED).items()[0]
    late = items.filter(pl.col("created_at").dt.epoch("ms") >= START_MS)
    assert late.height == round(share * settings.items)
    log = logged(settings)[0].join(items, on="item_id")
    assert (log["time"] > log["created_at"]).all()
    assert (log["item_id"].is_in(late["item_id"].implode())).any() == (share > 0)


@pytest.mark.parametrize("kind", RawFormat)
def test_the_raw_files_hold_the_columns_of_a_log_and_nothing_of_the_truth(
    kind: RawFormat, tmp_path: Path
) -> None:
    counts = shop.write(tmp_path, SMALL, SEED, kind)
    assert {path.name for path in tmp_path.iterdir()} == {"raw", "truth", "mapping.json"}
    assert {path.name for path in (tmp_path / "raw").iterdir()} == {
        "users", "items", "impressions",
    }  # fmt: skip
    log, truth = logged(SMALL)
    for name, columns in (("users", USERS), ("items", ITEMS), ("impressions", LOG)):
        assert read(tmp_path / "raw" / name, kind).columns == columns
    written = read(tmp_path / "raw/impressions", kind).sort("impression_id")
    keep = pl.exclude("time")
    assert_frame_equal(written.select(keep), log.sort("impression_id").select(keep))
    aside = read(tmp_path / "truth/impressions", RawFormat.PARQUET)
    assert_frame_equal(aside.sort("impression_id"), truth.sort("impression_id"))
    assert counts["impressions"] == log.height
    assert counts["clicks"] == log["clicked"].sum()
    entry = json.loads((tmp_path / "truth/parameters.json").read_text())
    assert entry["settings"]["positive_rate"] == SMALL.positive_rate
    assert entry["seed"] == SEED


def read(folder: Path, kind: RawFormat) -> pl.DataFrame:
    if kind is RawFormat.PARQUET:
        return pl.concat([pl.read_parquet(path) for path in sorted(folder.glob("*.parquet"))])
    return pl.concat([pl.read_ndjson(path) for path in sorted(folder.glob("*.jsonl"))])


def test_both_formats_give_the_same_data_version(tmp_path: Path) -> None:
    found = []
    for kind in RawFormat:
        folder = tmp_path / kind
        shop.write(folder, SMALL, SEED, kind)
        of = Format(kind)
        found.append(
            ingest.ingest_and_check(
                folder / "raw",
                folder / "lake",
                kind=of,
                mapping=parse_mapping(f"@{folder}/mapping.json", of),
                max_quarantined_share=0.0,
            )
        )
    assert found[0] == found[1]
    assert found[0].rows == SMALL.impressions


def test_no_part_of_the_log_is_larger_than_its_sessions_allow(
    large: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    most = shop.CHUNK_SESSIONS * shop_visits.MAX_VIEWS * SLOTS
    sizes = [part.log.height for part in shop.Shop(replace(LARGE, days=1), SEED).impressions()]
    assert len(sizes) > 3
    assert max(sizes) <= most
    assert sum(sizes) == large[0].height


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"users": 0}, "users=0 must be 1 or more"),
        ({"items": 59}, "items=59 must be 60 or more"),
        ({"impressions": 0}, "impressions=0 must be 1 or more"),
        ({"days": 0}, "days=0 must be 1 or more"),
        ({"positive_rate": 0.02}, "positive_rate=0.02 must be from 0.001 to 0.01"),
        ({"positive_rate": float("nan")}, "positive_rate=nan must be from"),
        ({"new_item_share": 0.6}, "new_item_share=0.6 must be from 0 to 0.5"),
        ({"drift": Drift("brand", 1)}, "drift='brand' must be one of device, loyalty_tier"),
        ({"drift": Drift("device", 28)}, "drift day=28 must be from 0 to 27, the last day"),
        ({"broken": Broken("colour", 1)}, "broken='colour' must be one of attribute, brand"),
        ({"broken": Broken("price", -1)}, "broken day=-1 must be from 0 to 27"),
    ],
)
def test_invalid_settings_are_refused_with_field_value_and_remedy(
    wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        Settings(**wrong)
    assert caught.value.reason == "InvalidShop"
