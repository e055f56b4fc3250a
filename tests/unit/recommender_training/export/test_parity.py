"""An exported graph that answers otherwise than its model, or no number at all, is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from recommender_training.evaluation import predictions
from recommender_training.export import build, parity, repository
from recommender_training.export.build import ExportInputs
from recommender_training.export.comparison_requests import comparison_requests
from recommender_training.export.logistic import LogisticServing
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle


@pytest.fixture(scope="module")
def known(prepared: PreparedData, bundle: Bundle, trained: Any) -> ExportInputs:
    return replace(repository.export_inputs(prepared, trained.config), sources=bundle.sources)


def graph(bundle: Bundle, known: ExportInputs, added: float = 0.0) -> LogisticServing:
    """The regression's graph with so much added to each logit: the order of lists stays."""
    made = build.logistic_module(bundle.baseline, known, bundle.baseline_calibration)
    made.item = made.item + added
    return made


@pytest.mark.parametrize("added", [0.01, math.nan])
def test_other_probabilities_and_those_that_are_no_numbers_are_refused(
    prepared: PreparedData, bundle: Bundle, known: ExportInputs, added: float
) -> None:
    scorer = predictions.scorers(bundle, prepared)[0]
    requests = repository.parity_requests(prepared)[:5]
    assert (
        parity.check_parity(graph(bundle, known), scorer, known, requests)["maxDifference"] < 1e-5
    )
    with pytest.raises(parity.ParityError, match="probabilities differ by"):
        parity.check_parity(graph(bundle, known, added), scorer, known, requests)


@pytest.mark.parametrize("added", [0.01, math.nan])
def test_two_forms_of_a_graph_are_held_together_in_batches(
    bundle: Bundle, known: ExportInputs, added: float
) -> None:
    one, other = graph(bundle, known), graph(bundle, known, added)
    asked = list(comparison_requests(known.data))
    assert parity.largest_difference(one, graph(bundle, known), asked) == 0
    told = {"requests": 5, "maxDifference": 0.0}
    assert parity.widened(told, one, one, known)["requests"] == 5 + sum(len(e[0]) for e in asked)
    with pytest.raises(parity.ParityError, match="two forms of a graph"):
        parity.widened(told, one, other, known)
    with pytest.raises(parity.ParityError, match="two forms of a graph"):
        parity.largest_difference(other, other if math.isnan(added) else one, asked)
