"""Names of the numbers that a ranker reads, in the order of its columns."""

from __future__ import annotations

from collections.abc import Iterable

from recommender_contract.resource.hyperparameters import FeatureGroup
from recommender_training.data.dataset import Dataset
from recommender_training.features import attributes, model_features
from recommender_training.features.graph import SESSION_NUMBERS, TASTE_NUMBERS


def number_names(data: Dataset, groups: Iterable[FeatureGroup] = ()) -> tuple[str, ...]:
    """[F + T + E] of both models, of taste, and of the feature groups that are read."""
    return (*both_models(data), *TASTE_NUMBERS, *of_groups(data, groups))


def both_models(data: Dataset) -> tuple[str, ...]:
    """[F] of the item, of the session, of the pair."""
    times, blocks = data.items.time_names, data.items.blocks
    item = ("item_positive_rate", "item_popularity")
    ages = (f"{time}_{part}" for part in ("years", "days", "known") for time in times)
    pair = (f"{block.name}_{part}" for block in blocks for part in ("value", "share"))
    return (*item, *ages, *SESSION_NUMBERS, *pair)


def of_groups(data: Dataset, groups: Iterable[FeatureGroup]) -> tuple[str, ...]:
    """[E] of the feature groups."""
    rates = [f"rate_by_{data.attributes[place].name}" for place in attributes.rated(data)]
    found: list[str] = []
    for group in model_features.ordered(groups):
        rated = group is FeatureGroup.DEMOGRAPHIC_RATES
        found += rates if rated else model_features.feature_names(group)
    return tuple(found)
