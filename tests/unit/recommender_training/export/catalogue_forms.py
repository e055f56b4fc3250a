"""Catalogues as graphs serve them: exact and approximate, by item-to-item weights or towers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from recommender_contract.resource.hyperparameters import ItemIndex, ItemWeights
from recommender_training.config.lists import ListPlan
from recommender_training.export import build, repository, torchscript
from recommender_training.export.build import ExportInputs
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle
from recommender_training.models import item_weights, ivf_index
from recommender_training.pipeline import item_index
from tests.training_fixtures import Trained

FORMS = ("dense", "sparse", "towers", "pages")


def known_in(
    form: str, prepared: PreparedData, bundle: Bundle, trained: Trained, after: int | None
) -> ExportInputs:
    """The catalogue in a form, with items that come again after these seconds, if ever.

    With `pages`, `ivf_index.CELL_SIZE` has to be small.
    """
    weights = {"dense": ItemWeights.DENSE, "towers": None}.get(form, ItemWeights.SPARSE)
    plan = ListPlan(weights, None if form == "dense" else 20, ItemIndex.APPROXIMATE)
    every = np.ones(len(prepared.data.events), dtype=np.bool_)
    fitted = None if weights is None else item_weights.fit(prepared.data, every, weights)
    known = replace(repository.export_inputs(prepared, trained.config), retrieval=fitted)
    known = known.ordered_by(replace(bundle.sources, plan=plan, repeat_after=after))
    if form != "pages":
        return known
    sample = item_index.first_stage_sample(known.sources, prepared, 17)
    ivf = ivf_index.build_index(sample.vectors, sample.standing, sample.requests[0], 17)
    return replace(known, sources=replace(known.sources, ivf=replace(ivf, probes=6)))


def loaded(name: str, bundle: Bundle, known: ExportInputs) -> torch.jit.ScriptModule:
    assert bundle.deep is not None
    graph: torch.nn.Module = (
        build.logistic_module(bundle.baseline, known, bundle.baseline_calibration)
        if name == "baseline"
        else build.ranker_module(bundle.deep, known, bundle.deep_calibration)
    )
    return torchscript.loaded(torchscript.archive(graph))
