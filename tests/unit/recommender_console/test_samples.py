"""The models of these tests and of the console's picture have only what a real one has."""

from __future__ import annotations

from recommender_operator.analysis import step_verdict
from recommender_operator.analysis.counter_window import WindowStats
from recommender_operator.api.spec import AnalysisSpec
from tests.unit.recommender_console import samples
from tests.unit.recommender_kubectl import samples as of_the_plugin

SERVED = WindowStats(pods=1, requests=1, features={"age": {"null": 1}})


def test_the_metrics_of_steps_are_those_that_the_operator_judges() -> None:
    judged = step_verdict.evaluate(AnalysisSpec(), SERVED, SERVED).metrics
    steps = [step for body in samples.versions() for step in body["status"].get("steps", [])]
    shown = {one["metric"] for step in steps + of_the_plugin.STEPS for one in step["metrics"]}
    assert shown
    assert shown <= {one.metric for one in judged}
