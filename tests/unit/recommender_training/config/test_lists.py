"""How lists are made follows the size of the catalogue, unless the settings say otherwise."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.resource.hyperparameters import LEAST_CANDIDATES, ItemIndex, ItemWeights
from recommender_training.artifact.vocabulary import MAX_TOP_N
from recommender_training.common.errors import InputError
from recommender_training.config import lists
from recommender_training.config.lists import plan
from recommender_training.config.training import parse_config


@given(items=st.integers(1, 10_000_000))
def test_a_default_list_has_more_candidates_than_a_request_may_ask_for(items: int) -> None:
    found = plan(items, ItemWeights.AUTO, None)
    assert found.weights in (ItemWeights.DENSE, ItemWeights.SPARSE)
    if items <= lists.ALL_ITEMS:
        assert found.candidates is None
    else:
        assert found.candidates is not None
        assert MAX_TOP_N < LEAST_CANDIDATES <= found.candidates < items


def test_a_small_catalogue_has_dense_weights_and_a_large_one_sparse_ones() -> None:
    assert plan(lists.DENSE_ITEMS, ItemWeights.AUTO, None).weights is ItemWeights.DENSE
    assert plan(lists.DENSE_ITEMS + 1, ItemWeights.AUTO, None).weights is ItemWeights.SPARSE
    assert plan(10, ItemWeights.SPARSE, None).weights is ItemWeights.SPARSE
    assert plan(10, None, None).weights is None


def test_as_many_candidates_as_items_are_every_item() -> None:
    assert plan(3_000, ItemWeights.AUTO, 3_000).candidates is None
    assert plan(3_001, ItemWeights.AUTO, 3_000).candidates == 3_000


def test_dense_weights_of_too_many_items_are_refused_with_the_setting_to_change() -> None:
    plan(lists.MAX_DENSE_ITEMS, ItemWeights.DENSE, None)
    with pytest.raises(InputError, match=r"itemWeights=Dense .* set it to Sparse") as caught:
        plan(lists.MAX_DENSE_ITEMS + 1, ItemWeights.DENSE, None)
    assert caught.value.reason == "CatalogueTooLarge"


def test_the_settings_name_weights_and_candidates() -> None:
    given_text = json.dumps({"hyperparameters": {"itemWeights": "Sparse", "candidates": 300}})
    found = parse_config(given_text).hyperparameters.list_plan(1_000)
    assert found.facts == {"itemWeights": "Sparse", "candidates": 300}
    towers = parse_config('{"hyperparameters": {"retrieval": "TwoTower"}}').hyperparameters
    assert towers.list_plan(1_000).facts == {"candidates": "All"}
    with pytest.raises(InputError, match="candidates=249"):
        parse_config('{"hyperparameters": {"candidates": 249}}')


def test_an_index_is_tried_beyond_a_million_items_or_where_it_is_set() -> None:
    auto, exact, forced = ItemIndex.AUTO, ItemIndex.EXACT, ItemIndex.APPROXIMATE
    sparse = ItemWeights.SPARSE
    assert plan(lists.EXACT_ITEMS, sparse, None, auto).index is exact
    assert plan(lists.EXACT_ITEMS + 1, sparse, None, auto).index is forced
    assert plan(lists.EXACT_ITEMS + 1, sparse, None, exact).index is exact
    assert plan(3_000, None, None, forced).index is forced
    assert plan(3_000, ItemWeights.DENSE, None, forced).index is exact, "all are scored anyway"
    assert plan(1_000, sparse, None, forced).index is exact
