"""The reconcile over fakes: everything but Kopf and the API server."""

from __future__ import annotations

import datetime
from collections.abc import Callable

from recommender_operator.adapters.gateway_traffic import GatewayTraffic
from recommender_operator.adapters.platform import PlatformReader
from recommender_operator.decide import decide
from recommender_operator.execute import Executor
from recommender_operator.metrics import Metrics
from recommender_operator.observe import Observer
from recommender_operator.reconcile import Decide, Key, Reconciler
from tests.fakes import NOW, FakeKube, FakeSamples, FakeSmoke
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS

KEY = Key("team", "movies")


class Rig:
    def __init__(self, decision: Decide = decide) -> None:
        self.kube = FakeKube()
        self.samples = FakeSamples()
        self.smoke = FakeSmoke()
        self.metrics = Metrics()
        self.time = NOW
        self.finished: list[str] = []
        traffic = GatewayTraffic(self.kube, OPTIONS)
        self.observer = Observer(
            self.kube,
            traffic_of=lambda _: traffic,
            samples_of=lambda _: self.samples,
            platform=PlatformReader(self.kube, "models.example", clock=lambda: 0.0),
        )
        now: Callable[[], datetime.datetime] = lambda: self.time  # noqa: E731
        self.executor = Executor(
            self.kube,
            traffic_of=lambda _: traffic,
            smoke=self.smoke,
            options=OPTIONS,
            metrics=self.metrics,
            now=now,
        )
        self.reconciler = Reconciler(
            self.kube,
            observer=self.observer,
            executor=self.executor,
            decide=decision,
            metrics=self.metrics,
            now=now,
            longest_wait=60.0,
            finished=self.finished.append,
        )

    def metric(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"recommender_operator_{name}", labels)
