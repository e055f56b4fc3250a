"""The metrics of docs/contracts.md; every series exists from the start, at zero."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from recommender_serving.domain.types import (
    FallReason,
    Found,
    Limit,
    Lookup,
    Outcome,
    Refusal,
    Reported,
    Source,
    Waited,
)
from recommender_serving.monitoring.experiment_metrics import LABELS, ExperimentMetrics

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 2, 5)


class Metrics:
    """Metrics of one version; the label children are resolved once, at the start."""

    def __init__(
        self,
        registry: CollectorRegistry,
        model: str,
        version: str,
        reference: Iterable[tuple[str, str, int]],
        design_effects: Mapping[str, float],
        missing_design_effects: Mapping[str, float],
    ) -> None:
        self._registry = registry
        self._names = (model, version)
        self.experiments = ExperimentMetrics(registry, model, version)
        self._requests = self._by_label(
            "recommender_requests_total", "Instances by outcome.", "outcome", Outcome
        )
        self._answers = self._by_label(
            "recommender_answers_total", "Answers by source.", "source", Source
        )
        self._falls = self._by_label(
            "recommender_fallbacks_total",
            "Model fallbacks by reason.",
            "reason",
            FallReason,
        )
        self._lookups = self._by_label(
            "recommender_history_lookups_total",
            "Looks into the store of users, by outcome.",
            "outcome",
            Lookup,
        )
        self._duration = Histogram(
            "recommender_request_duration_seconds",
            "Time from the parsed request to its answer, without those of the cache.",
            LABELS,
            buckets=BUCKETS,
            registry=registry,
        ).labels(*self._names)
        # The operator does not read these: they would enlarge each of its baselines.
        self._waited = self._times(
            "transformer_stage_duration_seconds",
            "Time of one call of a stage, whatever its outcome.",
            "stage",
            Waited,
        )
        self._by_path = self._times(
            "transformer_answer_duration_seconds",
            "Time from the parsed request to its answer, by what answered.",
            "source",
            Source,
        )
        falls = Counter(
            "transformer_fallbacks_total",
            "Falls from a model of the chain, by model and reason.",
            (*LABELS, "source", "reason"),
            registry=registry,
        )
        self._all_falls = {
            (source, reason): falls.labels(*self._names, source.value, reason.value)
            for source in (Source.MODEL, Source.BASELINE)
            for reason in FallReason
        }
        self._unmet = self._by_label(
            "transformer_list_limits_unmet_total",
            "Answers that could not keep a limit of lists, by limit.",
            "limit",
            Limit,
        )
        self._sessions = Counter(
            "recommender_sessions_total",
            "Sessions seen for the first time.",
            LABELS,
            registry=registry,
        ).labels(*self._names)
        self._refused = self._by_label(
            "recommender_refused_total",
            "Connections and bodies that were refused to bound memory.",
            "reason",
            Refusal,
        )
        self._impressions = self._by_label(
            "transformer_impressions_total",
            "Impressions that were to be reported to the collector, by what became of them.",
            "outcome",
            Reported,
        )
        # Without the prefix of the others: the operator takes a counter that falls for a restart.
        self._in_flight = Gauge(
            "transformer_requests_in_flight",
            "Instances that are being answered.",
            LABELS,
            registry=registry,
        ).labels(*self._names)
        self._found = self._by_label(
            "transformer_cache_lookups_total", "Looks into the cache.", "outcome", Found
        )
        self._evicted = Counter(
            "transformer_cache_evictions_total",
            "Answers that were dropped for others before they were too old.",
            LABELS,
            registry=registry,
        ).labels(*self._names)
        self._cached, self._cached_bytes = (
            Gauge(f"transformer_cache_{name}", text, LABELS, registry=registry).labels(
                *self._names
            )
            for name, text in (
                ("entries", "Answers in the cache."),
                ("bytes", "About how much memory they take."),
            )
        )
        self._features = self._bins(reference)
        self._constants(
            "recommender_reference_design_effect",
            "Correlation of the sessions of one user, by feature; 1 for independent sessions.",
            design_effects,
        )
        self._constants(
            "recommender_reference_missing_design_effect",
            "The same of whether a session has a known value of the feature.",
            missing_design_effects,
        )

    def _constants(self, name: str, text: str, by_feature: Mapping[str, float]) -> None:
        gauge = Gauge(name, text, (*LABELS, "feature"), registry=self._registry)
        for feature, value in by_feature.items():
            gauge.labels(*self._names, feature).set(value)

    def _by_label(
        self,
        name: str,
        text: str,
        label: str,
        values: type[Outcome | Source | FallReason | Found | Limit | Lookup | Refusal | Reported],
    ) -> dict[str, Counter]:
        counter = Counter(name, text, (*LABELS, label), registry=self._registry)
        return {value.value: counter.labels(*self._names, value.value) for value in values}

    def _times(
        self, name: str, text: str, label: str, values: type[Source | Waited]
    ) -> dict[str, Histogram]:
        times = Histogram(name, text, (*LABELS, label), buckets=BUCKETS, registry=self._registry)
        return {value.value: times.labels(*self._names, value.value) for value in values}

    def _bins(self, reference: Iterable[tuple[str, str, int]]) -> dict[tuple[str, str], Counter]:
        labels = (*LABELS, "feature", "bin")
        gauge = Gauge(
            "recommender_reference_sessions",
            "Sessions of the training window, by feature and bin.",
            labels,
            registry=self._registry,
        )
        counter = Counter(
            "recommender_feature_values_total",
            "Served sessions by feature and bin.",
            labels,
            registry=self._registry,
        )
        children: dict[tuple[str, str], Counter] = {}
        for feature, place, count in reference:
            gauge.labels(*self._names, feature, place).set(count)
            children[feature, place] = counter.labels(*self._names, feature, place)
        return children

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
        """Count a fall from a model of the chain; the operator reads those of the first alone."""
        self._all_falls[source, reason].inc()
        if source is Source.MODEL:
            self._falls[reason].inc()

    def waited(self, stage: Waited, seconds: float) -> None:
        """Count the time of one call of a stage."""
        self._waited[stage].observe(seconds)

    def looked_up(self, outcome: Lookup) -> None:
        """Count a look into the store of users."""
        self._lookups[outcome].inc()

    def unmet(self, limit: Limit) -> None:
        """Count an answer that could not keep a limit."""
        self._unmet[limit].inc()

    def reported(self, outcome: Reported, impressions: int) -> None:
        """Count impressions by what became of them."""
        self._impressions[outcome].inc(impressions)

    def found(self, outcome: Found) -> None:
        """Count a look into the cache."""
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
