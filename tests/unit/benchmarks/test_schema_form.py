"""The fit of the true form has the form of the truth, and is told apart by what it lacks."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from recommender_training.samples.shop import Shop
from recommender_training.samples.shop_settings import Settings
from recommender_training.samples.shop_world import PRIVATE_TASTE
from tests.benchmarks import schema_form
from tests.benchmarks.schema_gap import by_rows, gaps

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
