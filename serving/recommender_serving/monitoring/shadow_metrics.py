"""The metrics of copies: the operator judges a candidate by them before users see it.

They have names of their own, so that no copy counts as a request of a user.
"""

from __future__ import annotations

from recommender_contract.events import Source
from recommender_contract.metrics import COPIES
from recommender_serving.domain.types import FallReason, Forwarded, Outcome
from recommender_serving.monitoring.series import Series


class ShadowMetrics:
    """Metrics of one version."""

    def __init__(self, series: Series, buckets: tuple[float, ...]) -> None:
        """`buckets` are those of the requests of users."""
        self._requests = series.counters(
            f"{COPIES}requests_total",
            "Instances of copies by outcome.",
            "outcome",
            Outcome,
        )
        self._answers = series.counters(
            f"{COPIES}answers_total",
            "Answers to copies by source.",
            "source",
            Source,
        )
        self._falls = series.counters(
            f"{COPIES}fallbacks_total",
            "Model fallbacks for copies by reason.",
            "reason",
            FallReason,
        )
        self._duration = series.histogram(
            f"{COPIES}request_duration_seconds",
            "Time from the parsed copy to its answer, without cached answers.",
            buckets,
        )
        # The operator does not read these.
        self._sent = series.counters(
            "transformer_copies_total",
            "Calls to copy to a candidate, by outcome.",
            "outcome",
            Forwarded,
        )
        self._ignored = series.counter(
            "transformer_shadow_headers_ignored_total", "Calls whose shadow header is invalid."
        )

    def answered(self, source: Source, seconds: float, *, asked: bool) -> None:
        """Count an answered instance of a copy, and whether the models were asked for it."""
        self._requests[Outcome.OK].inc()
        self._answers[source].inc()
        if asked:
            self._duration.observe(seconds)

    def failed(self, seconds: float) -> None:
        """Count an instance of a copy with a server error."""
        self._requests[Outcome.ERROR].inc()
        self._duration.observe(seconds)

    def invalid(self, instances: int) -> None:
        """Count rejected instances of a copy."""
        self._requests[Outcome.INVALID].inc(instances)

    def fell(self, source: Source, reason: FallReason) -> None:
        """Count a fallback from the first model."""
        if source is Source.MODEL:
            self._falls[reason].inc()

    def sent(self, outcome: Forwarded) -> None:
        """Count a call that a candidate should get a copy of."""
        self._sent[outcome].inc()

    def ignored(self) -> None:
        """Count a header that does not parse."""
        self._ignored.inc()
