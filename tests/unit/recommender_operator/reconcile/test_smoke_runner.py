"""The smoke inference runs in the look that requests it, and the look uses its result."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_contract.ids import IdKind
from recommender_contract.resource.mapping import IdKinds
from recommender_operator import actions as do
from recommender_operator.adapters.kinds import VERSIONS
from recommender_operator.adapters.objects.parsed_objects import version_object
from recommender_operator.api.spec import DataSource
from recommender_operator.api.version import ModelVersionSpec, ModelVersionStatus, VersionStage
from recommender_operator.controller.kube import PODS
from recommender_operator.decide import decide
from recommender_operator.observed import Observed, ServiceState
from recommender_operator.reconcile.observer import Snapshot
from recommender_operator.resources import model_version, names
from tests.fakes.kube import NOW
from tests.fakes.objects import pod
from tests.unit.recommender_operator.operator_rig import Rig
from tests.unit.recommender_operator.resources import builder_inputs

MODEL = builder_inputs.model()
NAME = names.version_name(MODEL.name, names.spec_hash(MODEL.spec.data, MODEL.spec.training))
DEPLOYING = ModelVersionStatus(stage=VersionStage.DEPLOYING, stage_since=NOW)
SMOKE = (do.RunSmoke(version=NAME),)


def snapshot(rig: Rig, *pods: Any, spec: ModelVersionSpec | None = None) -> Snapshot:
    """Return a look at a version whose service is ready, with these pods in the cache."""
    thing = model_version.model_version(MODEL, NAME, spec or builder_inputs.version().spec)
    thing |= {"kind": "ModelVersion", "status": DEPLOYING.dump()}
    stored = rig.kube.put(VERSIONS, thing)
    service = ServiceState(version=NAME, uid="uid-of-the-service", ready=True)
    observed = Observed(model=MODEL, versions=(version_object(stored),), services={NAME: service})
    return Snapshot(observed=observed, pods={NAME: list(pods)}, serving={NAME: list(pods)})


async def answers(rig: Rig, shot: Snapshot, *actions: do.Action) -> Snapshot | None:
    decision = do.Decision(actions=actions or SMOKE, status=MODEL.status)
    return await rig.smoke_runner.answers(shot, decision)


async def test_the_newest_pod_answers_for_the_service_in_place() -> None:
    rig = Rig()
    shot = snapshot(rig, pod("old", NAME), pod("new", NAME))
    shot.pods[NAME][1]["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z"
    for each in shot.pods[NAME]:
        rig.kube.put(PODS, each)
    seen = await answers(rig, shot)
    assert seen is not None
    assert (rig.smoke.requested, rig.smoke.ids) == (["new"], [IdKinds()])
    smoke = seen.observed.smokes[NAME]
    assert (smoke.passed, smoke.service) == (True, "uid-of-the-service")
    assert rig.kube.writes == []


@pytest.mark.parametrize(("passed", "stage"), [(True, "Canary"), (False, "Rejected")])
async def test_one_write_has_the_smoke_result_and_the_next_stage(passed: bool, stage: str) -> None:
    rig = Rig()
    shot = snapshot(rig, pod("p", NAME))
    rig.kube.put(PODS, shot.pods[NAME][0])
    rig.smoke.passed = passed
    seen = await answers(rig, shot)
    assert seen is not None
    updates = [
        action.status
        for action in decide(seen.observed, NOW).actions
        if isinstance(action, do.UpdateVersion)
    ]
    assert [(update.stage.value, update.smoke is not None) for update in updates] == [
        (stage, True)
    ]


async def test_the_smoke_inference_uses_the_id_types_of_the_version() -> None:
    rig = Rig()
    mapping = {
        "interactions": {"files": "*", "user": "u", "item": "i", "timestamp": "t",
                         "value": "v"},
        "ids": {"user": "Text"},
    }  # fmt: skip
    source = {"persistentVolumeClaim": {"claimName": "raw"}, "format": "CSV", "mapping": mapping}
    spec = builder_inputs.version().spec
    data = spec.data.model_copy(update={"source": DataSource.model_validate(source)})
    shot = snapshot(rig, pod("p", NAME), spec=spec.model_copy(update={"data": data}))
    rig.kube.put(PODS, shot.pods[NAME][0])
    await answers(rig, shot)
    assert rig.smoke.ids == [IdKinds(user=IdKind.TEXT)]


async def test_an_address_of_a_former_pod_is_not_tested() -> None:
    rig = Rig()
    shot = snapshot(rig, pod("gone", NAME), pod("moved", NAME))
    rig.kube.put(PODS, pod("moved", NAME, ready=False))
    rig.kube.put(PODS, pod("not-seen", NAME))
    assert await answers(rig, shot) is None
    assert rig.smoke.requested == []


async def test_without_a_ready_pod_no_smoke_inference_runs() -> None:
    rig = Rig()
    shot = snapshot(rig, pod("p", NAME, ready=False))
    rig.kube.put(PODS, shot.pods[NAME][0])
    assert await answers(rig, shot) is None


@pytest.mark.parametrize("route", [do.SetTraffic(weights={NAME: 100}), do.RemoveTraffic()])
async def test_a_change_of_the_route_does_not_wait_for_an_inference(route: do.Action) -> None:
    rig = Rig()
    shot = snapshot(rig, pod("p", NAME))
    rig.kube.put(PODS, shot.pods[NAME][0])
    assert await answers(rig, shot, route, *SMOKE) is None
    assert rig.smoke.requested == []


async def test_a_decision_without_a_smoke_inference_is_the_last_of_its_look() -> None:
    rig = Rig()
    assert await answers(rig, snapshot(rig), do.EnsureService(version=NAME)) is None
    assert rig.kube.reads == []
