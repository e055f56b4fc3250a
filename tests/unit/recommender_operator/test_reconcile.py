"""The reconcile: level-based, one status write, and idle without changes."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from recommender_operator import actions as do
from recommender_operator.adapters.kubernetes.port import (
    EVENTS,
    HTTP_ROUTES,
    JOBS,
    MODELS,
    VERSIONS,
    ConflictError,
    KubeError,
    NotLeaderError,
    Resource,
)
from recommender_operator.adapters.objects.finalizer import FINALIZER
from recommender_operator.adapters.traffic.port import TrafficError
from recommender_operator.analysis import filling
from recommender_operator.analysis.filling import Filling
from recommender_operator.analysis.window import SESSIONS
from recommender_operator.api.status import Stage
from recommender_operator.observed import Observed
from recommender_operator.reconcile import TRAFFIC_GRACE, TRAFFIC_PAUSE
from recommender_operator.resources import model_version, names
from tests.fakes import NOW, add_model, copied
from tests.unit.recommender_operator.operator_rig import KEY, Rig
from tests.unit.recommender_operator.resources import builder_inputs


def always(**changes: Any) -> Any:
    """Return a `decide` that keeps the status, with changes to the decision."""

    def decide(observed: Observed, _now: datetime.datetime) -> do.Decision:
        values: dict[str, Any] = {"actions": (), "status": observed.model.status}
        return do.Decision(**(values | changes))

    return decide


def finalizers(rig: Rig) -> list[str]:
    held: list[str] = rig.kube.find(MODELS, "movies")["metadata"]["finalizers"]
    return held


def status_writes(rig: Rig) -> int:
    return sum(1 for write in rig.kube.writes if write[:2] == ("status", "recommendermodels"))


async def test_a_deleted_model_is_not_reconciled_again() -> None:
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


async def test_a_model_that_goes_with_its_namespace_waits_for_no_removal_of_artifacts() -> None:
    rig = Rig()
    add_model(rig.kube, deletionTimestamp=NOW.isoformat(), spec={"deletionPolicy": "Delete"})
    rig.kube.fault = lambda verb, *_: (
        KubeError("it is being terminated", status=403, causes=["NamespaceTerminating"])
        if verb == "create"
        else None
    )
    assert await rig.reconciler.reconcile(KEY) is None
    assert rig.kube.names(MODELS) == []


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


async def test_a_deleted_model_goes_when_the_decision_says_so() -> None:
    rig = Rig()
    add_model(rig.kube, deletionTimestamp=NOW.isoformat(), spec={"deletionPolicy": "Delete"})
    for _ in range(3):
        assert await rig.reconciler.reconcile(KEY) is not None
        assert rig.kube.names(MODELS) == ["movies"]
    job = rig.kube.find(JOBS, names.removal_name("movies", 0, "uid-of-movies"))
    job["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
    assert await rig.reconciler.reconcile(KEY) is None
    assert rig.kube.names(MODELS) == []


async def test_a_model_that_is_deleted_already_is_not_held() -> None:
    """The API server takes no new finalizer then."""
    rig = Rig()
    add_model(rig.kube, finalizers=["example.com/theirs"], deletionTimestamp=NOW.isoformat())
    assert await rig.reconciler.reconcile(KEY) is None
    assert finalizers(rig) == ["example.com/theirs"]


@pytest.mark.parametrize("deleting", [False, True], ids=["held", "let-go"])
async def test_finalizers_that_others_changed_since_the_look_stay(deleting: bool) -> None:
    rig = Rig()
    times = {"deletionTimestamp": NOW.isoformat()} if deleting else {}
    add_model(rig.kube, finalizers=[FINALIZER] if deleting else [], **times)

    def meddle(verb: str, resource: Resource, _name: str) -> None:
        if (verb, resource) == ("patch", MODELS):
            rig.kube.touch(MODELS, "movies")["metadata"]["finalizers"] = ["example.com/theirs"]

    rig.kube.fault = meddle
    pause = await rig.reconciler.reconcile(KEY)
    assert pause is not None
    assert pause <= 0.2
    assert finalizers(rig) == ["example.com/theirs"]


async def test_a_new_model_of_the_same_name_keeps_its_finalizer() -> None:
    rig = Rig(always(finished=True))
    add_model(rig.kube, deletionTimestamp=NOW.isoformat())

    reads = 0

    def replace(verb: str, resource: Resource, _name: str) -> None:
        nonlocal reads
        if (verb, resource) == ("get", MODELS):
            reads += 1
            if reads == 2:
                add_model(rig.kube, uid="uid-of-another")

    rig.kube.fault = replace
    await rig.reconciler.reconcile(KEY)
    assert reads == 2
    assert finalizers(rig) == [FINALIZER]


async def test_a_finished_decision_about_a_living_model_does_not_free_it() -> None:
    rig = Rig(always(finished=True))
    add_model(rig.kube)
    await rig.reconciler.reconcile(KEY)
    assert rig.kube.find(MODELS, "movies")["metadata"]["finalizers"] == [FINALIZER]


async def test_nothing_is_made_for_a_model_before_it_waits_for_the_operator() -> None:
    rig = Rig()
    add_model(rig.kube, finalizers=["example.com/theirs"])
    await rig.reconciler.reconcile(KEY)
    assert rig.kube.writes[0] == ("patch", "recommendermodels", "movies")
    held = rig.kube.find(MODELS, "movies")["metadata"]["finalizers"]
    assert held == ["example.com/theirs", FINALIZER]


async def test_a_finished_model_that_others_hold_is_left_to_them() -> None:
    rig = Rig()
    add_model(
        rig.kube,
        deletionTimestamp=NOW.isoformat(),
        finalizers=[FINALIZER, "example.com/theirs"],
    )
    assert await rig.reconciler.reconcile(KEY) is None
    held = rig.kube.find(MODELS, "movies")["metadata"]["finalizers"]
    assert held == ["example.com/theirs"]
    rig.kube.writes.clear()
    assert await rig.reconciler.reconcile(KEY) is None
    assert rig.kube.writes == []


async def test_finalizers_are_written_only_to_the_observed_object() -> None:
    rig = Rig()
    add_model(rig.kube, finalizers=[])

    def another(verb: str, resource: Resource, _name: str) -> None:
        if (verb, resource) == ("patch", MODELS):
            rig.kube.touch(MODELS, "movies")["metadata"]["finalizers"] = ["example.com/theirs"]

    rig.kube.fault = another
    assert await rig.reconciler.reconcile(KEY) is not None
    assert rig.metric("conflicts_total") == 1
    assert rig.kube.find(MODELS, "movies")["metadata"]["finalizers"] == ["example.com/theirs"]
    assert rig.kube.names(VERSIONS) == []


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
    assert pause == filling.LONGEST
    assert (rig.kube.reads, rig.samples.requested) == ([], ["v"])
    rig.fills.cause(KEY)
    await rig.reconciler.reconcile(KEY)
    assert rig.kube.reads != []
    rig.time += datetime.timedelta(seconds=60)
    rig.kube.reads.clear()
    await rig.reconciler.reconcile(KEY)
    # The longest wait between two whole looks.
    assert rig.kube.reads != []


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


def conflict(verb: str, resource: Resource) -> Any:
    return lambda by, kind, _: (
        ConflictError("it has been modified", status=409)
        if (by, kind) == (verb, resource)
        else None
    )


async def test_a_conflict_ends_the_look_without_an_event_and_repeats_it_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig()
    add_model(rig.kube)
    rig.kube.fault = conflict("create", VERSIONS)
    with caplog.at_level("WARNING"):
        pause = await rig.reconciler.reconcile(KEY)
    assert pause is not None
    assert 0 <= pause <= 0.2
    assert (status_writes(rig), rig.kube.names(EVENTS), caplog.text) == (0, [], "")
    assert rig.metric("conflicts_total") == 1
    assert rig.metric("reconcile_errors_total", error="ConflictError") is None


async def test_conflicts_in_a_row_are_spread_out_and_do_not_add_up() -> None:
    rig = Rig()
    add_model(rig.kube)
    rig.kube.fault = conflict("create", VERSIONS)
    pauses = [await rig.reconciler.reconcile(KEY) for _ in range(20)]
    repeated = [pause for pause in pauses[1:] if pause is not None]
    assert len(set(repeated)) == 19
    assert all(0.5 <= pause <= 1.5 for pause in repeated)
    rig.kube.fault = lambda *_: None
    await rig.reconciler.reconcile(KEY)
    rig.kube.fault = conflict("create", JOBS)
    again = await rig.reconciler.reconcile(KEY)
    assert again is not None
    assert again <= 0.2


async def test_an_operator_that_no_longer_leads_neither_writes_nor_reports(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig()
    add_model(rig.kube)

    def fence(verb: str, *_: Any) -> None:
        if verb not in ("get", "list"):
            raise NotLeaderError("another one leads")

    rig.kube.fault = fence
    with caplog.at_level("WARNING"), pytest.raises(NotLeaderError):
        await rig.reconciler.reconcile(KEY)
    assert (rig.kube.writes, rig.kube.names(EVENTS), caplog.text) == ([], [], "")
    assert rig.metric("reconcile_errors_total", error="NotLeaderError") is None


async def test_an_operator_that_no_longer_leads_stops_the_look_between_two_writes() -> None:
    rig = Rig()
    add_model(rig.kube)

    def fence(verb: str, *_: Any) -> None:
        if verb not in ("get", "list") and rig.kube.writes:
            raise NotLeaderError("another one leads")

    rig.kube.fault = fence
    with pytest.raises(NotLeaderError):
        await rig.reconciler.reconcile(KEY)
    assert [verb for verb, _, _ in rig.kube.writes] == ["create"]


async def test_annotations_of_others_cost_neither_the_status_nor_the_events_of_a_look() -> None:
    rig = Rig()
    add_model(rig.kube)

    def note(verb: str, resource: Resource, _name: str) -> None:
        if verb == "status" and resource == MODELS and not rig.kube.names(EVENTS):
            metadata = rig.kube.find(MODELS, "movies")["metadata"]
            if "annotations" not in metadata:
                rig.kube.touch(MODELS, "movies")
                metadata["annotations"] = {"example.com/note": "x"}

    rig.kube.fault = note
    await rig.reconciler.reconcile(KEY)
    assert rig.kube.find(MODELS, "movies")["status"]["stage"] == "Pending"
    assert rig.kube.names(EVENTS) != []
    assert rig.metric("conflicts_total") == 0


async def test_a_spec_that_changes_during_a_look_is_looked_at_again() -> None:
    rig = Rig()
    add_model(rig.kube)

    def edit(verb: str, resource: Resource, _name: str) -> None:
        if verb == "status" and resource == MODELS:
            rig.kube.touch(MODELS, "movies")["metadata"]["generation"] += 1

    rig.kube.fault = edit
    pause = await rig.reconciler.reconcile(KEY)
    assert pause is not None
    assert pause <= 0.2
    assert "status" not in rig.kube.find(MODELS, "movies")


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
