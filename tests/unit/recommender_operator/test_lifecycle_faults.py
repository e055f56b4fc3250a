"""Lifecycles with crashes, clock jumps, late statuses and failed writes reach the same end."""

from __future__ import annotations

import contextlib
import datetime
import itertools
from typing import Any

import pytest

from recommender_operator.adapters.kinds import EVENTS, VERSIONS
from recommender_operator.controller.kube import ConflictError, KubeError, Resource
from tests.fakes.documents import copied
from tests.fakes.kserve import FakeKServe
from tests.unit.recommender_operator.stories import MODES, Story, end_of_two


@pytest.mark.parametrize("bad", [False, True], ids=["good", "bad"])
@pytest.mark.parametrize("mode", MODES)
async def test_an_operator_that_crashes_after_every_write_reaches_the_same_end(
    mode: str, bad: bool
) -> None:
    expected = await end_of_two(Story(mode), bad)
    story = Story(mode, mortal=True)
    assert await end_of_two(story, bad) == expected
    assert story.operators_kube.deaths > 30


def decided(story: Story) -> dict[str, Any]:
    """Return the decision about each version, and its reason."""
    versions = {name: story.rig.kube.find(VERSIONS, name) for name in story.stages}
    decisions = {name: version["status"].get("decision", {}) for name, version in versions.items()}
    return {
        "decisions": {n: (d.get("outcome"), d.get("reason")) for n, d in decisions.items()},
        "rollbacks": story.status.get("consecutiveRollbacks"),
        "locked": story.status.get("locked"),
        "steps": {
            name: [(s["weight"], s["verdict"]) for s in version["status"].get("steps", [])]
            for name, version in versions.items()
        },
    }


@pytest.mark.parametrize("bad", [False, True], ids=["good", "bad"])
@pytest.mark.parametrize("mode", MODES)
async def test_a_clock_an_hour_back_or_forward_in_any_phase_reaches_the_same_end(
    mode: str, bad: bool
) -> None:
    straight = Story(mode)
    expected = await end_of_two(straight, bad), decided(straight)
    for look in straight.turns:
        for hours in (-1, 1):
            story = Story(mode, jump=(look + 1, datetime.timedelta(hours=hours)))
            seen = await end_of_two(story, bad), decided(story)
            if hours > 0:
                # The finished Jobs are as old as the clock says, and so are deleted.
                assert set(seen[0]["jobs"]) <= set(expected[0]["jobs"])
                seen[0]["jobs"] = expected[0]["jobs"]
            assert seen == expected, f"{hours} h at look {look + 1}"


class LateKServe(FakeKServe):
    """KServe whose InferenceService reports a revision as ready some steps after the revision."""

    late = 0

    def _reconcile(self, service: Any) -> None:
        before = copied(service.get("status", {}))
        super()._reconcile(service)
        now = service["status"]["components"]["predictor"]
        was = before.get("components", {}).get("predictor", {})
        is_new = now.get("latestReadyRevision") != was.get("latestReadyRevision")
        self.late = self.late + 1 if is_new and was and self.late < 2 else 0
        if self.late:
            made = now["latestCreatedRevision"]
            now.clear()
            now |= {**was, "latestCreatedRevision": made}


@pytest.mark.parametrize("bad", [False, True], ids=["good", "bad"])
async def test_a_late_status_of_kserve_is_not_a_failure(bad: bool) -> None:
    story = Story("Knative")
    story.kserve = LateKServe(story.rig.kube)
    end = await end_of_two(story, bad)
    assert end == await end_of_two(Story("Knative"), bad)
    kube = story.rig.kube
    assert "ReconcileFailed" not in {kube.find(EVENTS, n)["reason"] for n in kube.names(EVENTS)}
    assert story.rig.metric("reconcile_errors_total", error="TrafficError") is None


class Disturbed(Story):
    """A lifecycle in which one write fails and ends its look, which is repeated at once."""

    def __init__(self, mode: str, number: int, error: KubeError) -> None:
        """`number` of the write, counted from 1."""
        super().__init__(mode)
        self.left = number
        self._error = error

    def _fault(self, verb: str, resource: Resource, _name: str) -> KubeError | None:
        if verb in {"get", "list"} or resource == EVENTS:
            return None
        self.left -= 1
        return self._error if self.left == 0 else None

    async def reconcile(self) -> None:
        before, self.rig.kube.fault = self.left, self._fault
        with contextlib.suppress(KubeError):
            await super().reconcile()
        if self.left <= 0 < before:
            await super().reconcile()
        self.rig.kube.fault = lambda *_: None


def reported(story: Story) -> list[tuple[str, str, str]]:
    """Return the messages of the Events, without numbers of requests, which grow with looks."""
    kube = story.rig.kube
    events = [kube.find(EVENTS, name) for name in kube.names(EVENTS)]
    shown_text = [(e["type"], e["reason"], e["message"].partition(" (at ")[0]) for e in events]
    return sorted(one for one in shown_text if one[1] != "ReconcileFailed")


CONFLICT = ConflictError("it has been modified", status=409)


FAILURE = KubeError("no answer", status=503)


@pytest.mark.parametrize(
    ("mode", "bad", "error"),
    [("Gateway", True, CONFLICT), ("Knative", False, CONFLICT), ("Gateway", False, FAILURE)],
    ids=["bad-conflict", "knative-conflict", "failure"],
)
async def test_a_look_that_ends_at_any_write_neither_loses_nor_repeats_an_event(
    mode: str, bad: bool, error: KubeError
) -> None:
    straight = Story(mode)
    await end_of_two(straight, bad)
    for number in itertools.count(1):
        story = Disturbed(mode, number, error)
        await end_of_two(story, bad)
        if story.left > 0:
            break
        assert reported(story) == reported(straight), f"at write {number}"
        assert "patch" not in {verb for verb, kind, _ in story.rig.kube.writes if kind == "events"}
    assert number > 30
