"""The Triton repository of an artifact: both models, exported and compared with eager mode."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from recommender_contract.artifact import POPULARITY
from recommender_contract.resource.export import Variant
from recommender_training.artifact import popularity_file, triton
from recommender_training.artifact.triton import MODELS
from recommender_training.common.durable_files import canonical_json, write_bytes
from recommender_training.common.progress import say
from recommender_training.config.training import TrainingConfig
from recommender_training.evaluation import ranking_metrics
from recommender_training.evaluation.predictions import scorers
from recommender_training.export import build, faults, parity, torchscript
from recommender_training.export.compressed_ranker import compress, left_of
from recommender_training.features.catalogue_state import CatalogueState
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle
from recommender_training.models import item_weights

#: Requests of the test window that the parity check sends to both sides.
_PARITY_REQUESTS = 50


def write_repository(
    root: Path,
    bundle: Bundle,
    prepared: PreparedData,
    config: TrainingConfig,
    known: build.ExportInputs,
    variant: Variant | None,
) -> tuple[dict[str, Any], nn.Module]:
    """Export both models into the Triton repository and compare them with eager mode.

    Returns the differences, and the model that is to serve, loaded, without its injected fault.
    """
    say("export: TorchScript and parity with eager mode")
    requests = parity_requests(prepared, known.sources.repeat_after)
    base_scorer, scorer = scorers(bundle, prepared)
    lists = parity.Lists(bundle.bonus.get("baseline" if bundle.deep is None else MODELS[0]))
    if variant is not None:
        left = functools.partial(left_of, variant=variant, settings=config.export)
        lists = replace(lists, left=left)
    differences: dict[str, Any] = {}

    def written(
        name: str, module: nn.Module, eager: ranking_metrics.Scorer, listed: parity.Lists
    ) -> nn.Module:
        loaded = _save(root, name, module, prepared.data.width)
        check = parity.check_parity if listed.left is None else parity.check_variant
        found = check(loaded, eager, known, requests, listed)
        differences[name] = parity.widened(found, loaded, module, known)
        return loaded

    # One after the other: a graph of a large catalogue, and what is read of its file, are large.
    bonus = bundle.bonus.get("baseline")
    written("baseline", _baseline(bundle, known), base_scorer, parity.Lists(bonus))
    served = _served(bundle, known, config, variant)
    loaded = written(MODELS[0], served, scorer, lists)
    injected = faults.inject(served, config.fault_injection)
    if injected is not served:
        torchscript.save(injected, triton.model_path(root))
    popular = popularity_file.content(prepared.data, known.state.counts)
    write_bytes(root / POPULARITY, canonical_json(popular))
    return differences, loaded


def _baseline(bundle: Bundle, known: build.ExportInputs) -> nn.Module:
    bonus = bundle.bonus.get("baseline")
    return build.logistic_module(bundle.baseline, known, bundle.baseline_calibration, bonus)


def _served(
    bundle: Bundle, known: build.ExportInputs, config: TrainingConfig, variant: Variant | None
) -> nn.Module:
    """The model that is to serve."""
    if bundle.deep is None:
        return _baseline(bundle, known)
    bonus = bundle.bonus.get("recommender")
    full = build.ranker_module(bundle.deep, known, bundle.deep_calibration, bonus)
    return full if variant is None else compress(full, variant, config.export)


def _save(root: Path, name: str, module: nn.Module, features: int) -> nn.Module:
    """Write one model of the repository; the same, loaded from its file."""
    config_file = root / "repository" / name / "config.pbtxt"
    config = triton.render_config(name, features, trends=bool(module.by_trends))
    write_bytes(config_file, config.encode())
    torchscript.save(module, triton.model_path(root, name))
    return torchscript.load(triton.model_path(root, name))


def export_inputs(prepared: PreparedData, config: TrainingConfig) -> build.ExportInputs:
    """All that is known at the end of the data: the weights are older, the counts are not."""
    data = prepared.data.at_the_end
    every = np.ones(len(data.events), dtype=np.bool_)
    form = config.hyperparameters.list_plan(data.items.count).weights
    return build.ExportInputs(
        data=data,
        constants=prepared.constants,
        state=CatalogueState.at(data, None, prepared.constants.groups),
        retrieval=item_weights.fit(data, every, form) if form else None,
        history_length=prepared.history_length,
    )


def parity_requests(
    prepared: PreparedData, repeat_after: int | None = None
) -> list[ranking_metrics.Request]:
    """An empty session at the end of the data, and the first requests of the test window."""
    length = prepared.history_length
    task = ranking_metrics.reveal_half(prepared.data, prepared.split.test, length, repeat_after)
    requests = task.requests[:_PARITY_REQUESTS]
    end = int(prepared.data.events.time[-1]) + 1
    data = prepared.data
    context = data.as_served(data.events.context_of(np.array([len(data.events) - 1])))[0]
    return [ranking_metrics.Request(0, np.zeros(0, dtype=np.int64), end, context), *requests]
