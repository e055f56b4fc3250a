"""A drift changes the distribution, a broken feature only the log."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from recommender_examples import shop
from recommender_examples.shop_settings import (
    DRIFTING,
    OF_IMPRESSIONS,
    OF_ITEMS,
    OF_USERS,
    Broken,
    Defect,
    Drift,
)
from recommender_examples.shop_world import DAY_MS, START_MS
from recommender_training.common.errors import InputError
from tests.unit.recommender_examples.shop_logs import LARGE, SEED, SMALL, day_of, logged

EVERY = {**OF_IMPRESSIONS, **OF_USERS, **OF_ITEMS}


@pytest.mark.parametrize("feature", DRIFTING)
def test_a_drift_changes_one_distribution_from_its_day_on(feature: str) -> None:
    plain, moved = (
        logged(replace(LARGE, impressions=30_000, drift=drift))[0]
        for drift in (None, Drift(feature, 4))
    )
    assert_frame_equal(
        plain.filter(day_of(plain) < 4).select(pl.exclude("clicked", "revenue")),
        moved.filter(day_of(moved) < 4).select(pl.exclude("clicked", "revenue")),
    )
    made = shop.Shop(LARGE, SEED)
    before, after = late_rows(made, plain), late_rows(made, moved)
    assert distance(shares(before, feature), shares(after, feature)) > 0.15
    for other in {*DRIFTING} - {feature}:
        assert distance(shares(before, other), shares(after, other)) < 0.1, other


def late_rows(made: shop.Shop, log: pl.DataFrame) -> pl.DataFrame:
    """The impressions of the last days with all that is known of user and item."""
    rows = log.filter(day_of(log) >= 4)
    return rows.join(made.users()[0], on="user_id").join(made.items()[0], on="item_id")


def shares(rows: pl.DataFrame, feature: str) -> dict[Any, float]:
    """Shares of a feature's values; of prices, of what is below 12, below 50 and above."""
    values = rows["price"].cut([12, 50]) if feature == "price" else rows[feature]
    return dict(values.value_counts(normalize=True).iter_rows())


def distance(one: dict[Any, float], other: dict[Any, float]) -> float:
    """Total variation."""
    names = {*one, *other}
    return sum(abs(one.get(name, 0.0) - other.get(name, 0.0)) for name in names) / 2


@pytest.mark.parametrize("defect", Defect)
@pytest.mark.parametrize("feature", EVERY)
def test_a_broken_feature_is_wrong_in_the_log_from_its_day_on_and_nowhere_else(
    feature: str, defect: Defect
) -> None:
    change = Broken(feature, 4, defect)
    if defect is Defect.WRONG_CATEGORY and not EVERY[feature]:
        with pytest.raises(InputError, match=f"broken='{feature}' must be one of .*brand"):
            replace(SMALL, broken=change)
        return
    plain, wrong = shop.Shop(SMALL, SEED), shop.Shop(replace(SMALL, broken=change), SEED)
    log, truth = logged(SMALL)
    sent, same = logged(wrong.settings)
    assert_frame_equal(truth, same)
    late = day_of(log) >= 4
    assert_frame_equal(log.filter(~late), sent.filter(~late))
    assert_frame_equal(log.drop(feature, strict=False), sent.drop(feature, strict=False))
    if feature in OF_IMPRESSIONS:
        assert_broken(log.filter(late)[feature], sent.filter(late)[feature], defect)
    for before, after, features in (
        (plain.users(), wrong.users(), OF_USERS),
        (plain.items(), wrong.items(), OF_ITEMS),
    ):
        assert_frame_equal(before[0], after[0])
        assert len(after) == 1 + (feature in features)
        for again in after[1:]:
            assert_frame_equal(
                before[0].drop(feature, "valid_from"), again.drop(feature, "valid_from")
            )
            assert (again["valid_from"].dt.epoch("ms") >= START_MS + 4 * DAY_MS).all()
            assert_broken(before[0][feature], again[feature], defect)


def assert_broken(right: pl.Series, sent: pl.Series, defect: Defect) -> None:
    assert sent.dtype == right.dtype
    if defect is Defect.NULL:
        assert sent.null_count() == len(sent)
        return
    assert sent.is_null().equals(right.is_null())
    assert not (sent == right).any()
