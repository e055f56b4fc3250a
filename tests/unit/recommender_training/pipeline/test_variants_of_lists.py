"""Variants compress dense item-to-item weights, and are refused where there are none."""

from __future__ import annotations

import json

import pytest

from recommender_training.common.errors import InputError
from recommender_training.config.lists import DENSE_ITEMS, MAX_DENSE_ITEMS
from recommender_training.config.training import TrainingConfig, parse_config
from recommender_training.pipeline import variants


def configured(**hyperparameters: object) -> TrainingConfig:
    return parse_config(
        json.dumps({"export": {"variants": ["Int8"]}, "hyperparameters": hyperparameters})
    )


@pytest.mark.parametrize(
    ("settings", "items"), [({}, DENSE_ITEMS + 1), ({"itemWeights": "Sparse"}, 10)]
)
def test_sparse_weights_have_no_variant(settings: dict[str, object], items: int) -> None:
    with pytest.raises(InputError, match=rf"those of {items} items are sparse .* set itemWeights"):
        variants.check_variants(configured(**settings), items)


def test_dense_weights_have_variants() -> None:
    variants.check_variants(configured(), DENSE_ITEMS)
    variants.check_variants(configured(itemWeights="Dense"), MAX_DENSE_ITEMS)


def test_dense_weights_of_too_many_items_are_refused_without_variants_too() -> None:
    config = parse_config('{"hyperparameters": {"itemWeights": "Dense"}}')
    with pytest.raises(InputError, match="itemWeights=Dense takes"):
        variants.check_variants(config, MAX_DENSE_ITEMS + 1)
