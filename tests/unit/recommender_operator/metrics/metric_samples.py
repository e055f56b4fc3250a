"""Versions with any status, and the figures that a look shows of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from recommender_operator.actions import Decision
from recommender_operator.api.spec import ExperimentMetric, ExperimentSpec, PrimaryMetric
from recommender_operator.api.spec_experiment import MAX_FURTHER
from recommender_operator.api.status import RecommenderModelStatus
from recommender_operator.api.version import ModelVersionStatus
from recommender_operator.api.version_experiment import (
    ArmStatus,
    ExperimentStatus,
    MetricComparison,
)
from recommender_operator.metrics import model_metrics
from recommender_operator.observed import Observed, VersionObject
from tests.unit.recommender_operator.resources import builder_inputs

NAMES = [f"movies-{number:08x}" for number in range(12)]
NUMBERS = st.none() | st.floats(-1e6, 1e6)
PLAN = ExperimentSpec(
    primary=(PrimaryMetric(metric=ExperimentMetric.CONVERSION_RATE, smallest_effect=0.1),)
)
COMPARED = st.lists(
    st.builds(
        MetricComparison,
        metric=st.sampled_from(ExperimentMetric),
        role=st.sampled_from(["Primary", "Guardrail"]),
        champion=NUMBERS,
        candidate=NUMBERS,
        difference=NUMBERS,
        low=NUMBERS,
        high=NUMBERS,
        limit=NUMBERS,
    ),
    max_size=10,
).map(tuple)
ARMS = st.lists(
    st.builds(
        ArmStatus,
        version=st.sampled_from(NAMES),
        withdrawn=st.sampled_from(["", "it harms"]),
        result=st.sampled_from(["", "Passed", "Ahead"]),
        users=st.integers(0, 1000),
        metrics=COMPARED,
    ),
    max_size=MAX_FURTHER,
    unique_by=lambda arm: arm.version,
).map(tuple)
EXPERIMENTS = st.builds(
    ExperimentStatus,
    id=st.just("00c0ffee"),
    plan=st.just(PLAN),
    phases=st.just(()),
    verdict=st.sampled_from(["", "KeepRunning", "Promote"]),
    users=st.integers(0, 1000),
    planned_users=st.none() | st.integers(0, 1000),
    sample_ratio_p=NUMBERS,
    metrics=COMPARED,
    arms=ARMS,
)


def version(name: str, status: ModelVersionStatus) -> VersionObject:
    return dataclasses.replace(builder_inputs.version(name), status=status)


def decided(*actions: Any, **status: Any) -> Decision:
    return Decision(actions=actions, status=RecommenderModelStatus(**status))


def shown(
    versions: Sequence[VersionObject], *actions: Any, **status: Any
) -> dict[tuple[str, tuple[str, ...]], float]:
    observed = Observed(model=builder_inputs.model(), versions=tuple(versions))
    found = model_metrics.model_metrics_of(observed, decided(*actions, **status))
    return {(figure.family, figure.labels): figure.value for figure in found}
