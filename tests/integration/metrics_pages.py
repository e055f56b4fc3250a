"""Metrics pages of the real registries, with some work done between two scrapes."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from recommender_collector.collector_metrics import (
    CollectorMetrics,
    Refusal,
    Target,
    WriterMetrics,
)
from recommender_collector.experiments.experiment import Ignored
from recommender_contract.events import Kind
from recommender_contract.job_reports import SegmentShifts
from recommender_operator.actions import Decision
from recommender_operator.api.spec_experiment import ExperimentSpec
from recommender_operator.api.status import DriftStatus, FeatureEffect, RecommenderModelStatus
from recommender_operator.api.status_holdout import HoldoutGain, HoldoutStatus
from recommender_operator.api.status_labels import LabelDriftStatus, LabelSegment
from recommender_operator.api.version import (
    GateResult,
    MetricVerdict,
    ModelVersionStatus,
    Standby,
    StepRecord,
)
from recommender_operator.api.version_experiment import (
    ArmStatus,
    ExperimentStatus,
    MetricComparison,
)
from recommender_operator.metrics import model_metrics
from recommender_operator.metrics.operator_metrics import Metrics
from recommender_operator.observed import Observed
from tests.fakes.kube import NOW
from tests.unit.recommender_operator.resources import builder_inputs
from tests.unit.recommender_operator.started_worlds import in_canary
from tests.unit.recommender_operator.test_edges import decided

#: A page is a registry, and the work that is done before each scrape.
Page = tuple[CollectorRegistry, Callable[[], None]]


@dataclasses.dataclass(frozen=True)
class Informed:
    """The figures of a cache."""

    plural: str = "jobs"
    age: float = 12.0
    objects: int = 3


@dataclasses.dataclass(frozen=True)
class Rollout:
    """The operator's page, and the versions of the rollout that it shows."""

    page: Page
    namespace: str
    model: str
    champion: str
    candidate: str


def operator() -> Rollout:
    """Return the page of an operator with a canary, a takeover and a drift."""
    metrics = Metrics()
    ProcessCollector(registry=metrics.registry)
    world = in_canary()
    world.watch(60)
    observed, decision = world.observe(), world.reconcile()
    model = observed.model
    metrics.set_model_metrics(model, model_metrics.model_metrics_of(observed, decision))
    metrics.traffic(model, {"movies-a": 90, "movies-b": 10})
    metrics.stage(model, "Canary")
    metrics.snapshot(model, True)
    metrics.watch_caches(lambda: [Informed()])
    _show_faults(metrics)
    champion, candidate = world.status.champion, world.status.candidate
    assert champion
    assert candidate
    page = (metrics.registry, lambda: _reconcile(metrics))
    return Rollout(page, model.namespace, model.name, champion, candidate)


def _show_faults(metrics: Metrics) -> None:
    """Add a model with a takeover, a drift, all limits of a gate and a metric of two versions."""
    gate = GateResult(
        metric="auc", value=0.7, low=0.6, high=0.8, minimum=0.5, maximum=0.9,
        threshold="t", passed=True, message="",
    )  # fmt: skip
    metric = MetricVerdict(
        metric="latencyP99Milliseconds", verdict="Pass", value=0.1, stable_value=0.1, limit=0.2,
        threshold="t", sample_size=900, message="",
    )  # fmt: skip
    status = ModelVersionStatus(
        experiment=_experiment(),
        standby=Standby(version="news-a", since=NOW, count=2),
        gates=(gate,),
        steps=(StepRecord(weight=10, started_at=NOW, metrics=(metric,)),),
    )
    version = dataclasses.replace(builder_inputs.version("news-b"), status=status)
    model = dataclasses.replace(builder_inputs.model(), name="news")
    effect = FeatureEffect(feature="age", effect=0.3, limit=0.1)
    tablet = LabelSegment(
        feature="device",
        value="tablet",
        users=300,
        log_loss=0.71,
        reference_log_loss=0.52,
        breaches_in_a_row=1,
        message="",
    )
    labels = LabelDriftStatus(verdict="Fail", message="", breaches_in_a_row=1, segments=(tablet,))
    drift = DriftStatus(
        verdict="Fail", breaches_in_a_row=1, effects=(effect,), labels=labels,
        segments=SegmentShifts(compared_with="7-abc", segments=4),
    )  # fmt: skip
    status_of = RecommenderModelStatus(drift=drift, holdout=_holdout())
    decision = Decision(actions=(), status=status_of)
    observed = Observed(model=model, versions=(version,))
    metrics.set_model_metrics(model, model_metrics.model_metrics_of(observed, decision))


def _holdout() -> HoldoutStatus:
    """Return the measure of a holdout with every number."""
    gain = HoldoutGain(
        metric="ClickThroughRate", holdout=0.04, others=0.05, difference=0.25, low=0.1, high=0.4
    )
    return HoldoutStatus(id="5c0ffee5", since=NOW, users=100, other_users=400, gains=(gain,))


def _experiment() -> ExperimentStatus:
    """Return the record of an experiment, and of a further version, with every number."""
    plan = ExperimentSpec.model_validate(
        {"primary": [{"metric": "ClickThroughRate", "smallestEffect": 0.1}]}
    )
    compared = MetricComparison(
        metric="ClickThroughRate", role="Primary", champion=0.1, candidate=0.12, difference=0.2,
        low=0.1, high=0.3, p_value=0.01, limit=0.1, champion_users=500, candidate_users=500,
    )  # fmt: skip
    further = ArmStatus(
        version="news-c", result="Passed", users=500, disagreed=1, metrics=(compared,)
    )
    return ExperimentStatus(
        id="00c0ffee", plan=plan, verdict="KeepRunning", users=1000, planned_users=2000, mixed=1,
        disagreed=2, sample_ratio_p=0.5, metrics=(compared,), arms=(further,),
    )  # fmt: skip


def _reconcile(metrics: Metrics) -> None:
    metrics.reconcile_seconds.observe(0.02)
    metrics.reconcile_errors.labels(error="ApiError").inc()
    metrics.actions.labels(action="SetTraffic").inc()
    metrics.queue_wait.observe(0.01)
    metrics.api_request("PATCH", "modelversions", 200, 0.01)
    metrics.cache_listed("jobs", "resync")
    metrics.notified("ops", "delivered")
    metrics.moved(builder_inputs.model(), *decided("AnalysisFailed"))


def collector() -> Page:
    """Return the page of a collector that accepts and refuses."""
    registry = CollectorRegistry()
    metrics = CollectorMetrics(registry, ["movies"])

    def accept() -> None:
        metrics.accepted("movies", Kind.CLICK, 2)
        metrics.repeated("movies", 1)
        metrics.rejected.inc()
        metrics.refused(Refusal.BUSY)
        metrics.append_seconds.observe(0.003)
        metrics.backlog("movies", 5)
        metrics.memory.set(0.2)
        metrics.erasures.inc()

    return registry, accept


def writer() -> Page:
    """Return the page of a writer that writes and fails."""
    registry = CollectorRegistry()
    metrics = WriterMetrics(registry, ["movies"])

    def write() -> None:
        metrics.wrote("movies", Target.STORE, 3, 1)
        metrics.failed("movies", Target.LAKE)
        metrics.reached("movies", Target.STORE, time.time())
        metrics.exposed("movies", 5, {Ignored.EXPERIMENTS: 1})
        metrics.damaged("movies", 1)
        metrics.unread("movies", 2)
        metrics.lost("movies", 1)
        metrics.files.erasing("movies", 1, time.time() - 60, 0.0, 0.0)
        metrics.files.recovered("movies", 1)

    return registry, write


@contextlib.contextmanager
def served(pages: dict[str, Page]) -> Iterator[str]:
    """Serve pages by their paths; yields the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            registry, work = pages[self.path]
            work()
            body = generate_latest(registry)
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
