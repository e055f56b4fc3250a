"""Vectors of the items that a batch names, and of the whole table."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from recommender_training.data.id_rows import IdRows
from recommender_training.features.item_content import Content
from recommender_training.models import item_vectors
from recommender_training.models.embedding_lookup import IdLookup
from recommender_training.models.item_vectors import ItemContent, named_rows, whole_table

ITEMS, CATEGORIES, NUMBERS, WIDTH = 7, 5, 3, 4


def content(seed: int, listed: int = 2, numbers: int = NUMBERS) -> Content:
    """Random content of ITEMS items, of which some places are empty."""
    draw = torch.Generator().manual_seed(seed)
    places = torch.randint(CATEGORIES, (ITEMS, listed), generator=draw)
    shares = torch.rand(ITEMS, listed, generator=draw)
    shares[shares < 0.3] = 0.0
    found = torch.randn(ITEMS, numbers, generator=draw)
    return Content(places, shares, found, CATEGORIES, CATEGORIES + numbers)


def as_matrix(known: Content) -> Tensor:
    """[I + 1, columns] the same as a dense matrix, with a row of zeros for the unknown item."""
    dense = torch.zeros(ITEMS + 1, known.columns)
    dense[1:].scatter_add_(1, known.places, known.shares)
    dense[1:, known.start : known.start + known.numbers.shape[1]] = known.numbers
    return dense


@given(
    rows=st.lists(st.integers(0, ITEMS), max_size=20),
    listed=st.integers(0, 3),
    numbers=st.integers(0, 3),
)
def test_content_of_named_rows_is_that_of_the_dense_matrix_with_the_same_gradient(
    rows: list[int], listed: int, numbers: int
) -> None:
    known = content(len(rows), listed, numbers)
    ours = torch.randn(known.columns, WIDTH, requires_grad=True)
    theirs = ours.detach().clone().requires_grad_()
    at = torch.tensor(rows, dtype=torch.int64)
    found, expected = ItemContent(known)(at, ours), as_matrix(known)[at] @ theirs
    torch.testing.assert_close(found, expected)
    (gradient,) = torch.autograd.grad(found.square().sum() + 0 * ours.sum(), ours)
    (wanted,) = torch.autograd.grad(expected.square().sum(), theirs)
    torch.testing.assert_close(gradient, wanted)


@given(
    count=st.integers(1, 30),
    one=st.lists(st.integers(0, 1000), min_size=1, max_size=6),
    two=st.lists(st.lists(st.integers(0, 1000), min_size=3, max_size=3), max_size=4),
)
def test_each_name_is_found_among_no_more_rows_than_names_or_than_the_table_has(
    count: int, one: list[int], two: list[list[int]]
) -> None:
    named = (torch.tensor(one) % count, torch.tensor(two, dtype=torch.int64).view(-1, 3) % count)
    rows, places = named_rows(count, *named)
    assert len(rows) == min(count, sum(each.numel() for each in named))
    for place, each in zip(places, named, strict=True):
        assert torch.equal(rows[place], each)


def test_the_whole_table_in_blocks_is_that_of_one_block() -> None:
    known, table = ItemContent(content(1)), torch.randn(ITEMS + 1, WIDTH)
    own = IdLookup(IdRows.own(ITEMS))
    weights = torch.randn(CATEGORIES + NUMBERS, WIDTH)
    expected = table + as_matrix(content(1)) @ weights
    torch.testing.assert_close(whole_table(table, weights, known, own), expected)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(item_vectors, "_BLOCK", 3)
        torch.testing.assert_close(whole_table(table, weights, known, own), expected)


def test_an_item_is_hidden_wherever_a_batch_names_it() -> None:
    torch.manual_seed(0)
    rows = torch.arange(1000).repeat(2)
    hidden = item_vectors.hidden_ids(rows, 1000)
    assert torch.equal(hidden[:1000], hidden[1000:])
    assert ((hidden == 0) | (hidden == rows)).all()
    assert 0.05 < float((hidden == 0).float().mean()) < 0.15


def test_the_content_is_no_part_of_a_state() -> None:
    assert not ItemContent(content(1)).state_dict()


@given(seed=st.integers(0, 10_000), start=st.integers(1, 1_000_000))
def test_an_item_is_hidden_wherever_a_batch_names_it_whatever_the_catalogue(
    seed: int, start: int
) -> None:
    torch.manual_seed(seed)
    rows = torch.arange(start, start + 2000).view(20, 100)
    hidden = item_vectors.hidden_names(torch.cat([rows, rows]))
    assert torch.equal(hidden[:20], hidden[20:])
    assert ((hidden == 0) | (hidden == torch.cat([rows, rows]))).all()
    assert 0.05 < float((hidden == 0).float().mean()) < 0.15


def test_each_batch_hides_other_items() -> None:
    torch.manual_seed(0)
    rows = torch.arange(1, 2001)
    one, other = (item_vectors.hidden_names(rows) == 0 for _ in range(2))
    assert 0 < int((one & other).sum()) < 60  # a hundredth by chance


def test_times_are_not_made_for_items_without_a_history(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> Tensor:
        raise AssertionError

    monkeypatch.setattr(item_vectors, "times_of", refused)
    known, weights = content(1), torch.randn(CATEGORIES + NUMBERS, WIDTH)
    found = ItemContent(known).of_names(torch.tensor([[0, 1]]), weights, torch.tensor([5]))
    assert found.shape == (1, 2, WIDTH)
