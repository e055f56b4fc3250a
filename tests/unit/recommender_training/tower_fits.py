"""Fits of the two towers in few epochs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest
import torch

from recommender_contract.resource.hyperparameters import RetrievalLoss
from recommender_training.config.training import TrainingConfig, parse_config
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.retrieval import RetrievalModels
from recommender_training.trainer import fit_towers


def configured(chosen: str, loss: str = "SampledSoftmax") -> TrainingConfig:
    hyperparameters = {"embeddingDim": 8, "retrieval": chosen, "retrievalLoss": loss}
    return parse_config(json.dumps({"seed": 3, "hyperparameters": hyperparameters}))


@contextlib.contextmanager
def few_epochs() -> Iterator[None]:
    """Fit towers in three epochs inside the block."""
    with pytest.MonkeyPatch.context() as patch:
        few = {"learning_rate": 0.02, "batch_size": 256, "epochs": 3, "patience": 3}
        patch.setattr(fit_towers, "_SETTINGS", few)
        yield


def fit(prepared: PreparedData, loss: RetrievalLoss) -> RetrievalModels:
    torch.manual_seed(0)
    split = prepared.split
    with few_epochs():
        return fit_towers.fit_towers(
            prepared.data,
            split.train,
            split.validation,
            prepared.inputs,
            configured("TwoTower", loss.value),
        )
