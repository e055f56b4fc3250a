"""Actions become calls of the ports, in order, and each is idempotent."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any

import pytest

from recommender_operator import actions as do
from recommender_operator.adapters.kinds import (
    BASELINES,
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    JOBS,
    KINDS,
    TRAIN_JOBS,
    TRAINING_RUNTIMES,
    VERSIONS,
)
from recommender_operator.adapters.objects.parsed_objects import version_object
from recommender_operator.api.version import (
    Artifact,
    ModelVersionSpec,
    ModelVersionStatus,
    VersionDecision,
    VersionStage,
)
from recommender_operator.controller.kube import ConflictError, KubeError, Resource
from recommender_operator.observed import Claim, JobKind, Observed
from recommender_operator.reconcile.executor import ExecutionError
from recommender_operator.reconcile.observer import Snapshot
from recommender_operator.resources import counter_baselines, model_version, names
from tests.fakes.documents import copied
from tests.fakes.kube import NOW
from tests.sources import SOURCE
from tests.unit.recommender_operator.operator_rig import Rig
from tests.unit.recommender_operator.resources import builder_inputs

NAME = "movies-0123abcd"
MODEL = builder_inputs.model(data={"source": SOURCE, "snapshots": {}})
PUBLISHED = ModelVersionStatus(
    stage=VersionStage.DEPLOYING,
    stage_since=NOW,
    artifact=Artifact(path="artifacts/movies/ab", digest=builder_inputs.DIGEST),
)


def snapshot(
    rig: Rig,
    status: ModelVersionStatus = PUBLISHED,
    *,
    pods: Mapping[str, Any] | None = None,
    spec: ModelVersionSpec | None = None,
) -> Snapshot:
    thing = model_version.model_version(MODEL, NAME, spec or builder_inputs.version().spec)
    thing["kind"] = "ModelVersion"
    thing["status"] = status.dump()
    stored = rig.kube.put(VERSIONS, thing)
    observed = Observed(model=MODEL, versions=(version_object(stored),))
    return Snapshot(observed=observed, pods=pods or {}, serving=pods or {})


async def run(rig: Rig, shot: Snapshot, *actions: do.Action) -> None:
    await rig.executor.execute(shot, do.Decision(actions=actions, status=MODEL.status))


ALL: list[do.Action] = [
    do.CreateVersion(name="movies-new", spec=builder_inputs.version().spec),
    do.UpdateVersion(name=NAME, status=PUBLISHED.model_copy(update={"weight": 10})),
    do.StartJob(kind=JobKind.CHECK, version=NAME, attempt=0),
    do.StartJob(kind=JobKind.REMOVE, version="movies", attempt=0, inputs={"paths": "lake/movies"}),
    do.EnsureService(version=NAME),
    do.SetTraffic(weights={NAME: 100}),
    do.SaveBaseline(key="step/x", taken_at=NOW, samples={NAME: {"p": {"s": 1.0}}}),
    do.DropBaseline(key="step/x"),
    do.RemoveTraffic(),
    do.DeleteService(version=NAME),
    do.DeleteVersion(name="movies-new"),
    do.StartJob(kind=JobKind.SNAPSHOT, version="movies", attempt=29454480),
    do.DeleteJob(kind=JobKind.SNAPSHOT, version="movies", attempt=29454480),
]


@pytest.mark.parametrize("action", ALL, ids=lambda action: type(action).__name__)
async def test_doing_it_twice_is_the_same_as_once(action: do.Action) -> None:
    once, twice = Rig(), Rig()
    for rig, times in ((once, 1), (twice, 2)):
        shot = snapshot(rig)
        for _ in range(times):
            await run(rig, shot, action)
    assert once.kube.objects == twice.kube.objects


async def test_each_action_has_its_documented_effect() -> None:
    rig = Rig()
    await run(rig, snapshot(rig), *ALL[:7])
    assert rig.kube.names(VERSIONS) == [NAME, "movies-new"]
    assert rig.kube.names(JOBS) == [f"{NAME}-check-0", names.removal_name("movies", 0, MODEL.uid)]
    assert rig.kube.names(INFERENCE_SERVICES) == [NAME]
    assert rig.kube.names(HTTP_ROUTES) == ["movies"]
    assert rig.kube.names(BASELINES) == [counter_baselines.name("movies", "step/x")]
    assert rig.kube.find(VERSIONS, NAME)["status"]["weight"] == 10


async def test_actions_run_in_order_up_to_the_first_error() -> None:
    rig = Rig()
    rig.kube.fault = lambda verb, resource, _: (
        KubeError("down", status=503) if resource == HTTP_ROUTES and verb == "apply" else None
    )
    with pytest.raises(KubeError, match="down"):
        await run(rig, snapshot(rig), ALL[4], ALL[5], ALL[2])
    assert rig.kube.writes == [
        ("apply", "inferenceservices", NAME),
        ("apply", "networkpolicies", f"{NAME}-predictor"),
        ("apply", "networkpolicies", f"{NAME}-transformer"),
        ("apply", "poddisruptionbudgets", f"{NAME}-transformer"),
        ("apply", "poddisruptionbudgets", f"{NAME}-predictor"),
    ]


async def test_a_status_that_says_nothing_new_is_not_written() -> None:
    rig = Rig()
    await run(rig, snapshot(rig), do.UpdateVersion(name=NAME, status=PUBLISHED))
    assert rig.kube.writes == []


async def test_writing_the_status_does_not_restore_a_deleted_version() -> None:
    rig = Rig()
    shot = snapshot(rig)
    uid = rig.kube.find(VERSIONS, NAME)["metadata"]["uid"]
    await rig.kube.delete(VERSIONS, "team", NAME, uid=uid)
    await run(rig, shot, ALL[1])
    assert rig.kube.names(VERSIONS) == []


async def test_a_version_that_was_created_again_does_not_get_the_earlier_status() -> None:
    rig = Rig()
    shot = snapshot(rig)
    rig.kube.find(VERSIONS, NAME)["metadata"]["uid"] = "uid-of-a-later-one"
    await run(rig, shot, ALL[1])
    assert rig.kube.writes == []


@pytest.mark.parametrize(
    "action",
    [
        do.UpdateVersion(name="movies-x", status=PUBLISHED),
        do.StartJob(kind=JobKind.CHECK, version="movies-x", attempt=0),
        do.EnsureService(version="movies-x"),
        do.RunSmoke(version="movies-x"),
    ],
    ids=lambda action: type(action).__name__,
)
async def test_an_action_about_a_version_that_was_not_seen_is_an_error(action: do.Action) -> None:
    rig = Rig()
    with pytest.raises(ExecutionError, match="movies-x"):
        await run(rig, snapshot(rig), action)


async def test_an_orphan_gets_the_model_as_its_owner() -> None:
    rig = Rig()
    shot = snapshot(rig)
    orphan = rig.kube.find(VERSIONS, NAME)
    orphan["metadata"].pop("ownerReferences")
    shot.seen.read(VERSIONS, [copied(orphan)])
    await run(rig, dataclasses.replace(shot, orphans=(NAME,)))
    owners = rig.kube.find(VERSIONS, NAME)["metadata"]["ownerReferences"]
    assert [owner["uid"] for owner in owners] == [MODEL.uid]


async def test_time_in_a_stage_and_each_decision_are_counted_once() -> None:
    rig = Rig()
    decision = VersionDecision(outcome="RolledBack", reason="StepFailed", message="m", at=NOW)
    ended = PUBLISHED.model_copy(
        update={
            "stage": VersionStage.ROLLED_BACK,
            "stage_since": NOW + datetime.timedelta(seconds=40),
            "decision": decision,
        }
    )
    shot = snapshot(rig)
    update = do.UpdateVersion(name=NAME, status=ended)
    await run(rig, shot, update, update)
    where = {"namespace": "team", "model": "movies"}
    count = rig.metric("verdicts_total", outcome="RolledBack", reason="StepFailed", **where)
    assert count == 1
    sums = {"namespace": "team", "stage": "Deploying"}
    assert rig.metric("phase_duration_seconds_sum", **sums) == 40
    assert rig.metric("actions_total", action="UpdateVersion") == 2


def group_snapshot(rig: Rig) -> Snapshot:
    shot = snapshot(rig)
    (version,) = shot.observed.versions
    training = version.spec.training.model_copy(update={"workers": 2})
    spec = version.spec.model_copy(update={"training": training})
    versions = (dataclasses.replace(version, spec=spec),)
    return dataclasses.replace(
        shot, observed=dataclasses.replace(shot.observed, versions=versions)
    )


async def test_a_group_is_started_runtime_first_and_cancelled_as_a_whole() -> None:
    """Trainer's webhook denies a TrainJob whose runtime it has not seen yet."""
    rig = Rig()
    shot = group_snapshot(rig)
    start = do.StartJob(kind=JobKind.TRAIN, version=NAME, attempt=3, inputs={"data_version": "1"})
    name = f"{NAME}-train-3"
    await run(rig, shot, start)
    assert (rig.kube.names(TRAINING_RUNTIMES), rig.kube.names(TRAIN_JOBS)) == ([name], [])
    for _ in range(2):
        await run(rig, shot, start)
        assert (rig.kube.names(TRAINING_RUNTIMES), rig.kube.names(TRAIN_JOBS)) == ([name], [name])
    assert rig.kube.names(JOBS) == []
    for _ in range(2):
        await run(rig, shot, do.DeleteGroup(version=NAME, attempt=3))
        assert (rig.kube.names(TRAINING_RUNTIMES), rig.kube.names(TRAIN_JOBS)) == ([], [])


async def test_the_data_of_a_group_are_checked_by_one_job() -> None:
    rig = Rig()
    await run(rig, group_snapshot(rig), do.StartJob(kind=JobKind.CHECK, version=NAME, attempt=0))
    assert rig.kube.names(JOBS) == [f"{NAME}-check-0"]


def of_another(rig: Rig, resource: Resource, name: str) -> Any:
    """Replace an object of the model with a foreign one."""
    metadata: dict[str, Any] = {"name": name, "namespace": "team"}
    return copied(rig.kube.put(resource, {"metadata": metadata}))


FOREIGN: list[tuple[Resource, str, do.Action]] = [
    (VERSIONS, "movies-new", ALL[0]),
    (JOBS, f"{NAME}-check-0", ALL[2]),
    (JOBS, names.removal_name("movies", 0, MODEL.uid), ALL[3]),
    (INFERENCE_SERVICES, NAME, ALL[4]),
    (HTTP_ROUTES, "movies", ALL[5]),
    (HTTP_ROUTES, "movies", ALL[8]),
    (INFERENCE_SERVICES, NAME, ALL[9]),
    (VERSIONS, "movies-new", ALL[10]),
    (BASELINES, counter_baselines.name("movies", "step/x"), ALL[6]),
    (BASELINES, counter_baselines.name("movies", "step/x"), ALL[7]),
    (JOBS, "movies-snapshot-29454480", ALL[12]),
]


@pytest.mark.parametrize(
    ("resource", "name", "action"), FOREIGN, ids=[type(f[2]).__name__ for f in FOREIGN]
)
async def test_a_foreign_object_is_not_changed_and_the_other_actions_run(
    resource: Resource, name: str, action: do.Action
) -> None:
    rig = Rig()
    other = of_another(rig, resource, name)
    shot = snapshot(rig)
    decision = do.Decision(actions=(action, ALL[1]), status=MODEL.status)
    (found,) = await rig.executor.execute(shot, decision)
    assert (found.kind, found.name, found.owner) == (KINDS[resource], name, "no owner")
    assert rig.kube.find(resource, name) == other
    assert rig.kube.find(VERSIONS, NAME)["status"]["weight"] == 10


@pytest.mark.parametrize("resource", [TRAIN_JOBS, TRAINING_RUNTIMES])
async def test_a_foreign_group_is_not_changed(resource: Resource) -> None:
    rig = Rig()
    shot = group_snapshot(rig)
    start = do.StartJob(kind=JobKind.TRAIN, version=NAME, attempt=3, inputs={"data_version": "1"})
    if resource == TRAIN_JOBS:
        await run(rig, shot, start)
    other = of_another(rig, resource, f"{NAME}-train-3")
    for action in (start, do.DeleteGroup(version=NAME, attempt=3)):
        decision = do.Decision(actions=(action,), status=MODEL.status)
        (found,) = await rig.executor.execute(shot, decision)
        assert found.kind == KINDS[resource]
    assert rig.kube.find(resource, f"{NAME}-train-3") == other


async def test_a_status_that_another_operator_has_written_since_is_not_overwritten() -> None:
    rig = Rig()
    shot = snapshot(rig)
    shot.seen.read(VERSIONS, [copied(rig.kube.find(VERSIONS, NAME))])
    rolled_back = PUBLISHED.model_copy(update={"stage": VersionStage.ROLLED_BACK})
    await run(rig, as_seen_by_another(shot), do.UpdateVersion(name=NAME, status=rolled_back))
    with pytest.raises(ConflictError):
        await run(rig, shot, ALL[1])
    assert rig.kube.find(VERSIONS, NAME)["status"]["stage"] == "RolledBack"


def as_seen_by_another(shot: Snapshot) -> Snapshot:
    """Return the same observation as another operator makes it."""
    return Snapshot(observed=shot.observed, pods=shot.pods, serving=shot.serving)


@pytest.mark.parametrize("labelled", [True, False])
async def test_the_group_of_a_volume_changes_only_if_the_owner_of_its_claim_allows_it(
    labelled: bool,
) -> None:
    rig = Rig()
    shot = snapshot(rig)
    claims = {"store": Claim(phase="Bound", labelled=labelled)}
    shot = dataclasses.replace(shot, observed=dataclasses.replace(shot.observed, claims=claims))
    await run(rig, shot, do.StartJob(kind=JobKind.CHECK, version=NAME, attempt=0))
    pod_spec = rig.kube.find(JOBS, f"{NAME}-check-0")["spec"]["template"]["spec"]
    assert ("fsGroup" in pod_spec["securityContext"]) is labelled
