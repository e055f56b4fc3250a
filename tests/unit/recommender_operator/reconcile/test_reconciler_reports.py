"""What a reconcile reports: metrics, foreign objects, and traffic that waits."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from recommender_operator import actions as do
from recommender_operator.adapters.kinds import EVENTS, HTTP_ROUTES, JOBS, MODELS, VERSIONS
from recommender_operator.adapters.traffic.traffic_port import TrafficError
from recommender_operator.api.status import Stage
from recommender_operator.reconcile.reconciler import TRAFFIC_GRACE, TRAFFIC_PAUSE
from recommender_operator.resources import model_version
from tests.fakes.documents import copied
from tests.fakes.objects import add_model
from tests.unit.recommender_operator.operator_rig import KEY, Rig
from tests.unit.recommender_operator.reconcile.reconciler_helpers import always, status_writes
from tests.unit.recommender_operator.resources import builder_inputs


async def test_the_stage_and_the_split_are_measured_and_go_with_the_model() -> None:
    rig = Rig()
    add_model(rig.kube)
    for _ in range(2):
        await rig.reconciler.reconcile(KEY)
    assert rig.metric("models", stage=Stage.CHECKING_DATA.value) == 1
    await rig.kube.delete(MODELS, "team", "movies", uid="uid-of-movies")
    await rig.reconciler.reconcile(KEY)
    assert rig.metric("models", stage=Stage.CHECKING_DATA.value) == 0


async def test_a_snapshot_that_failed_is_measured_until_one_is_taken_or_the_model_goes() -> None:
    rig = Rig()
    model, labels = builder_inputs.model(), {"namespace": "team", "model": "movies"}
    rig.metrics.snapshot(model, None)
    assert rig.metric("snapshot_failed", **labels) is None
    rig.metrics.snapshot(model, False)
    assert rig.metric("snapshot_failed", **labels) == 1
    rig.metrics.snapshot(model, True)
    assert rig.metric("snapshot_failed", **labels) == 0
    rig.metrics.forget("team", "movies")
    assert rig.metric("snapshot_failed", **labels) is None


def owned(rig: Rig) -> Any:
    conditions = rig.kube.find(MODELS, "movies")["status"]["conditions"]
    return next(c for c in conditions if c["type"] == "ObjectsOwned")


async def test_a_foreign_object_is_named_on_the_model_with_one_warning() -> None:
    rig = Rig()
    add_model(rig.kube)
    other = {"name": "movies", "namespace": "team"}
    rig.kube.put(HTTP_ROUTES, {"metadata": other})
    for _ in range(3):
        await rig.reconciler.reconcile(KEY)
    condition = owned(rig)
    assert (condition["status"], condition["reason"]) == ("False", "ForeignObject")
    assert "HTTPRoute team/movies does not belong to this model (no owner)" in condition["message"]
    events = [rig.kube.find(EVENTS, name) for name in rig.kube.names(EVENTS)]
    (warning,) = [event for event in events if event["type"] == "Warning"]
    assert warning["reason"] == "ForeignObject"
    assert len([e for e in events if e["reason"] == "ForeignObject"]) == 1
    assert rig.kube.names(JOBS), "the model goes on as far as it can"
    uid = rig.kube.find(HTTP_ROUTES, "movies")["metadata"]["uid"]
    await rig.kube.delete(HTTP_ROUTES, "team", "movies", uid=uid)
    await rig.reconciler.reconcile(KEY)
    assert (owned(rig)["status"], owned(rig)["reason"]) == ("True", "Owned")


async def test_a_foreign_version_with_the_models_labels_is_reported_and_not_changed() -> None:
    rig = Rig()
    add_model(rig.kube)
    thing = model_version.model_version(
        builder_inputs.model(), "movies-byhand01", builder_inputs.version().spec
    )
    thing["metadata"]["ownerReferences"] = []
    before = copied(rig.kube.put(VERSIONS, thing))
    await rig.reconciler.reconcile(KEY)
    assert "ModelVersion team/movies-byhand01" in owned(rig)["message"]
    assert rig.kube.find(VERSIONS, "movies-byhand01") == before


async def test_a_split_that_waits_for_the_data_plane_is_a_failure_only_if_it_goes_on() -> None:
    rig = Rig(always(actions=(do.SetTraffic(weights={"movies-x": 100}),)), knative=True)
    add_model(rig.kube)
    for _ in range(2):
        assert await rig.reconciler.reconcile(KEY) == TRAFFIC_PAUSE
    assert (rig.kube.names(EVENTS), status_writes(rig)) == ([], 0)
    assert rig.metric("reconcile_errors_total", error="TrafficError") is None
    rig.time += datetime.timedelta(seconds=TRAFFIC_GRACE)
    for _ in range(2):
        with pytest.raises(TrafficError):
            await rig.reconciler.reconcile(KEY)
    (name,) = rig.kube.names(EVENTS)
    assert "does not exist yet" in rig.kube.find(EVENTS, name)["message"]
    assert rig.metric("reconcile_errors_total", error="TrafficError") == 2


@pytest.mark.parametrize("ends", ["done", "gone"])
async def test_each_wait_for_the_data_plane_counts_from_its_own_start(ends: str) -> None:
    actions: tuple[do.Action, ...] = (do.SetTraffic(weights={"movies-x": 100}),)
    requested = [actions]
    rig = Rig(
        lambda seen, _: do.Decision(actions=requested[0], status=seen.model.status), knative=True
    )
    model = copied(add_model(rig.kube))
    assert await rig.reconciler.reconcile(KEY) == TRAFFIC_PAUSE
    if ends == "gone":
        await rig.kube.delete(MODELS, "team", "movies", uid=model["metadata"]["uid"])
    requested[0] = ()
    await rig.reconciler.reconcile(KEY)
    if ends == "gone":
        rig.kube.put(MODELS, model)
    requested[0] = actions
    rig.time += datetime.timedelta(seconds=TRAFFIC_GRACE)
    assert await rig.reconciler.reconcile(KEY) == TRAFFIC_PAUSE
