"""The one reconcile: level-based, one status write, and silent when nothing changes."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from recommender_operator import actions as do
from recommender_operator.adapters.kube import EVENTS, JOBS, MODELS, VERSIONS, KubeError
from recommender_operator.api.status import Stage
from recommender_operator.observed import Observed
from recommender_operator.resources import names
from tests.fakes import NOW, add_model
from tests.unit.recommender_operator.operator_rig import KEY, Rig
from tests.unit.recommender_operator.resources import builder_inputs


def always(**changes: Any) -> Any:
    """Return a `decide` that keeps the status, with changes to the decision."""

    def decide(observed: Observed, _now: datetime.datetime) -> do.Decision:
        values: dict[str, Any] = {"actions": (), "status": observed.model.status}
        return do.Decision(**(values | changes))

    return decide


def status_writes(rig: Rig) -> int:
    return sum(1 for write in rig.kube.writes if write[:2] == ("status", "recommendermodels"))


async def test_a_model_that_is_gone_is_not_looked_at_again() -> None:
    rig = Rig()
    assert await rig.reconciler.reconcile(KEY) is None
    assert rig.kube.writes == []


async def test_a_new_model_gets_a_version_a_job_a_status_and_events() -> None:
    rig = Rig()
    add_model(rig.kube)
    for _ in range(3):
        await rig.reconciler.reconcile(KEY)
    (version,) = rig.kube.names(VERSIONS)
    assert rig.kube.names(JOBS) == [f"{version}-check-0"]
    status = rig.kube.find(MODELS, "movies")["status"]
    assert (status["stage"], status["candidate"]) == ("CheckingData", version)
    reasons = {rig.kube.find(EVENTS, name)["reason"] for name in rig.kube.names(EVENTS)}
    assert "VersionCreated" in reasons


async def test_a_look_that_finds_nothing_new_writes_nothing() -> None:
    rig = Rig()
    add_model(rig.kube)
    for _ in range(3):
        await rig.reconciler.reconcile(KEY)
    rig.kube.writes.clear()
    await rig.reconciler.reconcile(KEY)
    assert rig.kube.writes == []


async def test_the_status_is_written_once_and_after_the_actions() -> None:
    rig = Rig()
    add_model(rig.kube)
    await rig.reconciler.reconcile(KEY)
    verbs = [(verb, kind) for verb, kind, _ in rig.kube.writes if kind != "events"]
    assert status_writes(rig) == 1
    assert verbs[-1] == ("status", "recommendermodels")


async def test_a_status_at_its_defaults_is_still_written_the_first_time() -> None:
    rig = Rig(always())
    add_model(rig.kube)
    await rig.reconciler.reconcile(KEY)
    await rig.reconciler.reconcile(KEY)
    assert status_writes(rig) == 1


async def test_a_failed_action_leaves_the_status_and_is_said_on_the_resource() -> None:
    rig = Rig()
    add_model(rig.kube)
    rig.kube.fault = lambda verb, resource, _: (
        KubeError("quota exceeded", status=403)
        if (verb, resource) == ("create", VERSIONS)
        else None
    )
    for _ in range(2):
        with pytest.raises(KubeError):
            await rig.reconciler.reconcile(KEY)
    assert status_writes(rig) == 0
    (name,) = rig.kube.names(EVENTS)
    event = rig.kube.find(EVENTS, name)
    assert (event["type"], event["reason"]) == ("Warning", "ReconcileFailed")
    assert "quota exceeded" in event["message"]
    assert rig.metric("reconcile_errors_total", error="KubeError") == 2


async def test_a_namespace_that_is_being_deleted_is_no_fault(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig()
    add_model(rig.kube)
    rig.kube.fault = lambda verb, *_: (
        KubeError("it is being terminated", status=403, causes=["NamespaceTerminating"])
        if verb == "create"
        else None
    )
    with caplog.at_level("WARNING"):
        assert await rig.reconciler.reconcile(KEY)
    assert caplog.text == ""
    assert status_writes(rig) == 0


async def test_a_model_that_goes_with_its_namespace_waits_for_no_removal_of_artifacts() -> None:
    rig = Rig()
    add_model(rig.kube, deletionTimestamp=NOW.isoformat(), spec={"deletionPolicy": "Delete"})
    rig.kube.fault = lambda verb, *_: (
        KubeError("it is being terminated", status=403, causes=["NamespaceTerminating"])
        if verb == "create"
        else None
    )
    assert await rig.reconciler.reconcile(KEY) is None
    assert rig.finished == [rig.kube.find(MODELS, "movies")["metadata"]["uid"]]


async def test_a_model_whose_spec_cannot_be_read_is_told_so() -> None:
    rig = Rig()
    add_model(rig.kube)
    rig.kube.find(MODELS, "movies")["spec"] = {"storage": {}}
    with pytest.raises(Exception, match="CRDs of this release"):
        await rig.reconciler.reconcile(KEY)
    (name,) = rig.kube.names(EVENTS)
    assert "spec.data" in rig.kube.find(EVENTS, name)["message"]


@pytest.mark.parametrize(("asked", "wait"), [(None, 60.0), (5.0, 5.0), (600.0, 60.0)])
async def test_the_next_look_is_when_it_was_asked_for_but_never_too_late(
    asked: float | None, wait: float
) -> None:
    after = None if asked is None else datetime.timedelta(seconds=asked)
    rig = Rig(always(requeue_after=after))
    add_model(rig.kube)
    assert await rig.reconciler.reconcile(KEY) == wait


async def test_a_deleted_model_is_finished_when_the_decision_says_so() -> None:
    rig = Rig()
    add_model(rig.kube, deletionTimestamp=NOW.isoformat(), spec={"deletionPolicy": "Delete"})
    for _ in range(3):
        assert await rig.reconciler.reconcile(KEY) is not None
        assert rig.finished == []
    job = rig.kube.find(JOBS, names.removal_name("movies", 0, "uid-of-movies"))
    job["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
    assert await rig.reconciler.reconcile(KEY) is None
    assert rig.finished == ["uid-of-movies"]


async def test_a_finished_decision_about_a_living_model_does_not_free_it() -> None:
    rig = Rig(always(finished=True))
    add_model(rig.kube)
    await rig.reconciler.reconcile(KEY)
    assert rig.finished == []


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


async def test_a_crash_after_any_write_reaches_the_same_end() -> None:
    """Die after the first, second, ... write, then go on with a new process."""

    class Crash(BaseException): ...

    def end_state(rig: Rig) -> dict[str, Any]:
        return {
            f"{kind.plural}/{name}": {k: v for k, v in thing.items() if k != "metadata"}
            for (kind, _, name), thing in rig.kube.objects.items()
            if kind != EVENTS
        }

    async def finish(rig: Rig) -> dict[str, Any]:
        for _ in range(4):
            await rig.reconciler.reconcile(KEY)
        return end_state(rig)

    expected_rig = Rig()
    add_model(expected_rig.kube)
    expected = await finish(expected_rig)
    total = len(expected_rig.kube.writes)
    assert total > 4
    for survive in range(total):
        rig = Rig()
        add_model(rig.kube)
        left = survive

        def die(verb: str, _resource: object, _name: str) -> None:
            nonlocal left
            if verb in ("get", "list"):
                return
            if left == 0:
                raise Crash
            left -= 1

        rig.kube.fault = die
        with pytest.raises(Crash):
            await finish(rig)
        successor = Rig()
        successor.kube.objects = rig.kube.objects
        assert await finish(successor) == expected, f"died after {survive} writes"
