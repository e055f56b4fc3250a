"""Metrics of the collector and of its writers; every series exists from the start, at zero."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from recommender_collector.experiments.experiment import Ignored
from recommender_collector.file_metrics import FileMetrics
from recommender_contract.events import Kind
from recommender_contract.online_store import Set
from recommender_runtime.connections import Refusal as ConnectionRefusal

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Refusal(enum.StrEnum):
    """Reason of the refusal of a whole request."""

    INVALID = "invalid"
    TOO_LARGE = "too_large"
    BUSY = "busy"
    UNAVAILABLE = "unavailable"
    SLOW = "slow"
    UNAUTHENTICATED = "unauthenticated"


class Target(enum.StrEnum):
    """Target of a writer."""

    STORE = "store"
    LAKE = "lake"
    RELAY = "relay"  # the log, from Kafka


class CollectorMetrics:
    """Metrics of the HTTP interface."""

    def __init__(self, registry: CollectorRegistry, models: Iterable[str]) -> None:
        names = tuple(models)
        self._accepted = Counter(
            "recommender_collector_events_total",
            "Durable events by kind.",
            ("model", "kind"),
            registry=registry,
        )
        self._repeated = Counter(
            "recommender_collector_repeated_events_total",
            "Events whose id was known; they have no further effect.",
            ("model",),
            registry=registry,
        )
        # Resolved once: a look-up for each event costs as much as its validation.
        self._by_kind = {
            (model, kind): self._accepted.labels(model, kind.value)
            for model in names
            for kind in Kind
        }
        for model in names:
            self._repeated.labels(model)
        self.rejected = Counter(
            "recommender_collector_rejected_events_total",
            "Events that violate the schema, in requests that were not refused as a whole.",
            registry=registry,
        )
        refused = Counter(
            "recommender_collector_refused_requests_total",
            "Requests refused as a whole, by reason.",
            ("reason",),
            registry=registry,
        )
        self._refused = {reason: refused.labels(reason.value) for reason in Refusal}
        connections = Counter(
            "recommender_collector_refused_connections_total",
            "Connections refused or closed, by reason.",
            ("reason",),
            registry=registry,
        )
        self._refused_connections: dict[ConnectionRefusal, Counter] = {
            reason: connections.labels(reason.value)
            for reason in ConnectionRefusal
            if reason != ConnectionRefusal.BODIES  # a request is refused, not its connection
        }
        self.append_seconds = Histogram(
            "recommender_collector_append_seconds",
            "Time from valid events to their durable append.",
            buckets=BUCKETS,
            registry=registry,
        )
        backlog = Gauge(
            "recommender_collector_backlog_records",
            "Records of the log that a writer has not finished.",
            ("model",),
            registry=registry,
        )
        self._backlog = {model: backlog.labels(model) for model in names}
        self.memory = Gauge(
            "recommender_collector_store_memory_share",
            "Share of the store's maxmemory in use; 0 without a limit.",
            registry=registry,
        )
        requests = Counter(
            "recommender_collector_event_requests_total",
            "Request ids of events that were verified, by result.",
            ("model", "result"),
            registry=registry,
        )
        self._requests = {
            (model, proven): requests.labels(model, "proven" if proven else "unproven")
            for model in names
            for proven in (True, False)
        }
        self.erasures = Counter(
            "recommender_collector_erasures_total",
            "Erasures of users that were accepted.",
            registry=registry,
        )

    def accepted(self, model: str, kind: Kind, events: int) -> None:
        """Count durable events of a kind."""
        self._by_kind[model, kind].inc(events)

    def repeated(self, model: str, events: int) -> None:
        """Count events whose id was known."""
        self._repeated.labels(model).inc(events)

    def verified(self, model: str, proven: bool) -> None:
        """Count the request id of an event, and whether it was proven to be its user's."""
        self._requests[model, proven].inc()

    def refused(self, reason: Refusal) -> None:
        """Count a refused request."""
        self._refused[reason].inc()

    def refused_connection(self, reason: ConnectionRefusal) -> None:
        """Count a connection that was refused or closed."""
        self._refused_connections[reason].inc()

    def backlog(self, model: str, records: int) -> None:
        """Set the length of a log."""
        self._backlog[model].set(records)


class WriterMetrics:
    """Metrics of the writers of all models."""

    def __init__(
        self,
        registry: CollectorRegistry,
        models: Iterable[str],
        targets: Iterable[Target] = (Target.STORE, Target.LAKE),
    ) -> None:
        self.files = FileMetrics(registry, models)
        labels = ("model", "target")
        self._events = Counter(
            "recommender_writer_events_total", "Events written.", labels, registry=registry
        )
        self._unreadable = Counter(
            "recommender_writer_unreadable_lines_total",
            "Lines of the log that are no events of this format.",
            labels,
            registry=registry,
        )
        self._failures = Counter(
            "recommender_writer_failures_total",
            "Attempts that failed and are repeated.",
            labels,
            registry=registry,
        )
        self._last = Gauge(
            "recommender_writer_last_record_timestamp_seconds",
            "Time of the last record that is written, or of the last look that found none.",
            labels,
            registry=registry,
        )
        self._exposures = Counter(
            "recommender_writer_exposures_total",
            "Impressions that count for an experiment.",
            ("model",),
            registry=registry,
        )
        self._ignored = Counter(
            "recommender_writer_ignored_exposures_total",
            "Impressions of an experiment that do not count, by the bound that is reached.",
            ("model", "reason"),
            registry=registry,
        )
        self._damaged = Counter(
            "recommender_writer_damaged_experiments_total",
            "Experiments whose state in the store could not be read, so that they do not count.",
            ("model",),
            registry=registry,
        )
        self._predictions = Counter(
            "recommender_writer_predictions_total",
            "Predictions of impressions, by whether they count for the outcomes of a version.",
            ("model", "counts"),
            registry=registry,
        )
        self._unread = Gauge(
            "recommender_writer_unread_messages",
            "Messages of Kafka that are not in the log of the store yet.",
            ("model",),
            registry=registry,
        )
        self._lost = Counter(
            "recommender_writer_lost_messages_total",
            "Messages that Kafka removed by its retention before they were read.",
            ("model",),
            registry=registry,
        )
        self._forgotten = Counter(
            "recommender_writer_forgotten_sets_total",
            "Sets of users that were removed because the store was nearly full.",
            ("set",),
            registry=registry,
        )
        for name in Set:
            self._forgotten.labels(name.value)
        written = tuple(targets)
        for model in models:
            self._exposures.labels(model)
            self._unread.labels(model)
            self._lost.labels(model)
            for counts in ("true", "false"):
                self._predictions.labels(model, counts)
            self._damaged.labels(model)
            for reason in Ignored:
                self._ignored.labels(model, reason.value)
            for target in written:
                for metric in (self._events, self._unreadable, self._failures, self._last):
                    metric.labels(model, target.value)

    def wrote(self, model: str, target: Target, events: int, unreadable: int) -> None:
        """Count what a write added."""
        self._events.labels(model, target.value).inc(events)
        self._unreadable.labels(model, target.value).inc(unreadable)

    def exposed(self, model: str, counted: int, ignored: Mapping[Ignored, int]) -> None:
        """Count the impressions of experiments."""
        self._exposures.labels(model).inc(counted)
        for reason, number in ignored.items():
            self._ignored.labels(model, reason.value).inc(number)

    def damaged(self, model: str, experiments: int) -> None:
        """Count experiments that do not count any more."""
        self._damaged.labels(model).inc(experiments)

    def predicted(self, model: str, counted: int, ignored: int) -> None:
        """Count the predictions of impressions."""
        self._predictions.labels(model, "true").inc(counted)
        self._predictions.labels(model, "false").inc(ignored)

    def forgot(self, name: Set, sets: int) -> None:
        """Count sets of users that were removed for want of memory."""
        self._forgotten.labels(name.value).inc(sets)

    def unread(self, model: str, messages: int) -> None:
        """Set how many messages of Kafka wait."""
        self._unread.labels(model).set(messages)

    def lost(self, model: str, messages: int) -> None:
        """Count messages that were removed before they were read."""
        self._lost.labels(model).inc(messages)

    def failed(self, model: str, target: Target) -> None:
        """Count a failed attempt."""
        self._failures.labels(model, target.value).inc()

    def reached(self, model: str, target: Target, seconds: float) -> None:
        """Set how far a writer is, in seconds since 1970."""
        self._last.labels(model, target.value).set(seconds)
