"""The reconciler: level-based, one status write, and idle without changes."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import pytest

from recommender_contract.metrics import SESSIONS
from recommender_operator.adapters.kinds import EVENTS, JOBS, MODELS, VERSIONS
from recommender_operator.analysis import window_filling
from recommender_operator.analysis.window_filling import Filling
from recommender_operator.controller.kube import KubeError
from recommender_operator.observed import ModelObject, VersionObject
from tests.fakes.objects import add_model
from tests.unit.recommender_operator.operator_rig import KEY, Rig
from tests.unit.recommender_operator.reconcile.reconciler_helpers import always, status_writes


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


async def test_a_failed_action_leaves_the_status_and_is_reported_on_the_resource() -> None:
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


async def test_a_namespace_that_is_being_deleted_is_not_an_error(
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


async def test_an_invalid_spec_is_reported_on_the_model() -> None:
    rig = Rig()
    add_model(rig.kube)
    rig.kube.find(MODELS, "movies")["spec"] = {"storage": {}}
    with pytest.raises(Exception, match="CRDs of this release"):
        await rig.reconciler.reconcile(KEY)
    (name,) = rig.kube.names(EVENTS)
    assert "spec.data" in rig.kube.find(EVENTS, name)["message"]


@pytest.mark.parametrize(("requested", "wait"), [(None, 60.0), (5.0, 5.0), (600.0, 60.0)])
async def test_the_next_look_is_as_decided_but_never_later_than_the_maximum(
    requested: float | None, wait: float
) -> None:
    after = None if requested is None else datetime.timedelta(seconds=requested)
    rig = Rig(always(requeue_after=after))
    add_model(rig.kube)
    assert await rig.reconciler.reconcile(KEY) == wait


async def test_a_model_whose_window_fills_is_not_read_again_until_there_is_a_cause() -> None:
    window = Filling(
        version="v", start={"p": {SESSIONS: 1.0}}, counted=5, needed=500, seconds=10, rest=3600
    )
    rig = Rig(always(filling=window))
    rig.samples.counters["v"] = {"p": {SESSIONS: 6.0}}
    add_model(rig.kube)
    await rig.reconciler.reconcile(KEY)
    rig.kube.reads.clear()
    pause = await rig.reconciler.reconcile(KEY)
    assert pause == window_filling.LONGEST
    assert (rig.kube.reads, rig.samples.requested) == ([], ["v"])
    rig.polling.cause(KEY)
    await rig.reconciler.reconcile(KEY)
    assert rig.kube.reads != []
    rig.time += datetime.timedelta(seconds=60)
    rig.kube.reads.clear()
    await rig.reconciler.reconcile(KEY)
    # The longest wait between two whole looks.
    assert rig.kube.reads != []


async def test_each_look_hands_on_what_is_stored_of_the_model_and_its_versions() -> None:
    rig = Rig()
    add_model(rig.kube)
    seen: list[tuple[str, list[str]]] = []

    def notify(model: ModelObject, versions: Sequence[VersionObject]) -> None:
        seen.append((model.name, [version.name for version in versions]))

    rig.reconciler._notify = notify
    for _ in range(2):
        await rig.reconciler.reconcile(KEY)
    assert seen == [("movies", []), ("movies", rig.kube.names(VERSIONS))]
