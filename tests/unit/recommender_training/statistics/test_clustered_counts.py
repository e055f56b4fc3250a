"""Counts over users add up in any order, and say what their variance over users is."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.statistics import two_samples
from recommender_training.statistics.clustered_counts import Counts

#: User, cell and bin of each row.
ROWS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2), st.integers(0, 3)), max_size=60)


def counts(rows: Sequence[tuple[int, int, int]]) -> Counts:
    user, cell, place = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return Counts.of(user, cell, place, (3, 4))


@given(ROWS, st.sets(st.integers(0, 9)), st.randoms(use_true_random=False))
def test_parts_of_the_users_add_up_to_the_whole_in_any_order(rows, first, random) -> None:  # type: ignore[no-untyped-def]
    part = [row for row in rows if row[0] in first]
    rest = [row for row in rows if row[0] not in first]
    whole = counts(rows).to_json()
    random.shuffle(rows)
    assert counts(rows).to_json() == whole
    assert (counts(part) + counts(rest)).to_json() == whole
    assert (counts(rest) + counts(part)).to_json() == whole


@given(ROWS)
def test_a_file_keeps_them(rows) -> None:  # type: ignore[no-untyped-def]
    content = counts(rows).to_json()
    assert Counts.read(json.loads(json.dumps(content))).to_json() == content


def test_a_cell_below_zero_is_left_out() -> None:
    assert counts([(1, -1, 0), (2, 0, 1)]).to_json() == counts([(2, 0, 1)]).to_json()


@given(ROWS.filter(lambda rows: len({user for user, _, _ in rows}) > 1))
def test_the_error_of_a_share_is_that_over_users(rows) -> None:  # type: ignore[no-untyped-def]
    found = counts([(user, 0, place % 2) for user, _, place in rows])
    users = sorted({user for user, _, _ in rows})
    own = [[place % 2 for each, _, place in rows if each == user] for user in users]
    counted, hits = (
        np.array(each, dtype=float) for each in zip(*((len(o), sum(o)) for o in own), strict=True)
    )
    value, error = found.rank(0)
    assert value == pytest.approx(hits.sum() / counted.sum())
    assert error == pytest.approx(two_samples.ratio_error(counted, hits), abs=1e-9)
    assert found.users[0] == len(users)


def test_rows_of_one_user_are_worth_little_more_than_one() -> None:
    """Fifty users who always do the same: ten rows of each are fifty, not five hundred."""
    alike = [(user, 0, user % 4) for user in range(50) for _ in range(10)]
    assert 25 < counts(alike).effective(0).sum() <= 50
    single = [(user, 0, user % 4) for user in range(500)]
    assert 300 < counts(single).effective(0).sum() <= 500


def test_means_of_few_users_need_more_than_the_normal_distribution_asks_for() -> None:
    many = two_samples.means_differ((0.0, 0.5, 1e6), (1.4, 0.5, 1e6))
    assert many == pytest.approx(math.erfc(1.4 / math.hypot(0.5, 0.5) / math.sqrt(2)), rel=1e-3)
    assert two_samples.means_differ((0.0, 0.5, 6), (1.4, 0.5, 6)) > many
    assert two_samples.means_differ((1.0, 0.0, 5), (1.0, 0.0, 5)) == 1.0
    assert two_samples.means_differ((1.0, 0.0, 5), (2.0, 0.0, 5)) == 0.0
