"""Series of models and namespaces go with them."""

from __future__ import annotations

import dataclasses

from recommender_operator.metrics.model_metrics import ModelMetric
from recommender_operator.metrics.operator_metrics import Metrics
from recommender_operator.observed import ModelObject
from tests.unit.recommender_operator.resources.builder_inputs import model
from tests.unit.recommender_operator.test_edges import decided


def named(name: str, namespace: str = "team") -> ModelObject:
    return dataclasses.replace(model(), name=name, namespace=namespace)


def labelled(metrics: Metrics, label: str, value: str) -> set[str]:
    """Return the names of the series with a label."""
    samples = [sample for family in metrics.registry.collect() for sample in family.samples]
    return {sample.name for sample in samples if sample.labels.get(label) == value}


def test_the_figures_of_a_deleted_model_go_and_those_of_others_stay() -> None:
    metrics = Metrics()
    for name in ("movies", "books"):
        metrics.set_model_metrics(named(name), (ModelMetric("champion", (f"{name}-1",), 1.0),))
    assert labelled(metrics, "model", "movies") == {"recommender_operator_champion"}
    metrics.forget("team", "movies")
    assert labelled(metrics, "model", "movies") == set()
    assert labelled(metrics, "model", "books") == {"recommender_operator_champion"}


def test_durations_of_stages_go_with_the_last_model_of_a_namespace() -> None:
    metrics = Metrics()
    for name, namespace in (("movies", "team"), ("books", "team"), ("songs", "other")):
        one = named(name, namespace)
        metrics.stage(one, "Serving")
        metrics.moved(one, *decided("AnalysisFailed"))
    metrics.forget("team", "movies")
    durations = "recommender_operator_phase_duration_seconds_count"
    assert durations in labelled(metrics, "namespace", "team")
    metrics.forget("team", "books")
    assert labelled(metrics, "namespace", "team") == set()
    assert durations in labelled(metrics, "namespace", "other")
    metrics.forget("team", "books")
