"""The metrics of experiments, of the holdout, of interleaved lists and of copies."""

from __future__ import annotations

from recommender_contract.events import Source
from recommender_serving.domain.types import FallReason, Forwarded, Interleaved, Outcome
from recommender_serving.monitoring.series import Series

EXTRA_BUCKETS = (0.0002, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)


class ExperimentMetrics:
    """Metrics of the experiments of one version; the operator reads none of them."""

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


class HoldoutMetrics:
    """Metrics of the holdout.

    They have names of their own and are in none of the others: the answers are no work of the
    version that gives them, so neither their latency nor their errors judge it.
    """

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


class InterleavingMetrics:
    """Metrics of interleaved lists; the operator reads none of them."""

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


class ShadowMetrics:
    """Metrics of copies, by which the operator judges a candidate before users see it.

    They have names of their own, so that no copy counts as a request of a user.
    """

    def __init__(self, series: Series, buckets: tuple[float, ...]) -> None:
        """`buckets` are those of the requests of users."""
        self._requests = series.counters(
            "recommender_shadow_requests_total",
            "Instances of copies by outcome.",
            "outcome",
            Outcome,
        )
        self._answers = series.counters(
            "recommender_shadow_answers_total",
            "Answers to copies by source.",
            "source",
            Source,
        )
        self._falls = series.counters(
            "recommender_shadow_fallbacks_total",
            "Model fallbacks for copies by reason.",
            "reason",
            FallReason,
        )
        self._duration = series.histogram(
            "recommender_shadow_request_duration_seconds",
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
