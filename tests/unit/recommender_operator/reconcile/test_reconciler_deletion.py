"""The reconcile of a deleted model: its finalizer, and who may change it."""

from __future__ import annotations

import pytest

from recommender_operator.adapters.kinds import JOBS, MODELS, VERSIONS
from recommender_operator.adapters.objects.finalizer import FINALIZER
from recommender_operator.controller.kube import KubeError, Resource
from recommender_operator.resources import names
from tests.fakes.kube import NOW
from tests.fakes.objects import add_model
from tests.unit.recommender_operator.operator_rig import KEY, Rig
from tests.unit.recommender_operator.reconcile.reconciler_helpers import always


def finalizers(rig: Rig) -> list[str]:
    held: list[str] = rig.kube.find(MODELS, "movies")["metadata"]["finalizers"]
    return held


async def test_a_deleted_model_is_not_reconciled_again() -> None:
    rig = Rig()
    assert await rig.reconciler.reconcile(KEY) is None
    assert rig.kube.writes == []


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


async def test_a_deleted_model_loses_its_finalizer_once_the_decision_is_finished() -> None:
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
    """The API server accepts no new finalizer on a deleted object."""
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
