"""The collector's sums over users: estimates by definition, and answers that are none."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from recommender_collector.api.outcome_routes import shown
from recommender_collector.outcomes.outcome_sums import OutcomeSums, user_outcomes
from recommender_collector.store.outcome_store import Account
from recommender_operator.analysis.label_sums import closes_after, read_days
from tests.unit.recommender_operator.analysis.label_worlds import VERSION, Shop, body

USERS = [
    [(250_000, True), (30_000, False)],
    [(250_000, False), (710_000, True), (250_000, True)],
    [(1_000, False)],
]


def test_the_operator_reads_what_the_collector_answers() -> None:
    sums = OutcomeSums()
    for predictions in USERS:
        sums.add(user_outcomes((*each, 0) for each in predictions), 1)
    account = Account(1.8e9, {20_001: sums, 20_000: OutcomeSums()}, closes_after=4200)
    answer = shown(VERSION, account)
    assert closes_after(answer) == 4200
    days = read_days(answer, VERSION)
    assert list(days) == [20_001]
    found = days[20_001]
    assert (found.users, found.sums["predictions"], found.sums["labels"]) == (3, 6, 3)
    # By definition: the ratio of sums, and the variance of its residuals over users.
    gaps = np.array([sum(y - p / 1e6 for p, y in each) for each in USERS])
    counts = np.array([len(each) for each in USERS])
    mean = gaps.sum() / counts.sum()
    variance = ((gaps - mean * counts) ** 2).sum() / counts.sum() ** 2 * 3 / 2
    assert found.gap().mean == pytest.approx(mean)
    assert found.gap().variance == pytest.approx(variance)
    assert found.gap_of(7).mean == pytest.approx((2 - 0.75) / 3)
    assert found.loss == pytest.approx(
        -np.mean(np.log([0.25, 0.97, 0.75, 0.71, 0.25, 0.999])), abs=1e-5
    )


def test_a_label_that_is_no_outcome_has_no_days() -> None:
    assert read_days(shown(VERSION, None), VERSION) == {}


GOOD = body([Shop(users=20).day(np.random.default_rng(1))[0]])


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (["version"], "other", "version"),
        (["days"], {}, "days"),
        (["days"], [1], r"days\[0\]: not an object"),
        (["days"], [{}] * 1001, "at most 1000"),
        (["days", 0, "day"], -1, r"days\[0\].day"),
        (["days", 0, "day"], 100_000, r"days\[0\].day: out of range"),
        (["days", 0, "users"], True, "users: not a count"),
        (["days", 0, "users"], 1.5, "users: not a count"),
        (["days", 0, "sums"], None, "sums: not an object"),
        (["days", 0, "sums", "loss"], "1", "loss: not a number"),
        (["days", 0, "sums", "loss"], float("nan"), "loss: out of range"),
        (["days", 0, "sums", "loss"], 1e300, "loss: out of range"),
        (["days", 0, "products", "labels*labels"], None, "not a number"),
        (["days", 0, "bins"], [], "not a list of 10"),
        (["days", 0, "bins", 9, "gap*gap"], None, r"bins\[9\].gap"),
    ],
)
def test_what_is_no_answer_is_refused_by_field(path: list[Any], value: object, named: str) -> None:
    wrong = copy.deepcopy(GOOD)
    at: Any = wrong
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = value
    with pytest.raises(ValueError, match=named):
        read_days(wrong, VERSION)
