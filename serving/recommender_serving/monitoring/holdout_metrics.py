"""The metrics of the holdout.

They have names of their own and are in none of the others: the answers are no work of the version
that gives them, so neither their latency nor their errors judge it.
"""

from __future__ import annotations

from recommender_contract.events import Source
from recommender_serving.monitoring.series import Series


class HoldoutMetrics:
    """Metrics of one version."""

    def __init__(self, series: Series) -> None:
        self._answers = series.counters(
            "transformer_holdout_answers_total",
            "Answers to users of the holdout, by source.",
            "source",
            Source,
        )
        self._failed = series.counter(
            "transformer_holdout_errors_total",
            "Instances of users of the holdout with a server error.",
        )

    def answered(self, source: Source) -> None:
        """Count an answer."""
        self._answers[source].inc()

    def failed(self) -> None:
        """Count an instance with a server error."""
        self._failed.inc()
