"""Taste is told by strictly earlier events alone, and is the ridge solution that it claims."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.data.dataset import Events
from recommender_training.features import event_history, graph, user_factors

LENGTH, ITEMS = 4, 6
FIRST, GROWTH = 4, 2.0  # so that few events make several fits

event = st.tuples(
    st.integers(0, 2),
    st.integers(0, ITEMS - 1),
    st.sampled_from([1.0, 3.0, 4.0, 5.0]),
    st.integers(1000, 1012),  # few seconds, so that many events share one
)
Rows = list[tuple[int, int, float, int]]


def events_of(rows: Rows) -> Events:
    user, item, value, time = (np.array(column) for column in zip(*rows, strict=True))
    order = np.lexsort((item, user, time))
    return Events(
        user[order].astype(np.int64),
        item[order].astype(np.int64),
        value[order].astype(np.float32),
        time[order].astype(np.int64),
    )


def numbers_of(events: Events) -> torch.Tensor:
    rows = event_history.previous_events(events, LENGTH)
    return user_factors.rolling_numbers(events, rows, ITEMS, FIRST, GROWTH)


@given(
    rows=st.lists(event, min_size=6, max_size=20),
    later=st.lists(event, min_size=1, max_size=12),
    cut=st.integers(1003, 1012),
)
def test_no_taste_changes_when_later_or_simultaneous_events_are_added(
    rows: Rows, later: Rows, cut: int
) -> None:
    early = [row for row in rows if row[3] <= cut] or [(0, 0, 4.0, cut)]
    added = [(user, item, value, max(time, cut)) for user, item, value, time in later]
    before, after = events_of(early), events_of(early + added)
    keys = list(zip(after.user, after.item, after.value, after.time, strict=True))
    places = [
        keys.index(key)
        for key in zip(before.user, before.item, before.value, before.time, strict=True)
    ]
    torch.testing.assert_close(numbers_of(before), numbers_of(after)[places], rtol=1e-4, atol=1e-5)


def test_the_property_is_not_empty() -> None:
    rows = [(n % 3, n % ITEMS, float(1 + n % 5), 1000 + n) for n in range(20)]
    numbers = numbers_of(events_of(rows))
    assert user_factors.fit_times(events_of(rows), FIRST, GROWTH) == [1004, 1008, 1016]
    assert not numbers[:5].any(), "nothing is known before the first fit, nor in its second"
    assert numbers[5:].any(1).all()


def test_a_row_takes_the_newest_fit_before_it() -> None:
    random = np.random.default_rng(0)
    rows = [
        (int(random.integers(3)), int(random.integers(ITEMS)), float(random.integers(1, 6)), n)
        for n in range(30)
    ]
    events = events_of(rows)
    past = event_history.previous_events(events, LENGTH)
    numbers = user_factors.rolling_numbers(events, past, ITEMS, FIRST, GROWTH)
    for row, fitted in ((5, 4), (8, 4), (9, 8), (16, 8), (17, 16), (29, 16)):
        model = user_factors.fit_before(events, fitted, ITEMS, FIRST)
        centre, bias, factors = model.tensors()
        at = past[row][past[row] >= 0]
        vector = graph.taste_vector(
            torch.from_numpy(events.item[at])[None],
            torch.ones(1, len(at), dtype=torch.bool),
            torch.from_numpy(events.value[at])[None],
            centre,
            bias,
            factors,
        )
        own = int(events.item[row])
        expected = graph.taste_numbers(vector, bias[[own]], factors[[own]])
        torch.testing.assert_close(numbers[row], expected[0])


def test_numbers_of_some_rows_are_those_among_all() -> None:
    random = np.random.default_rng(4)
    drawn = random.integers([0, 1], [ITEMS, 6], (30, 2)).tolist()
    events = events_of([(n % 3, item, float(value), n) for n, (item, value) in enumerate(drawn)])
    past, some = event_history.previous_events(events, LENGTH), np.array([3, 7, 8, 9, 20, 29])
    found = user_factors.rolling_numbers(events, past[some], ITEMS, FIRST, GROWTH, rows=some)
    assert found.any()
    torch.testing.assert_close(found, numbers_of(events)[some])


def test_the_vector_is_the_ridge_solution_of_the_known_events() -> None:
    random = np.random.default_rng(3)
    bias = random.normal(size=ITEMS).astype(np.float32)
    factors = random.normal(size=(ITEMS, 4)).astype(np.float32)
    items, values = np.array([[5, 2, -1, 0, 3]]), np.array([[5.0, 1.0, 4.0, 0.0, 2.0]])
    present = np.array([[True, True, True, True, False]])  # unknown item, unknown value, absent
    found = graph.taste_vector(
        torch.from_numpy(items),
        torch.from_numpy(present),
        torch.from_numpy(values).float(),
        torch.tensor(3.5),
        torch.from_numpy(bias),
        torch.from_numpy(factors),
    )
    basis, rest = factors[[5, 2]], np.array([5.0, 1.0]) - 3.5 - bias[[5, 2]]
    expected = np.linalg.solve(basis.T @ basis + np.eye(4), basis.T @ rest)
    np.testing.assert_allclose(found[0].numpy(), expected, rtol=1e-4, atol=1e-5)
    numbers = graph.taste_numbers(
        found, torch.from_numpy(bias[[1]]), torch.from_numpy(factors[[1]])
    )
    assert float(numbers[0, 0]) == pytest.approx(bias[1] + float(expected @ factors[1]), abs=1e-4)
    torch.testing.assert_close(numbers[:, 0], numbers[:, 1:].sum(1))


def test_an_empty_session_leaves_the_items_alone() -> None:
    model = user_factors.no_factors(ITEMS)
    centre, _, factors = model.tensors()
    bias = torch.arange(float(ITEMS))
    vector = graph.taste_vector(
        torch.tensor([[-1]]),
        torch.tensor([[False]]),
        torch.tensor([[0.0]]),
        centre,
        bias,
        factors + 1,
    )
    numbers = graph.taste_numbers(vector.unsqueeze(1), bias, factors + 1)
    assert torch.equal(numbers[0, :, 0], bias)
    assert not numbers[0, :, 2:].any()


def test_it_finds_who_likes_what() -> None:
    """Two groups of users with opposite tastes for two groups of items."""
    random = np.random.default_rng(1)
    user = np.repeat(np.arange(60), 12)
    item = np.concatenate([random.permutation(20)[:12] for _ in range(60)])
    value = np.where((user % 2) == (item % 2), 5.0, 1.0).astype(np.float32)
    events = Events(user, item, value, np.arange(len(user)))
    centre, bias, factors = user_factors.fit_before(events, None, 20).tensors()
    vector = graph.taste_vector(
        torch.tensor([[0, 2, 1]]),
        torch.ones(1, 3, dtype=torch.bool),
        torch.tensor([[5.0, 5.0, 1.0]]),
        centre,
        bias,
        factors,
    )
    expected = graph.taste_numbers(vector.unsqueeze(1), bias, factors)[0, :, 0]
    assert float(expected[4::2].min()) > float(expected[3::2].max()) + 0.5


def test_a_fit_reads_no_more_than_its_newest_events(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(n % 3, n % ITEMS, 1.0 if n < 20 else 4.0, 1000 + n) for n in range(40)]
    monkeypatch.setattr(user_factors, "MAX_EVENTS", 20)
    assert user_factors.fit_before(events_of(rows), None, ITEMS, FIRST).centre == 4


def test_fits_keep_the_items_with_events_alone_and_answer_as_whole_ones() -> None:
    random = np.random.default_rng(3)
    rows = [
        (int(random.integers(9)), int(random.integers(900)), float(random.integers(1, 6)), n // 3)
        for n in range(300)
    ]
    events = events_of(rows)
    fits = user_factors.RollingFits.of(events, 1000, 20, 2.0)
    assert len(fits.bias) < 2 + 300 * len(fits.times)
    assert fits.times[0] == 6, "18 events are before it, too few for a fit"
    past = event_history.previous_events(events, LENGTH)
    found = fits.numbers(events, np.arange(300), past)
    for row in range(300):
        before = fits.times[fits.times < events.time[row]]
        time = int(before[-1]) if len(before) else -1
        own = user_factors.fit_before(events, time, 1000, 20).tensors()
        used = past[row : row + 1]
        at = np.where(used >= 0, used, 0)
        vector = graph.taste_vector(
            torch.from_numpy(events.item[at]),
            torch.from_numpy(used >= 0),
            torch.from_numpy(events.value[at]),
            *own,
        )
        item = events.item[row : row + 1]
        expected = graph.taste_numbers(vector, own[1][item], own[2][item])
        torch.testing.assert_close(found[row : row + 1], expected, atol=1e-5, rtol=1e-5)
