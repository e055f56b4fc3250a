"""The reconciler with fakes: everything except Kopf and the API server."""

from __future__ import annotations

import datetime
from collections.abc import Callable

from recommender_operator.adapters.counters.collector_client import UsersReader
from recommender_operator.adapters.counters.sample_provider import SampleProvider
from recommender_operator.adapters.objects.baseline_store import BaselineStore
from recommender_operator.adapters.objects.platform import PlatformReader
from recommender_operator.adapters.objects.volume_claims import ClaimReader
from recommender_operator.adapters.traffic.gateway_traffic import GatewayTraffic
from recommender_operator.adapters.traffic.knative.knative_traffic import KnativeTraffic
from recommender_operator.adapters.traffic.route_hosts import HostReader
from recommender_operator.adapters.traffic.traffic_port import Traffic
from recommender_operator.controller.kube import Kube
from recommender_operator.decide import decide
from recommender_operator.metrics.operator_metrics import Metrics
from recommender_operator.reconcile.executor import Executor
from recommender_operator.reconcile.observer import Observer
from recommender_operator.reconcile.reconciler import Decide, Key, Reconciler
from recommender_operator.reconcile.smoke_runner import SmokeRunner
from recommender_operator.reconcile.uncached_reads import UncachedReads
from recommender_operator.reconcile.window_polling import WindowPolling
from recommender_operator.resources.options import Options
from tests.fakes.answers import FakeSamples, FakeSmoke
from tests.fakes.kube import NOW, FakeKube
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS

KEY = Key("team", "movies")


class Rig:
    def __init__(
        self,
        decision: Decide = decide,
        *,
        kube: Kube | None = None,
        samples: SampleProvider | None = None,
        key: Key = KEY,
        knative: bool = False,
        users: UsersReader | None = None,
        options: Options = OPTIONS,
    ) -> None:
        #: An API server in memory, unless the test brings a real one.
        self.kube = FakeKube()
        self.samples = FakeSamples()
        self.key = key
        port: Kube = kube or self.kube
        provider: SampleProvider = samples or self.samples
        self.smoke = FakeSmoke()
        self.metrics = Metrics()
        self.time = NOW
        clock: Callable[[], float] = lambda: self.time.timestamp()  # noqa: E731
        now: Callable[[], datetime.datetime] = lambda: self.time  # noqa: E731
        self.polling: WindowPolling[Key] = WindowPolling(clock=clock)
        self.traffic: Traffic = (
            KnativeTraffic(port, options) if knative else GatewayTraffic(port, options, clock)
        )
        baselines = BaselineStore(port)
        self.observer = Observer(
            port,
            traffic_of=lambda _: self.traffic,
            samples_of=lambda _: provider,
            uncached=UncachedReads(
                claims=ClaimReader(port, clock=clock),
                platform=PlatformReader(port, options, clock=clock),
                hosts=HostReader(port, options, clock=clock),
            ),
            baselines=baselines,
            users=users,
        )
        self.executor = Executor(
            port,
            traffic_of=lambda _: self.traffic,
            options=options,
            metrics=self.metrics,
            baselines=baselines,
        )
        self.smoke_runner = SmokeRunner(port, self.smoke, now)
        self.reconciler = Reconciler(
            port,
            observer=self.observer,
            smoke_runner=self.smoke_runner,
            executor=self.executor,
            decide=decision,
            metrics=self.metrics,
            now=now,
            longest_wait=60.0,
            samples_of=lambda _: provider,
            polling=self.polling,
        )

    def metric(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"recommender_operator_{name}", labels)
