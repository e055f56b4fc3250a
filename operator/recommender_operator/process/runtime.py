"""The assembly of all parts: one process, one queue, one reconcile."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
import random
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp

from recommender_operator.adapters import model_caches
from recommender_operator.adapters.counters import collector_client, gateway_losses, prometheus
from recommender_operator.adapters.counters.pod_scrape import PodScrape
from recommender_operator.adapters.counters.sample_provider import SampleProvider
from recommender_operator.adapters.objects.baseline_store import BaselineStore
from recommender_operator.adapters.objects.platform import PlatformReader
from recommender_operator.adapters.objects.volume_claims import ClaimReader
from recommender_operator.adapters.pods.smoke import HttpSmokeTester
from recommender_operator.adapters.traffic.data_planes import DATA_PLANES
from recommender_operator.adapters.traffic.route_hosts import HostReader
from recommender_operator.adapters.traffic.traffic_port import Traffic
from recommender_operator.api import base_url
from recommender_operator.api.spec import Provider, TrafficMode
from recommender_operator.controller.cached_kube import CachedKube
from recommender_operator.controller.caches import Caches
from recommender_operator.controller.client import OfficialKube
from recommender_operator.controller.health import Health, Limits, StaleError
from recommender_operator.controller.kube import Kube, NotLeaderError, Object
from recommender_operator.controller.schedule import spread
from recommender_operator.controller.transport import LogIn, Transport, log_in
from recommender_operator.controller.watching import ApiSource
from recommender_operator.controller.workqueue import Observer as QueueObserver
from recommender_operator.controller.workqueue import WorkQueue
from recommender_operator.decide import decide
from recommender_operator.metrics.operator_metrics import Metrics
from recommender_operator.observed import ModelObject
from recommender_operator.process import instances, notification_setup
from recommender_operator.process.instances import Release, ReleaseClaims, is_labelled
from recommender_operator.process.settings import Settings
from recommender_operator.reconcile.executor import Executor
from recommender_operator.reconcile.observer import Observer
from recommender_operator.reconcile.reconciler import Key, Notify, Reconciler
from recommender_operator.reconcile.retraining_limits import Retrainings
from recommender_operator.reconcile.smoke_runner import SmokeRunner
from recommender_operator.reconcile.uncached_reads import UncachedReads
from recommender_operator.reconcile.window_polling import WindowPolling
from recommender_operator.resources.labels import MANAGER

logger = logging.getLogger(__name__)

#: Timeout of one try of a request to the API server, in seconds.
API_TIMEOUT = 15.0
#: Pause before the next pass while this process may not write, in seconds.
FENCED_WAIT = 5.0


class LookTimeoutError(Exception):
    """A pass exceeded its time limit, usually because the API server does not respond."""


def utc_now() -> datetime.datetime:
    """Return the current time, with its time zone."""
    return datetime.datetime.now(datetime.UTC)


class Runtime:
    """The engine behind the handlers."""

    def __init__(
        self,
        settings: Settings,
        *,
        fence: Callable[[], None],
        log_in: LogIn = log_in,
        now: Callable[[], datetime.datetime] = utc_now,
    ) -> None:
        """`fence` raises NotLeaderError if this process may not write."""
        self._settings = settings
        self._fence = fence
        self._now = now
        self.metrics = Metrics()
        transport = Transport(
            log_in,
            # A pass has few concurrent requests; watches do not count.
            concurrency=min(64, 4 + 4 * settings.workers),
            timeout=API_TIMEOUT,
        )
        self._kube = OfficialKube(
            transport, manager=MANAGER, observe=self.metrics.api_request, fence=fence
        )
        self._caches = Caches(
            ApiSource(transport, observe=self.metrics.api_request),
            model_caches.watched(
                model_caches.CHILDREN_WITH_KEDA if settings.keda else model_caches.CHILDREN,
                selector=instances.selector(settings.instance),
            ),
            namespaces=settings.watch_namespaces,
            wake=lambda namespace, model: self.wake(Key(namespace, model)),
            known=self._known,
            metrics=self.metrics,
        )
        self._sessions: list[aiohttp.ClientSession] = []
        self._polling: WindowPolling[Key] = WindowPolling(read=self.metrics.window_readings.inc)
        self._tasks: list[asyncio.Task[None]] = []
        self._stack = contextlib.ExitStack()
        self._reconciler: Reconciler | None = None
        self.queue: WorkQueue[Key] = WorkQueue(
            self._work,
            workers=settings.workers,
            # With only one namespace, no workers need to stay free for others.
            group=None if len(settings.watch_namespaces) == 1 else lambda key: key.namespace,
            observer=QueueObserver(
                waited=self.metrics.queue_wait.observe,
                dropped=lambda _: self.metrics.queue_dropped.inc(),
            ),
        )
        limits = Limits(stalled=float(settings.stall_seconds), working=2.0 * settings.look_seconds)
        self.health: Health[Key] = Health(self.queue.schedule, limits)
        self._claims = ReleaseClaims(
            self._kube,
            Release(settings.release, settings.instance),
            grace=2.0 * settings.look_seconds,
            metrics=self.metrics,
            now=now,
            clock=time.monotonic,
        )

    # --- called by the handlers

    def wake(self, key: Key) -> None:
        """Request a reconcile; a standby has none."""
        if self._reconciler is None:
            return
        self._polling.cause(key)
        self.queue.add(key)

    def watched(self, key: Key, generation: int) -> None:
        """Handle a model that the watch reported."""
        self.health.watched(key, generation)

    # --- called by the process

    def check(self) -> dict[str, float]:
        """Return the figures of the liveness probe.

        Raises:
            StaleError: a part makes no progress, or the workers have ended.
        """
        if any(task.done() for task in self._tasks) or self._caches.ended():
            raise StaleError("the workers or the watches are not running")
        return self.health.check()

    def open(self, *, leads: Callable[[], float], transitions: Callable[[], float]) -> None:
        """Serve the metrics, also as a standby."""
        schedule = self.queue.schedule
        self.metrics.watch_election(leads, transitions)
        self.metrics.watch_queue(
            lambda: float(schedule.depth(time.monotonic())), lambda: float(schedule.working)
        )
        self.metrics.serve(self._settings.metrics_port, self._stack)

    async def close(self) -> None:
        """Close the metrics server, the caches and the client."""
        self._stack.close()
        await self._caches.stop()
        await self._kube.close()

    async def prepare(self) -> None:
        """Fill the caches before this process leads.

        The first lists of a large cluster take seconds. A cache may lack the last writes of the
        former leader; a write that is decided without them conflicts, as it always does. The
        watches are at most one Lease old when this process leads, or else they start again.
        """
        await self._caches.start()

    async def stand_down(self) -> None:
        """Stop what `prepare` has started."""
        await self._caches.stop()

    async def start(self) -> None:
        """Start the caches and the workers."""
        await self._caches.start()
        session = self._opened(notification_setup.session())
        notifier = notification_setup.notifier(
            self._settings, self._kube, session, self.metrics, self._now
        )
        self._reconciler = self._assemble(CachedKube(self._kube, self._caches), notifier.take_up)
        # Later lists and changes wake models themselves.
        for namespace, model in self._caches.parents():
            self.wake(Key(namespace, model))
        self._tasks.append(asyncio.create_task(notifier.run(), name="notifications"))
        self._tasks.append(asyncio.create_task(self.queue.run(), name="workers"))

    async def stop(self) -> None:
        """Stop the workers; the next start decides again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self._reconciler = None
        await self._caches.stop()
        self._polling.clear()
        for session in self._sessions:
            await session.close()
        self._sessions.clear()

    # --- the parts

    def _known(self, namespace: str, model: str) -> None:
        """Add a model again that the queue may have dropped; a standby has none."""
        if self._reconciler is None:
            return
        later = random.random() * self._settings.requeue_seconds  # noqa: S311
        self.queue.add(Key(namespace, model), later)

    async def _work(self, key: Key) -> float | None:
        assert self._reconciler is not None, "start precedes any work"
        try:
            self._fence()
            # Limits a pass if the API server does not respond.
            async with asyncio.timeout(self._settings.look_seconds):
                again = await self._reconciler.reconcile(key)
                return None if again is None else spread(again, random.random())  # noqa: S311
        except NotLeaderError as error:
            logger.info("%s: %s", key, error)
            return FENCED_WAIT
        except TimeoutError as error:
            self.metrics.reconcile_errors.labels(error=LookTimeoutError.__name__).inc()
            limit = self._settings.look_seconds
            raise LookTimeoutError(f"the reconcile took longer than {limit} s") from error

    def _seen(self, key: Key, raw: Object | None) -> None:
        if raw is None:
            self._claims.forget(key)
        # The watch reports no models of other instances.
        if raw is None or not is_labelled(raw, self._settings.instance):
            self.health.gone(key)
        else:
            self.health.read(key, int(raw["metadata"].get("generation") or 0))

    def _assemble(self, kube: Kube, notify: Notify) -> Reconciler:
        options = self._settings.options
        traffics = {mode: make(kube, options) for mode, make in DATA_PLANES.items()}

        def traffic_of(model: ModelObject) -> Traffic:
            return traffics[model.spec.rollout.traffic]

        smoke = self._opened(HttpSmokeTester.session())
        baselines = BaselineStore(kube)
        samples_of, users = self._provider(), self._users()
        return Reconciler(
            kube,
            observer=Observer(
                kube,
                traffic_of=traffic_of,
                samples_of=samples_of,
                uncached=UncachedReads(
                    claims=ClaimReader(kube),
                    platform=PlatformReader(kube, options),
                    hosts=HostReader(kube, options, self._settings.watch_namespaces),
                    erasures=users,
                ),
                baselines=baselines,
                users=users,
                direct=self._kube,
            ),
            smoke_runner=SmokeRunner(self._kube, HttpSmokeTester(smoke), self._now),
            executor=Executor(
                kube,
                traffic_of=traffic_of,
                options=options,
                metrics=self.metrics,
                baselines=baselines,
            ),
            decide=Retrainings(
                decide,
                self._settings.retrainings_at_once,
                self._settings.retrainings_per_day,
                float(self._settings.requeue_seconds),
            ),
            metrics=self.metrics,
            now=self._now,
            longest_wait=float(self._settings.requeue_seconds),
            samples_of=samples_of,
            polling=self._polling,
            admit=self._claims.admit,
            seen=self._seen,
            notify=notify,
        )

    def _provider(self) -> Callable[[ModelObject], SampleProvider]:
        pods = PodScrape(self._opened(PodScrape.session()))
        queries = prometheus.Queries(self._opened(prometheus.Queries.session()))
        allowed = self._settings.prometheus_urls
        losses = self._gateway_losses(queries)

        def of(model: ModelObject) -> SampleProvider:
            analysis = model.spec.rollout.analysis
            provider: SampleProvider = pods
            if analysis.provider is Provider.PROMETHEUS and analysis.prometheus_url:
                provider = prometheus.provider(queries, analysis.prometheus_url, allowed)
            if losses is not None and model.spec.rollout.traffic is TrafficMode.GATEWAY:
                return gateway_losses.WithGateway(provider, losses)
            return provider

        return of

    def _users(self) -> collector_client.CollectorReader | collector_client.NoCollector:
        url, namespace = self._settings.experiments_url, self._settings.namespace
        if not url:
            return collector_client.NoCollector()
        session = self._opened(collector_client.CollectorReader.session())
        file = self._settings.experiments_token_file
        return collector_client.CollectorReader(
            session, url, namespace, token_file=Path(file) if file else None
        )

    def _gateway_losses(self, queries: prometheus.Queries) -> gateway_losses.GatewayLosses | None:
        url = self._settings.gateway_losses_url
        if not url:
            return None
        query = base_url.query_template(self._settings.gateway_losses_query)
        return gateway_losses.GatewayLosses(queries, url, query)

    def _opened(self, session: aiohttp.ClientSession) -> aiohttp.ClientSession:
        self._sessions.append(session)
        return session
