"""The metrics of interleaved lists; the operator reads none of them."""

from __future__ import annotations

from recommender_serving.domain.types import Forwarded, Interleaved
from recommender_serving.monitoring.series import Series


class InterleavingMetrics:
    """Metrics of one version."""

    def __init__(self, series: Series) -> None:
        self._asked = series.counters(
            "transformer_interleaving_asked_total",
            "Instances for which the candidate was asked for a list too, by outcome.",
            "outcome",
            Forwarded,
        )
        self._answers = series.counters(
            "transformer_interleaved_answers_total",
            "Answers to users whose lists are interleaved: mixed, or of this version alone.",
            "outcome",
            Interleaved,
        )
        self._ignored = series.counter(
            "transformer_interleaving_headers_ignored_total",
            "Calls whose header of interleaving is invalid.",
        )

    def forwarded(self, outcome: Forwarded, instances: int) -> None:
        """Count instances for which the candidate was asked."""
        self._asked[outcome].inc(instances)

    def added(self, seconds: float) -> None:
        """Count nothing: what a user waits for beyond the own answer is timed as a stage."""

    def answered(self, outcome: Interleaved) -> None:
        """Count an answer to a user whose lists are interleaved."""
        self._answers[outcome].inc()

    def ignored(self) -> None:
        """Count a header that does not parse."""
        self._ignored.inc()
