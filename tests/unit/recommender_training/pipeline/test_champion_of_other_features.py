"""A declaration that changes while a version serves: what the comparison with it says."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import polars as pl
import pytest

from recommender_contract.features import Kind
from recommender_training.common.arrays import Doubles
from recommender_training.config.feature import Feature
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data import dataset
from recommender_training.data.version_content import Tables
from recommender_training.evaluation import predictions
from recommender_training.evaluation.predictions import Window
from recommender_training.features.prepared_data import prepare_data
from recommender_training.pipeline.champion import Comparison


def window(tables: Tables, declared: FeatureSchema, config: Any) -> Window:
    """The test window of the same events under another declaration."""
    built = dataset.build_dataset(dataclasses.replace(tables, declaration=declared))
    prepared = prepare_data(built, config)
    return predictions.window(prepared, prepared.split.test)


def without(features: tuple[Feature, ...], name: str) -> tuple[Feature, ...]:
    kept = tuple(each for each in features if each.name != name)
    assert len(kept) == len(features) - 1
    return kept


@pytest.fixture(scope="module")
def same(trained: Any, tables: Tables) -> Doubles:
    return probabilities(trained, window(tables, tables.declaration, trained.config))


def probabilities(trained: Any, judged: Window) -> Doubles:
    comparison = Comparison(trained.staged, trained.digest)
    found = comparison(judged)
    assert comparison.facts["compared"], comparison.facts
    assert found is not None
    assert found.probability is not None
    return found.probability


@pytest.mark.parametrize(("place", "name"), [("users", "occupation"), ("items", "genre")])
def test_the_champion_reads_in_its_own_graph_what_the_data_no_longer_has(
    trained: Any, tables: Tables, same: Doubles, place: str, name: str
) -> None:
    """So it is compared as it serves: with the rows of its users and items."""
    declared = tables.declaration
    less = declared.model_copy(update={place: without(getattr(declared, place), name)})
    found = probabilities(trained, window(tables, less, trained.config))
    np.testing.assert_allclose(found, same, rtol=0, atol=1e-5)


def test_of_a_user_that_it_does_not_know_the_removed_feature_is_unknown(
    trained: Any, tables: Tables
) -> None:
    declared = tables.declaration
    less = declared.model_copy(update={"users": without(declared.users, "occupation")})
    found = []
    for each in (declared, less):
        judged = window(tables, each, trained.config)
        data = judged.data
        users = dataclasses.replace(data.users, ids=data.users.ids + 10**6)
        known = dataclasses.replace(judged.known, data=dataclasses.replace(data, users=users))
        found.append(probabilities(trained, dataclasses.replace(judged, known=known)))
    assert np.isfinite(found[1]).all()
    assert np.abs(found[1] - found[0]).max() > 1e-4


def test_a_feature_that_the_champion_never_had_changes_none_of_its_answers(
    trained: Any, tables: Tables, same: Doubles
) -> None:
    declared = tables.declaration
    new = Feature(name="trade", kind=Kind.CATEGORICAL)
    more = declared.model_copy(update={"users": (*declared.users, new)})
    users = tables.users.with_columns(trade=pl.col("occupation"))
    again = dataclasses.replace(tables, users=users)
    found = probabilities(trained, window(again, more, trained.config))
    np.testing.assert_allclose(found, same, rtol=0, atol=1e-5)


def test_a_champion_of_other_features_for_cold_start_is_not_compared_and_the_remedy_is_named(
    trained: Any, tables: Tables
) -> None:
    """Its network reads rates by groups of users that the new data does not count."""
    declared = tables.declaration
    less = declared.model_copy(update={"users": without(declared.users, "gender")})
    comparison = Comparison(trained.staged, trained.digest)
    assert comparison(window(tables, less, trained.config)) is None
    assert comparison.facts["compared"] is False
    message = comparison.facts["message"]
    assert "rates by age, gender, and the data has them by age" in message
    assert message.endswith("use judgeBy Value until a version with the new ones is promoted")
