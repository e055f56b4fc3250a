"""A reconcile that is interrupted: conflicts, another leader, a crash, an edit."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_operator.adapters.kinds import EVENTS, JOBS, MODELS, VERSIONS
from recommender_operator.controller.kube import ConflictError, NotLeaderError, Resource
from tests.fakes.objects import add_model
from tests.unit.recommender_operator.operator_rig import KEY, Rig
from tests.unit.recommender_operator.reconcile.reconciler_helpers import status_writes


async def test_a_crash_after_any_write_reaches_the_same_end() -> None:
    """Crash after the first, second, ... write, then continue with a new process."""

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
