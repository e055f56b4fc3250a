"""The operator's own Prometheus metrics (`docs/metrics.md`)."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)

from recommender_operator.metrics import exposition
from recommender_operator.metrics.model_gauges import Cache, CacheGauges, ModelGauges
from recommender_operator.metrics.model_metrics import ModelMetric
from recommender_operator.observed import ModelObject, VersionObject

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
#: Maximum number of pairs of outcome and reason per model; further ones count as Other.
MAX_DECISIONS = 50
OTHER = "Other"
_PHASE_SECONDS = (1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400)


def version() -> str:
    """Return the version of the installed package."""
    try:
        return metadata.version("recommender-operator")
    except metadata.PackageNotFoundError:
        return "unknown"


class Metrics:
    """All metrics, in a separate registry, so that one process can have several."""

    def __init__(self) -> None:
        #: All metrics, and those that are not of single models.
        self.registry, self._others = CollectorRegistry(), CollectorRegistry()
        self.registry.register(self._others)
        own: dict[str, Any] = {"namespace": "recommender_operator", "registry": self._others}
        self.reconcile_seconds = Histogram(
            "reconcile_duration_seconds", "Duration of a reconcile.", buckets=_SECONDS, **own
        )
        self.reconcile_errors = Counter(
            "reconcile_errors", "Failed reconciles, by class of exception.", ["error"], **own
        )
        self.conflicts = Counter(
            "conflicts", "Reconciles that ended because an observed object had changed.", **own
        )
        self.window_readings = Counter(
            "window_readings",
            "Readings of counters that found a drift window still filling.",
            **own,
        )
        self.actions = Counter("actions", "Actions executed, by kind.", ["action"], **own)
        self.queue_depth = Gauge("queue_depth", "Models that are due.", **own)
        self.queue_working = Gauge("queue_working", "Models being reconciled.", **own)
        self.queue_wait = Histogram(
            "queue_wait_seconds",
            "Time from due to the start of a reconcile.",
            buckets=_SECONDS,
            **own,
        )
        self.queue_dropped = Counter(
            "queue_dropped", "Keys that were dropped because the queue was full.", **own
        )
        self.requests = Histogram(
            "api_request_duration_seconds",
            "Requests to the API server; status 0 is a lost connection.",
            ["verb", "resource", "status"],
            buckets=_SECONDS,
            **own,
        )
        self.leader = Gauge("leader", "1 if this process may write, 0 as a standby.", **own)
        self.leader_transitions = Gauge(
            "leader_transitions", "Number of changes of the lease's holder.", **own
        )
        self._of_models(own)
        self._of_caches(own)
        self._model_gauges = ModelGauges()
        self.registry.register(self._model_gauges)
        build = Gauge("build_info", "Always 1; the label has the version.", ["version"], **own)
        build.labels(version=version()).set(1)
        self._weights: dict[tuple[str, str], set[str]] = {}
        self._stages: dict[tuple[str, str], str] = {}
        self._snapshots: set[tuple[str, str]] = set()
        self._decisions: dict[tuple[str, str], set[tuple[str, str]]] = {}
        #: Stages with a histogram, by namespace.
        self._phases: dict[str, set[str]] = {}

    def _of_models(self, own: dict[str, Any]) -> None:
        model = ("namespace", "model")
        self.phase_seconds = Histogram(
            "phase_duration_seconds",
            "Time that a version spent in a stage, observed when it leaves it.",
            # Not by model: a histogram of each stage is a hundred series.
            ["namespace", "stage"],
            buckets=_PHASE_SECONDS,
            **own,
        )
        self.verdicts = Counter(
            "verdicts", "Decisions about versions, by outcome and reason.",
            [*model, "outcome", "reason"], **own,
        )  # fmt: skip
        self.weight = Gauge(
            "traffic_weight_percent", "Percent of requests that the data plane reports.",
            [*model, "version"], **own,
        )  # fmt: skip
        self.snapshot_failed = Gauge(
            "snapshot_failed", "1 if the last snapshot of the data failed, 0 if it succeeded.",
            [*model], **own,
        )  # fmt: skip
        self.foreign_models = Gauge(
            "foreign_models", "Models that another release of the same instance manages.", **own
        )
        self.models = Gauge("models", "RecommenderModels, by stage.", ["stage"], **own)
        self.notifications = Counter(
            "notifications", "Notifications, by receiver and result.",
            ["receiver", "result"], **own,
        )  # fmt: skip

    def _of_caches(self, own: dict[str, Any]) -> None:
        self.cache_lists = Counter(
            "cache_lists", "Lists read into a cache, by cause.",
            ["resource", "why"], **own,
        )  # fmt: skip
        self._caches = CacheGauges()
        self._others.register(self._caches)

    def watch_caches(self, caches: Callable[[], Iterable[Cache]]) -> None:
        """Collect the metrics of the caches at each scrape."""
        self._caches.caches = caches

    def cache_listed(self, resource: str, why: str) -> None:
        """Count a list that was read into a cache."""
        self.cache_lists.labels(resource=resource, why=why).inc()

    def notified(self, receiver: str, result: str) -> None:
        """Count a notification."""
        self.notifications.labels(receiver=receiver, result=result).inc()

    def watch_election(self, leads: Callable[[], float], transitions: Callable[[], float]) -> None:
        """Collect the metrics of the election at each scrape."""
        self.leader.set_function(leads)
        self.leader_transitions.set_function(transitions)

    def watch_queue(self, depth: Callable[[], float], working: Callable[[], float]) -> None:
        """Collect the metrics of the queue at each scrape."""
        self.queue_depth.set_function(depth)
        self.queue_working.set_function(working)

    def api_request(self, verb: str, resource: str, status: int, seconds: float) -> None:
        """Count a request to the API server."""
        self.requests.labels(verb=verb, resource=resource, status=str(status)).observe(seconds)

    def traffic(self, model: ModelObject, weights: Mapping[str, int]) -> None:
        """Set the weights of a model's versions, and remove versions without a weight."""
        key = (model.namespace, model.name)
        for gone in self._weights.get(key, set()) - set(weights):
            self.weight.remove(*key, gone)
        for name, percent in weights.items():
            self.weight.labels(*key, name).set(percent)
        self._weights[key] = set(weights)

    def set_model_metrics(self, model: ModelObject, metrics: tuple[ModelMetric, ...]) -> None:
        """Replace the gauges of a model and its versions."""
        self._model_gauges.set(model.namespace, model.name, metrics)

    def stage(self, model: ModelObject, stage: str) -> None:
        """Count a model under its stage."""
        key = (model.namespace, model.name)
        before = self._stages.get(key)
        if before == stage:
            return
        if before is not None:
            self.models.labels(stage=before).dec()
        self.models.labels(stage=stage).inc()
        self._stages[key] = stage

    def snapshot(self, model: ModelObject, taken: bool | None) -> None:
        """Set whether the last snapshot failed; remove the metric if there is none."""
        key = (model.namespace, model.name)
        if taken is not None:
            self.snapshot_failed.labels(*key).set(not taken)
            self._snapshots.add(key)
        else:
            self._forget_snapshot(key)

    def _forget_snapshot(self, key: tuple[str, str]) -> None:
        if key in self._snapshots:
            self.snapshot_failed.remove(*key)
            self._snapshots.discard(key)

    def moved(self, model: ModelObject, before: VersionObject, after: VersionObject) -> None:
        """Count a change of a version's stage, and a new decision."""
        key = (model.namespace, model.name)
        old, new = before.status, after.status
        if old.stage is not new.stage and old.stage_since and new.stage_since:
            spent = max(new.stage_since - old.stage_since, datetime.timedelta())
            where = (model.namespace, old.stage.value)
            self.phase_seconds.labels(*where).observe(spent.total_seconds())
            self._phases.setdefault(model.namespace, set()).add(old.stage.value)
        if new.decision is not None and new.decision != old.decision:
            known = self._decisions.setdefault(key, set())
            pair = (new.decision.outcome, new.decision.reason)
            # Reasons also come from the reports of Jobs, so their number is unlimited.
            if pair not in known and len(known) >= MAX_DECISIONS:
                pair = (new.decision.outcome, OTHER)
            known.add(pair)
            self.verdicts.labels(*key, *pair).inc()

    def serve(self, port: int, closing: contextlib.ExitStack) -> None:
        """Serve `/metrics` on a port, with the metrics of the process, until `closing` closes."""
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._others)
        server, thread = start_http_server(port, registry=self._others)
        server.set_app(exposition.app(self._others, self._model_gauges))
        closing.callback(thread.join, 5)
        closing.callback(server.server_close)
        closing.callback(server.shutdown)

    def forget(self, namespace: str, name: str) -> None:
        """Remove the series of a deleted model, and with the last one those of its namespace."""
        key = (namespace, name)
        for gone in self._weights.pop(key, set()):
            self.weight.remove(*key, gone)
        self._forget_snapshot(key)
        self._model_gauges.forget(namespace, name)
        for pair in self._decisions.pop(key, set()):
            self.verdicts.remove(*key, *pair)
        before = self._stages.pop(key, None)
        if before is not None:
            self.models.labels(stage=before).dec()
        if all(other != namespace for other, _ in self._stages):
            for stage in self._phases.pop(namespace, set()):
                self.phase_seconds.remove(namespace, stage)
