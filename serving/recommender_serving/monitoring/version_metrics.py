"""The metrics of docs/contracts.md; every series exists from the start, at zero."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry

from recommender_contract import metrics as names
from recommender_contract.events import Source
from recommender_runtime.connections import Refusal
from recommender_serving.domain.types import (
    FallReason,
    Found,
    Limit,
    Lookup,
    Outcome,
    Reported,
    Waited,
)
from recommender_serving.monitoring.experiment_metrics import (
    ExperimentMetrics,
    HoldoutMetrics,
    InterleavingMetrics,
    ShadowMetrics,
)
from recommender_serving.monitoring.series import Series

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 2, 5)


class Metrics:
    """Metrics of one version."""

    def __init__(
        self,
        registry: CollectorRegistry,
        model: str,
        version: str,
        reference: Iterable[tuple[str, str, int]],
        design_effects: Mapping[str, float],
        missing_design_effects: Mapping[str, float],
    ) -> None:
        series = Series(registry, model, version)
        self.experiments = ExperimentMetrics(series)
        self.holdout = HoldoutMetrics(series)
        self.interleaving = InterleavingMetrics(series)
        self.shadow = ShadowMetrics(series, BUCKETS)
        self._read_by_the_operator(series)
        self._reference(series, reference)
        self._design_effects(series, design_effects, missing_design_effects)
        self._for_people(series)
        self._of_the_cache(series)

    def _read_by_the_operator(self, series: Series) -> None:
        self._requests = series.counters(
            names.REQUESTS, "Instances by outcome.", "outcome", Outcome
        )
        self._answers = series.counters(names.ANSWERS, "Answers by source.", "source", Source)
        self._falls = series.counters(
            names.FALLBACKS, "Model fallbacks by reason.", "reason", FallReason
        )
        self._lookups = series.counters(
            "recommender_history_lookups_total",
            "Reads of the online store, by outcome.",
            "outcome",
            Lookup,
        )
        self._duration = series.histogram(
            names.DURATION,
            "Time from the parsed request to its answer, without cached answers.",
            BUCKETS,
        )
        self._sessions = series.counter(names.SESSIONS, "Sessions seen for the first time.")
        self._refused = series.counters(
            "recommender_refused_total",
            "Connections and bodies that were refused to bound memory.",
            "reason",
            Refusal,
        )

    def _reference(self, series: Series, reference: Iterable[tuple[str, str, int]]) -> None:
        bins: dict[tuple[str, ...], float] = {
            (name, bin_): count for name, bin_, count in reference
        }
        series.constants(
            names.REFERENCE,
            "Sessions of the training window, by feature and bin.",
            ("feature", "bin"),
            bins,
        )
        self._features = series.counters_of(
            names.FEATURES,
            "Served sessions by feature and bin.",
            ("feature", "bin"),
            bins,
        )

    def _design_effects(
        self, series: Series, effects: Mapping[str, float], missing: Mapping[str, float]
    ) -> None:
        series.constants(
            names.DESIGN_EFFECT,
            "Correlation of the sessions of one user, by feature; 1 for independent sessions.",
            ("feature",),
            {(feature,): value for feature, value in effects.items()},
        )
        series.constants(
            names.MISSING_DESIGN_EFFECT,
            "Correlation of missing values in the sessions of one user, by feature.",
            ("feature",),
            {(feature,): value for feature, value in missing.items()},
        )

    def _for_people(self, series: Series) -> None:
        # The operator does not read these: they would enlarge each of its baselines. And it takes
        # a counter that falls for a restart, so that a gauge must not have its prefix.
        self._waited = series.histograms(
            "transformer_stage_duration_seconds",
            "Time of one call of a stage, whatever its outcome.",
            "stage",
            Waited,
            BUCKETS,
        )
        self._by_path = series.histograms(
            "transformer_answer_duration_seconds",
            "Time from the parsed request to its answer, by source.",
            "source",
            Source,
            BUCKETS,
        )
        self._all_falls = series.counters_of(
            "transformer_fallbacks_total",
            "Fallbacks from a model of the chain, by model and reason.",
            ("source", "reason"),
            itertools.product((Source.MODEL, Source.BASELINE), FallReason),
        )
        self._unmet = series.counters(
            "transformer_list_limits_unmet_total",
            "Answers that could not keep a limit of lists, by limit.",
            "limit",
            Limit,
        )
        self._impressions = series.counters(
            "transformer_impressions_total",
            "Impressions to report to the collector, by outcome.",
            "outcome",
            Reported,
        )
        self._explored = series.counter(
            "transformer_explored_total", "Answers whose last place explored."
        )
        self._in_flight = series.gauge(
            "transformer_requests_in_flight", "Instances that are being answered."
        )

    def _of_the_cache(self, series: Series) -> None:
        self._found = series.counters(
            "transformer_cache_lookups_total", "Lookups in the cache of answers.", "outcome", Found
        )
        self._evicted = series.counter(
            "transformer_cache_evictions_total",
            "Answers removed from the cache to make room before they expired.",
        )
        self._cached = series.gauge("transformer_cache_entries", "Answers in the cache.")
        self._cached_bytes = series.gauge(
            "transformer_cache_bytes", "Approximate memory of the answers in the cache."
        )

    def started(self) -> None:
        """Count an instance in flight, which ends as answered, failed or cancelled."""
        self._in_flight.inc()

    def ended(self) -> None:
        """Count the end of an instance in flight, whatever its outcome."""
        self._in_flight.dec()

    def refused(self, reason: Refusal) -> None:
        """Count what was refused before it was a request."""
        self._refused[reason].inc()

    def answered(self, source: Source, seconds: float, *, asked: bool = True) -> None:
        """Count an answered instance, and whether the models were asked for it.

        The operator compares the durations of two versions. Those of the cache depend on how many
        requests a version gets, so a candidate would look slow beside a champion.
        """
        self._requests[Outcome.OK].inc()
        self._answers[source].inc()
        if asked:
            self._duration.observe(seconds)
        self._by_path[source].observe(seconds)

    def failed(self, seconds: float) -> None:
        """Count an instance with a server error."""
        self._requests[Outcome.ERROR].inc()
        self._duration.observe(seconds)

    def invalid(self, instances: int) -> None:
        """Count rejected instances; they are not errors of the version."""
        self._requests[Outcome.INVALID].inc(instances)

    def fell(self, source: Source, reason: FallReason) -> None:
        """Count a fallback from a model; the operator reads only those of the first model."""
        self._all_falls[source, reason].inc()
        if source is Source.MODEL:
            self._falls[reason].inc()

    def waited(self, stage: Waited, seconds: float) -> None:
        """Count the time of one call of a stage."""
        self._waited[stage].observe(seconds)

    def looked_up(self, outcome: Lookup) -> None:
        """Count a read of the online store."""
        self._lookups[outcome].inc()

    def unmet(self, limit: Limit) -> None:
        """Count an answer that could not keep a limit."""
        self._unmet[limit].inc()

    def reported(self, outcome: Reported, impressions: int) -> None:
        """Count impressions by outcome."""
        self._impressions[outcome].inc(impressions)

    def explored(self) -> None:
        """Count an answer that explores."""
        self._explored.inc()

    def found(self, outcome: Found) -> None:
        """Count a lookup in the cache."""
        self._found[outcome].inc()

    def cached(self, entries: int, size: int, evicted: int) -> None:
        """Report the size of the cache, and answers that were dropped for others."""
        self._cached.set(entries)
        self._cached_bytes.set(size)
        self._evicted.inc(evicted)

    def session(self, row: Iterable[tuple[str, str]]) -> None:
        """Count a new session and the bins of its features."""
        self._sessions.inc()
        for place in row:
            self._features[place].inc()
