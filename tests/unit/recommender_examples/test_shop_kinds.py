"""A shop with lists, vectors and times: each adds to the logit what its table says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from recommender_examples import shop
from recommender_examples.shop_kinds import KINDS
from tests.unit.recommender_examples.shop_logs import (
    LARGE,
    SEED,
    SMALL,
    ingested,
    logged,
    of_shop,
)

CONTEXT, USERS = ["basket", "query"], ["interests", "profile", "born_on"]
PARTS = [f"of_{kind}" for kind in KINDS]
#: Standard errors within which chance keeps.
CHANCE = 5.0


@pytest.fixture(scope="module")
def small() -> tuple[shop.Shop, pl.DataFrame, pl.DataFrame]:
    made = shop.Shop(SMALL, SEED, all_kinds=True)
    return made, *of_shop(made)


def test_all_kinds_change_the_clicks_of_a_shop_and_nothing_else(
    small: tuple[shop.Shop, pl.DataFrame, pl.DataFrame],
) -> None:
    made, log, truth = small
    plain = shop.Shop(SMALL, SEED)
    assert_frame_equal(plain.users()[0], made.users()[0].drop(USERS))
    assert_frame_equal(plain.items()[0], made.items()[0])
    known, of_known = logged(SMALL)
    outcome = ["clicked", "revenue"]
    assert_frame_equal(known.drop(outcome), log.drop(*outcome, *CONTEXT))
    assert not known["clicked"].equals(log["clicked"])
    before = of_known["logit"] - plain.intercept
    after = truth["logit"] - truth.select(pl.sum_horizontal(PARTS)).to_series() - made.intercept
    alone = ~(after_a_click(known) | after_a_click(log))
    assert alone.sum() > log.height / 2
    np.testing.assert_allclose(before.filter(alone), after.filter(alone), atol=1e-5)


def after_a_click(log: pl.DataFrame) -> pl.Series:
    """Whether a session has a click: its later pages then have more of them."""
    return log.select(pl.col("clicked").any().over("session_id")).to_series()


def test_a_seed_gives_the_same_lists_and_vectors_and_another_seed_others(
    small: tuple[shop.Shop, pl.DataFrame, pl.DataFrame],
) -> None:
    made, log, truth = small
    again, other = (shop.Shop(SMALL, seed, all_kinds=True) for seed in (SEED, SEED + 1))
    assert_frame_equal(made.users()[0], again.users()[0])
    for found, same in zip((log, truth), of_shop(again), strict=True):
        assert_frame_equal(found, same)
    assert not made.users()[0]["interests"].equals(other.users()[0]["interests"])
    assert not log["basket"].equals(of_shop(other)[0]["basket"])


def test_the_parts_follow_from_the_columns_of_the_log_by_the_table(
    small: tuple[shop.Shop, pl.DataFrame, pl.DataFrame],
) -> None:
    made, log, truth = small
    rows = log.join(made.users()[0], on="user_id", maintain_order="left")
    rows = rows.join(made.items()[0], on="item_id", maintain_order="left")
    every = 6  # of the days, Saturday and Sunday are the last ones
    expected = [expected_parts(row) for row in rows.gather_every(every).iter_rows(named=True)]
    found = truth.select(PARTS).gather_every(every).rows()
    np.testing.assert_allclose(
        found, [[each[kind] for kind in KINDS] for each in expected], atol=1e-5
    )
    assert np.abs(found).max(axis=0).min() > 0.3, "each kind adds something"


def expected_parts(row: Mapping[str, Any]) -> dict[str, float]:
    """What each kind adds to the logit of an impression, from the log and both tables."""
    local: datetime = row["time"].astimezone(ZoneInfo("Asia/Kolkata"))
    categories, embedding = set(row["categories"]), row["embedding"] or [0.0] * 16
    weekend = local.weekday() >= 5
    outdoor = categories & {"camping", "cycling", "garden", "running", "travel"}
    born = row["born_on"]
    return {
        "interests": 1.0 if categories & set(row["interests"] or ()) else 0.0,
        "profile": 2.0 * float(np.dot(embedding, row["profile"] or [0.0] * 16)),
        "birth_month": {1: 0.8, 2: 0.4, 12: 0.4}.get(born.month, 0.0) if born else 0.0,
        "basket": 1.0 if categories & set(row["basket"] or ()) else 0.0,
        "query": 2.0 * float(np.dot(embedding, row["query"] or [0.0] * 16)),
        "hour": of_hour(local.hour),
        "weekday": {4: 0.3, 5: 0.6, 6: 0.6}.get(local.weekday(), 0.0)
        + (0.8 if weekend and outdoor else 0.0),
    }


def of_hour(hour: int) -> float:
    if hour < 7:
        return -0.8
    if hour in (12, 13):
        return 0.5
    return 0.8 if hour in (20, 21, 22) else 0.0


def test_clicks_follow_the_truth_wherever_a_kind_adds_much_or_little() -> None:
    settings = replace(LARGE, positive_rate=0.01)
    log, truth = of_shop(shop.Shop(settings, SEED, all_kinds=True))
    assert truth["probability"].mean() == pytest.approx(0.01, rel=0.1)
    for part in PARTS:
        for more in (True, False):
            rows = (truth[part] > truth[part].mean()) == more
            expected = float(truth["probability"].filter(rows).sum())
            clicked = int(log["clicked"].filter(rows).sum())
            assert abs(clicked - expected) < CHANCE * np.sqrt(expected), part


def test_lists_are_of_one_session_and_have_some_nulls(
    small: tuple[shop.Shop, pl.DataFrame, pl.DataFrame],
) -> None:
    made, log, _ = small
    for column in CONTEXT:
        of_session = log.group_by("session_id").agg(pl.col(column).n_unique())
        assert (of_session[column] == 1).all()
        assert 0.2 < log[column].null_count() / log.height < 0.4
    users = made.users()[0]
    assert all(0.02 < users[name].null_count() / users.height < 0.2 for name in USERS)
    assert set(users["interests"].drop_nulls().list.len().unique()) == {1, 2, 3, 4}
    assert set(log["basket"].drop_nulls().list.len().unique()) == {1, 2, 3}
    assert (
        users["interests"].drop_nulls().list.n_unique()
        == users["interests"].drop_nulls().list.len()
    ).all()


def test_the_mapping_declares_every_kind_and_takes_every_row(tmp_path: Path) -> None:
    settings = replace(SMALL, impressions=1200)
    shop.write(tmp_path, settings, SEED, all_kinds=True)
    data = ingested(tmp_path)
    assert {*KINDS} < {each.name for each in data.attributes}
    assert len(data.events) == settings.impressions
    parameters = json.loads((tmp_path / "truth/parameters.json").read_text())
    assert parameters["all_kinds"] is True
