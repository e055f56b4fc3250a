"""A real KEDA makes of our ScaledObjects the autoscalers that the spec describes, and they act."""

from __future__ import annotations

import datetime
import math

from recommender_operator.controller.kube import Object
from recommender_operator.resources import labels
from recommender_operator.resources.labels import Component
from recommender_operator.resources.ownership import controller_of
from tests.keda.in_flight import Requests
from tests.keda.scaled_model import ScaledModel

TRANSFORMER, PREDICTOR = Component.TRANSFORMER, Component.PREDICTOR
#: Always a peak, but for the last minute of the year.
LONG = {"start": "0 0 1 1 *", "end": "59 23 31 12 *", "replicas": 4}
BY_KEDA = {"engine": "KEDA", "maxReplicas": 6, "scaleDownStabilizationSeconds": 0}
MINUTE = datetime.timedelta(minutes=1)
#: Kubernetes looks four times a minute, and the bounds of a peak are whole minutes.
PEAK = 3 * MINUTE


def targets(autoscaler: Object) -> list[tuple[str, Object]]:
    """Return kind and target of each metric, without KEDA's names of metrics."""
    metrics = autoscaler["spec"]["metrics"]
    return [(one["type"], one[one["type"].lower()]["target"]) for one in metrics]


async def test_an_autoscaler_of_keda_has_the_bounds_targets_and_behavior_of_the_spec(
    model: ScaledModel, requests: Requests
) -> None:
    scaling = {**BY_KEDA, "targetRequestsInFlight": 8, "scaleDownStabilizationSeconds": 120}
    await model.create(**scaling, targetCPUUtilizationPercentage=65)
    requests.put(model.namespace, model.version, 0)
    await model.until("KEDA scales", model.by_keda)
    by_cpu = ("Resource", {"type": "Utilization", "averageUtilization": 65})
    by_requests = ("External", {"type": "AverageValue", "averageValue": "8"})
    for component, metrics in ((TRANSFORMER, [by_requests, by_cpu]), (PREDICTOR, [by_cpu])):
        made = await model.of_keda(component)
        assert made is not None
        spec, metadata = made["spec"], made["metadata"]
        assert targets(made) == metrics
        assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 6)
        assert spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 120
        assert spec["scaleTargetRef"]["name"] == f"{model.version}-{component}"
        # By these the operator finds it, and sees that it is KEDA's.
        assert metadata["labels"].items() >= labels.of_version("movies", model.version).items()
        owner = controller_of(made)
        assert owner is not None
        assert (owner["kind"], owner["name"]) == ("ScaledObject", model.name(component))
    await model.until("nothing is reported", model.is_accepted)


async def test_requests_in_flight_add_pods_and_lost_metrics_remove_none(
    model: ScaledModel, requests: Requests
) -> None:
    await model.create(**BY_KEDA, targetRequestsInFlight=8)
    requests.put(model.namespace, model.version, 40)
    await model.until("KEDA scales", model.by_keda)

    async def enough() -> bool:
        return await model.pods(TRANSFORMER) == math.ceil(40 / 8)

    await model.until("a pod for every eight requests", enough)
    assert await model.pods(PREDICTOR) == 2, "its pods are not asked for by requests"
    requests.lose(model.namespace, model.version)

    async def lost() -> bool:
        scaler = await model.of_keda(TRANSFORMER)
        conditions = ((scaler or {}).get("status") or {}).get("conditions") or []
        reasons = {one["reason"] for one in conditions if one["status"] == "False"}
        return "FailedGetExternalMetric" in reasons

    await model.until("the autoscaler lacks the metric", lost)
    assert await enough()
    requests.put(model.namespace, model.version, 0)

    async def fewest() -> bool:
        return await model.pods(TRANSFORMER) == 2

    await model.until("the minimum again", fewest)


def window(start: datetime.datetime, end: datetime.datetime) -> Object:
    """Return a peak on this day, with minutes as its bounds."""

    def at(time: datetime.datetime) -> str:
        return f"{time.minute} {time.hour} * * *"

    return {"start": at(start), "end": at(end), "replicas": 4}


async def test_a_peak_raises_the_number_of_pods_in_its_window_and_no_longer(
    model: ScaledModel,
) -> None:
    now = datetime.datetime.now(datetime.UTC)
    past = window(now - 60 * MINUTE, now - 30 * MINUTE)
    await model.create(**BY_KEDA, peaks=[past])
    await model.until("KEDA scales", model.by_keda)
    for component in Component:
        assert await model.pods(component) == 2, "a peak that is over"
    now = datetime.datetime.now(datetime.UTC)
    await model.scale_by(**BY_KEDA, peaks=[window(now - MINUTE, now + PEAK)])

    async def number(wanted: int) -> bool:
        return all([await model.pods(component) == wanted for component in Component])

    await model.until("the pods of the peak", lambda: number(4))
    await model.until("the end of the peak", lambda: number(2))
    ended = datetime.datetime.now(datetime.UTC)
    assert [max(seen) for seen in model.replicas.values()] == [4, 4]
    assert ended >= (now + PEAK).replace(second=0, microsecond=0)


async def test_a_model_changes_its_engine_with_the_pods_that_it_has(model: ScaledModel) -> None:
    await model.create(**BY_KEDA, peaks=[LONG])
    await model.until("KEDA scales", model.by_keda)

    async def peak() -> bool:
        return all([await model.pods(component) == 4 for component in Component])

    await model.until("the peak", peak)
    for seen in model.replicas.values():
        seen.clear()
    slowly = {"maxReplicas": 6, "scaleDownStabilizationSeconds": 300}
    await model.scale_by(engine="HPA", **slowly)
    await model.until("the operator's autoscalers", model.by_operator)
    await model.scale_by(**{**BY_KEDA, **slowly}, peaks=[LONG])
    await model.until("KEDA again", model.by_keda)
    assert {component: set(seen) for component, seen in model.replicas.items()} == {
        component: {4} for component in Component
    }


async def test_a_paused_scaled_object_keeps_its_pods_and_the_operator_waits(
    model: ScaledModel,
) -> None:
    await model.create(**BY_KEDA, peaks=[LONG])
    await model.until("KEDA scales", model.by_keda)

    async def peak() -> bool:
        return await model.pods(TRANSFORMER) == 4

    await model.until("the peak", peak)
    await model.annotate(TRANSFORMER, paused="true")

    async def paused() -> bool:
        return await model.of_keda(TRANSFORMER) is None

    await model.until("KEDA removes its autoscaler", paused)
    model.ahead += 5 * MINUTE  # more than the operator waits for KEDA
    for _ in range(5):
        await model.look()
    assert await model.of_operator(TRANSFORMER) is None
    assert await model.scaled_object(TRANSFORMER) is not None
    assert await peak()
    await model.annotate(TRANSFORMER, paused=None)
    await model.until("KEDA scales again", model.by_keda)


async def test_with_a_model_all_that_scales_it_is_deleted(model: ScaledModel) -> None:
    await model.create(**BY_KEDA, peaks=[LONG])
    await model.until("KEDA scales", model.by_keda)
    await model.delete()
    await model.until("nothing is left", model.gone)
