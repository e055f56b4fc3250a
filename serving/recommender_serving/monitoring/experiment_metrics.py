"""The metrics of experiments; the operator reads none of them."""

from __future__ import annotations

from recommender_serving.domain.types import Forwarded
from recommender_serving.monitoring.series import Series

EXTRA_BUCKETS = (0.0002, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)


class ExperimentMetrics:
    """Metrics of one version."""

    def __init__(self, series: Series) -> None:
        self._forwarded = series.counters(
            "transformer_forwarded_total",
            "Instances that another version should answer, by outcome of the forward.",
            "outcome",
            Forwarded,
        )
        self._extra = series.histogram(
            "transformer_forward_extra_seconds",
            "Time of a forwarded call beyond what the other version took for its answer.",
            EXTRA_BUCKETS,
        )
        self._disagreed = series.counter(
            "transformer_experiment_disagreements_total",
            "Answers to users of another version of the experiment.",
        )
        self._ignored = series.counter(
            "transformer_experiment_headers_ignored_total",
            "Calls whose experiment header is invalid.",
        )

    def forwarded(self, outcome: Forwarded, instances: int) -> None:
        """Count instances that another version should answer."""
        self._forwarded[outcome].inc(instances)

    def added(self, seconds: float) -> None:
        """Count the time that a forward added to a call."""
        self._extra.observe(seconds)

    def disagreed(self) -> None:
        """Count an answer of this version to a user of another one."""
        self._disagreed.inc()

    def ignored(self) -> None:
        """Count a header that does not parse."""
        self._ignored.inc()
