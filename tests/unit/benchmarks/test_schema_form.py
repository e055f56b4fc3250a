"""The fit of the true form has the form of the truth, and needs the clicks to know its values."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from recommender_examples.shop import Shop
from recommender_examples.shop_settings import Settings
from recommender_examples.shop_world import (
    ATTRIBUTE_SPREAD,
    BRAND_SPREAD,
    CLUSTER_TASTE,
    CLUSTERS,
    COMMON_TASTE,
    EMBEDDING,
    PRIVATE_TASTE,
    REGION_TASTE,
    REGIONS,
    TIERS,
    attribute_count,
    brand_count,
)
from tests.benchmarks import schema_form
from tests.benchmarks.schema_gap import by_rows, gaps, interval

SMALL = Settings(users=120, items=90, impressions=4000, days=6, positive_rate=0.01)


@pytest.fixture(scope="module")
def shop() -> tuple[Shop, pl.DataFrame, pl.DataFrame]:
    """A shop, its log and the truth, by time."""
    made = Shop(SMALL, 3)
    parts = list(made.impressions())
    log, truth = (pl.concat([getattr(part, name) for part in parts]) for name in ("log", "truth"))
    return made, log.sort("time", "impression_id"), truth.sort("time", "impression_id")


def test_the_columns_explain_all_of_the_true_logit_but_private_tastes(
    shop: tuple[Shop, pl.DataFrame, pl.DataFrame],
) -> None:
    made, log, truth = shop
    columns = schema_form.design(made.world, schema_form.known(made.world, log)).toarray()
    logit = truth["logit"].to_numpy()
    with_intercept = np.column_stack([np.ones(len(logit)), columns]).astype(np.float64)
    fitted = np.linalg.lstsq(with_intercept, logit, rcond=None)[0]
    rest = logit - with_intercept @ fitted
    assert rest.std() < PRIVATE_TASTE / 4 * 1.2  # embeddings have 16 numbers and length 1
    without_time = np.linalg.lstsq(with_intercept[:, :-4], logit, rcond=None)[0]
    assert (logit - with_intercept[:, :-4] @ without_time).std() > 3 * rest.std()


def test_the_priors_have_the_deviations_that_generated_the_effects(
    shop: tuple[Shop, pl.DataFrame, pl.DataFrame],
) -> None:
    made, log, _ = shop
    world = made.world
    columns = schema_form.design(world, schema_form.known(world, log)).toarray()
    widths = [
        (COMMON_TASTE / 4, EMBEDDING),  # embeddings have 16 numbers and length 1
        (REGION_TASTE / 4, EMBEDDING * len(REGIONS)),
        (CLUSTER_TASTE / 4, EMBEDDING * CLUSTERS),
        (1.0, 2 * (len(TIERS) + 1)),  # prestige and price, whose effects are given as numbers
        (BRAND_SPREAD, brand_count(world.settings)),
        (ATTRIBUTE_SPREAD, attribute_count(world.settings)),
    ]
    starts = np.cumsum([0, *(width for _, width in widths)])
    for start, (spread, width) in zip(starts, widths, strict=False):
        deviation = np.linalg.norm(columns[:, start : start + width], axis=1)
        known = deviation[deviation > 0]  # null has no effect, and guests have no region
        assert len(known) > len(columns) / 3
        if spread < 1:
            np.testing.assert_allclose(known, spread, rtol=1e-5)


def test_the_fit_ends_where_the_penalised_likelihood_is_flat(
    shop: tuple[Shop, pl.DataFrame, pl.DataFrame],
) -> None:
    made, log, _ = shop
    columns = schema_form.design(made.world, schema_form.known(made.world, log))
    clicked = log["clicked"].to_numpy()
    model = schema_form.mode(columns, clicked)
    ahead = model.predict_proba(columns)[:, 1] - clicked
    assert abs(ahead.sum()) < 1e-4
    assert np.abs(columns.T @ ahead + model.coef_[0]).max() < 1e-4


def test_a_fit_sees_the_clicks_of_training_rows_alone(
    shop: tuple[Shop, pl.DataFrame, pl.DataFrame],
) -> None:
    made, log, _ = shop
    train = np.arange(log.height) < log.height * 2 // 3
    # A page's last click is an earlier one, so the clicks of the last pages change nothing else.
    last = pl.col("time") == log["time"].max()
    late = log.with_columns(clicked=pl.col("clicked") ^ last)
    one, other = (schema_form.fit(made.world, each, train) for each in (log, late))
    np.testing.assert_allclose(one, other)
    early = log.with_columns(clicked=pl.col("clicked") ^ (pl.col("slot_position") == 6))
    assert not np.allclose(one, schema_form.fit(made.world, early, train))


def test_the_gap_of_the_truth_is_zero_and_is_reported_by_the_number_of_impressions() -> None:
    truth = np.array([0.1, 0.2, 0.4, 0.3])
    found = gaps(truth, {"ranker": -truth, "true_form": 2 * truth})
    assert found["true_form"] == 0.0
    assert found["ranker"] > 0.0
    told = [
        {"impressions": rows, "auc_gap": {"ranker": 10 * rows + seed}}
        for rows in (1, 2)
        for seed in (1, 3, 2)
    ]
    assert by_rows(told, (1, 2))["2"] == {"ranker": {"median": 22, "least": 21, "most": 23}}


def test_the_interval_of_a_gap_is_about_it_and_that_of_the_truth_is_zero() -> None:
    random = np.random.default_rng(0)
    user = np.repeat(np.arange(300), 10)
    truth = random.uniform(0.001, 0.1, 3000)
    guess = truth * np.exp(random.normal(0.0, 0.5, 3000))
    assert interval(truth, 2 * truth, user) == (0.0, 0.0)
    ends = interval(truth, guess, user)
    assert ends is not None
    assert ends[0] < gaps(truth, {"ranker": guess})["ranker"] < ends[1]
    assert ends[0] > 0.0
    assert interval(truth[:90], guess[:90], user[:90]) is None
