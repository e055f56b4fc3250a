"""Trainings that start from the weights of the champion."""

from __future__ import annotations

import json
from typing import Any

import torch

from recommender_contract.resource.training_settings import WarmMode
from recommender_training.artifact import checkpoint
from recommender_training.config.training import TrainingConfig, parse_config
from recommender_training.features.prepared_data import PreparedData
from recommender_training.models.ranker import Ranker
from recommender_training.trainer import fit
from recommender_training.trainer.deep_ranker import fit_deep
from recommender_training.trainer.fit_context import FitContext
from recommender_training.trainer.initial_weights import WarmStart

SETTINGS = {"epochs": 1, "embeddingDim": 8, "batchSize": 256}


def configured(mode: str = "AllWeights", **more: Any) -> TrainingConfig:
    hyperparameters = {**SETTINGS, **more.pop("hyperparameters", {})}
    given = {"seed": 3, "hyperparameters": hyperparameters, "warmStart": {"mode": mode}, **more}
    return parse_config(json.dumps(given))


def start_of(trained: Any, mode: WarmMode = WarmMode.ALL_WEIGHTS) -> WarmStart:
    return WarmStart(checkpoint.read_checkpoint(trained.staged), mode, trained.digest)


def state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def fitted(trained: Any, prepared: PreparedData, mode: WarmMode) -> tuple[Ranker, fit.FitLog]:
    context = FitContext(start=start_of(trained, mode))
    return fit_deep(prepared, configured(mode.value), 1, context=context)
