"""The small data set and what was trained on it, by `tests.training_fixtures`; fitted towers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from recommender_contract.resource.hyperparameters import RetrievalLoss
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.retrieval import RetrievalModels
from tests.training_fixtures import *  # noqa: F403 -- fixtures, which it lists
from tests.unit.recommender_training import tower_fits


@pytest.fixture
def few_tower_epochs() -> Iterator[None]:
    with tower_fits.few_epochs():
        yield


@pytest.fixture(scope="session")
def towers_by_loss(prepared: PreparedData) -> Mapping[RetrievalLoss, RetrievalModels]:
    """Towers fitted with each loss: both at once, so that no order of tests repeats a fit."""
    return {loss: tower_fits.fit(prepared, loss) for loss in RetrievalLoss}


@pytest.fixture(params=[loss.value for loss in RetrievalLoss])
def fitted_towers(
    request: pytest.FixtureRequest, towers_by_loss: Mapping[RetrievalLoss, RetrievalModels]
) -> RetrievalModels:
    return towers_by_loss[RetrievalLoss(request.param)]
