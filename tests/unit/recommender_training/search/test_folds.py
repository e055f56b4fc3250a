"""No fold trains on later events than it validates on, and none sees the test window."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from recommender_training.common.errors import InputError
from recommender_training.data import splits
from recommender_training.data.dataset import Dataset, Events, Users
from recommender_training.data.item_columns import Listed
from recommender_training.data.items import Items
from recommender_training.search import folds


def data_of(times: list[int], liked: list[bool]) -> Dataset:
    count = len(times)
    zeros = np.zeros(count, dtype=np.int64)
    value = np.where(liked, 5.0, 1.0).astype(np.float32)
    events = Events(zeros, zeros, value, np.sort(np.array(times, dtype=np.int64)))
    none = np.zeros(1, dtype=np.int64)
    users = Users(none, np.zeros((1, 0), dtype=np.float32))
    items = Items(none, Listed.nothing(1))
    return Dataset(events, users, items)


@st.composite
def datasets(draw: Callable[..., object]) -> Dataset:
    count = draw(st.integers(10, 300))
    assert isinstance(count, int)
    last = draw(st.sampled_from([5, 60, 10_000]))
    seed = draw(st.integers(0, 2**32 - 1))
    assert isinstance(last, int)
    assert isinstance(seed, int)
    random = np.random.default_rng(seed)
    times = random.integers(0, last, count, endpoint=True)
    return data_of(times.tolist(), (random.random(count) < 0.5).tolist())


def split_of(data: Dataset) -> splits.Split:
    try:
        return splits.temporal(data.events)
    except InputError:
        assume(False)
        raise


def attempt(data: Dataset, count: int) -> tuple[tuple[splits.Split, ...], Dataset, str]:
    """The folds, the past, and the refusal where there are too few rows."""
    try:
        return *folds.of_past(data, count), ""
    except InputError as error:
        known = folds.past(data, splits.temporal(data.events).test_start)
        return (), known, f"{error.reason}: {error.message}"


@given(datasets(), st.integers(1, 5))
def test_folds_roll_forward_and_never_look_ahead(data: Dataset, count: int) -> None:
    split = split_of(data)
    found, known, refusal = attempt(data, count)
    assert refusal == "" or ("TooFewRows" in refusal and "training.search.folds" in refusal)
    time = data.events.time
    assert len(known.events) == int((time < split.test_start).sum())
    assert known.events.time.max() < split.test_start
    assert len(found) == (0 if refusal else count)
    for fold in found:
        assert time[fold.train].max() < fold.validation_start <= time[fold.validation].min()
        assert time[fold.validation].max() < fold.test_start <= split.test_start
        assert len(fold.test) == 0
        seen = time < fold.test_start
        both = np.concatenate([fold.train, fold.validation])
        assert sorted(both.tolist()) == np.flatnonzero(seen).tolist()
        assert not set(both.tolist()) & set(split.test.tolist())
    for before, after in itertools.pairwise(found):
        assert before.test_start == after.validation_start
        assert len(before.train) < len(after.train)
    for last in found[-1:]:
        assert last.train.tolist() == split.train.tolist()
        assert last.validation.tolist() == split.validation.tolist()


@given(datasets(), st.integers(1, 5), st.randoms(use_true_random=False))
def test_what_happens_in_the_test_window_changes_no_fold(
    data: Dataset, count: int, random: object
) -> None:
    split = split_of(data)
    other = Events(
        data.events.user, data.events.item, data.events.value.copy(), data.events.time.copy()
    )
    other.value[split.test] = 3.0
    other.value[split.test[0]] = 5.0
    other.time[split.test[1:]] += 1_000_000
    try:
        one = folds.rolling_origin(data.events, split, count)
    except InputError:
        return
    two = folds.rolling_origin(other, split, count)
    for mine, theirs in zip(one, two, strict=True):
        assert mine.train.tolist() == theirs.train.tolist()
        assert mine.validation.tolist() == theirs.validation.tolist()


def test_the_parts_have_about_the_size_of_the_validation_window() -> None:
    data = data_of(list(range(1000)), [True, False] * 500)
    found, _ = folds.of_past(data, 3)
    assert [(len(fold.train), len(fold.validation)) for fold in found] == [
        (600, 100), (700, 100), (800, 100),
    ]  # fmt: skip


def test_a_part_with_one_class_is_refused_with_the_fold_and_the_remedy() -> None:
    liked = [True, False] * 500
    liked[700:800] = [True] * 100
    with pytest.raises(InputError, match="validation part of fold 2 has 100 rows, 100 of them"):
        folds.of_past(data_of(list(range(1000)), liked), 3)


def test_more_folds_than_the_past_holds_are_refused() -> None:
    data = data_of(list(range(1000)), [True, False] * 500)
    with pytest.raises(InputError, match="are too few for 9 folds of 100 rows"):
        folds.of_past(data, 9)
