"""The models that most tests of declared features read."""

from __future__ import annotations

import pytest

from recommender_contract.resource.hyperparameters import FeatureGroup
from recommender_training.config.feature_schema import FeatureSchema
from tests.declared_models import Fitted, data_of, fitted
from tests.unit.recommender_training.features.declared_models import EVERY_KIND


@pytest.fixture(scope="session")
def every() -> Fitted:
    """Both models of data with a feature of every kind."""
    data = data_of(FeatureSchema.model_validate(EVERY_KIND), seed=1)
    return fitted(data, (FeatureGroup.DEMOGRAPHIC_RATES,))
