"""The APIs of the cluster that a model needs."""

from __future__ import annotations

import dataclasses

from recommender_operator.adapters.kinds import HTTP_ROUTES, REVISIONS, SCALED_OBJECTS
from recommender_operator.adapters.objects.platform import PlatformReader
from recommender_operator.api.spec import TrafficMode
from tests.fakes.kube import FakeKube
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model


async def test_a_missing_api_is_reported_and_checked_again_later() -> None:
    kube = FakeKube()
    kube.kinds.discard(HTTP_ROUTES)
    time = 0.0
    reader = PlatformReader(kube, OPTIONS, clock=lambda: time)
    missing = ("httproutes.gateway.networking.k8s.io",)
    for _ in range(3):
        assert (await reader.read(TrafficMode.GATEWAY)).missing == missing
    assert len(kube.reads) == 2
    kube.kinds.add(HTTP_ROUTES)
    time = 31.0
    platform = await reader.read(TrafficMode.GATEWAY)
    assert (platform.missing, platform.domain) == ((), "models.example")


async def test_each_mode_needs_its_own_pieces() -> None:
    kube = FakeKube()
    kube.kinds.discard(REVISIONS)
    reader = PlatformReader(kube, OPTIONS)
    assert (await reader.read(TrafficMode.GATEWAY)).missing == ()
    assert (await reader.read(TrafficMode.KNATIVE)).missing == ("revisions.serving.knative.dev",)


async def test_what_workers_need_is_looked_for_when_there_are_several() -> None:
    kube = FakeKube()
    reader = PlatformReader(kube, OPTIONS)
    assert (await reader.read(TrafficMode.GATEWAY, 1)).missing_for_workers == ()
    assert len(kube.reads) == 2
    platform = await reader.read(TrafficMode.GATEWAY, 2)
    assert platform.missing == ()
    assert platform.missing_for_workers == (
        "trainjobs.trainer.kubeflow.org",
        "trainingruntimes.trainer.kubeflow.org",
        "jobsets.jobset.x-k8s.io",
    )


async def test_keda_is_looked_for_where_the_chart_allows_it_and_the_model_asks_for_it() -> None:
    kube = FakeKube()
    allowed = PlatformReader(kube, dataclasses.replace(OPTIONS, keda=True))
    asking = model(serving={"autoscaling": {"maxReplicas": 4, "engine": "KEDA"}}).spec
    found = await allowed.of(asking)
    assert (found.keda, found.missing_for_scaling) == (True, ("scaledobjects.keda.sh",))
    assert (await allowed.of(model().spec)).missing_for_scaling == ()
    kube.kinds.add(SCALED_OBJECTS)
    fresh = PlatformReader(kube, dataclasses.replace(OPTIONS, keda=True))
    assert (await fresh.of(asking)).missing_for_scaling == ()
    refused = await PlatformReader(kube, OPTIONS).of(asking)
    assert (refused.keda, refused.missing_for_scaling) == (False, ())


async def test_the_collector_of_the_installation_and_its_namespace_are_known() -> None:
    options = dataclasses.replace(
        OPTIONS, collector_url="http://c.recsys.svc", store_namespace="recsys"
    )
    found = await PlatformReader(FakeKube(), options).read(TrafficMode.GATEWAY)
    assert (found.collector, found.store, found.collector_namespace) == (True, False, "recsys")
    stored = dataclasses.replace(options, store_url="redis://s:6379/0")
    assert (await PlatformReader(FakeKube(), stored).read(TrafficMode.GATEWAY)).store
