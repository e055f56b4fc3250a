"""A model at rest is looked at again only if something that a look reads may have changed."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable
from typing import Any

import pytest

from recommender_operator.actions import Decision, Event
from recommender_operator.adapters.counters.collector_client import NoCollector
from recommender_operator.adapters.kinds import (
    BASELINES,
    CLAIMS,
    EVENTS,
    GRPC_ROUTES,
    HTTP_ROUTES,
    JOBS,
    MODELS,
    VERSIONS,
)
from recommender_operator.controller.kube import PODS, KubeError
from recommender_operator.observed import CollectorReading
from recommender_operator.reconcile.idle_models import IdleModels, Trace
from recommender_operator.reconcile.reconciler import Key
from recommender_operator.reconcile.window_polling import WindowPolling
from tests.fakes.kube import FakeKube
from tests.unit.recommender_operator.operator_rig import KEY, Rig
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS
from tests.unit.recommender_operator.stories import MODES, Story

#: Kinds that the operator reads without a cache, which no trace shows.
UNCACHED = {CLAIMS, EVENTS, GRPC_ROUTES}
WAIT = 60.0


def traced(kube: FakeKube) -> Trace:
    """Return the resourceVersions that caches would have."""
    found = kube.revisions().items()
    ours = (place for place in found if place[0][0] not in UNCACHED and place[0][1] == "team")
    return tuple(sorted(int(version) for _, version in ours))


class RestingStory(Story):
    """A model with a first version that serves, and an operator that lets it rest."""

    def _born(self, kube: FakeKube) -> Rig:
        rig = super()._born(kube)
        rig.polling = rested(rig, lambda: traced(rig.kube))
        rig.reconciler._polling = rig.polling
        return rig

    def change(self, **training: Any) -> None:
        super().change(**training)
        self.rig.kube.touch(MODELS, "movies")

    async def rest(self) -> float:
        """Let whole looks end, and return the pause after the last one."""
        await self.first()
        await self.until(lambda: self.status["stage"] == "Serving")
        while not (pause := await self.rig.reconciler.reconcile(KEY)) or not self.idle:
            self.rig.time += datetime.timedelta(seconds=pause or 1)
        return pause

    @property
    def idle(self) -> bool:
        return KEY in self.rig.polling.idle._kept

    async def whole_looks(self, seconds: float = WAIT) -> int:
        """Return how many whole looks the next reconcile makes, after some seconds."""
        self.rig.time += datetime.timedelta(seconds=seconds)
        before = self.rig.metric("reconcile_duration_seconds_count") or 0.0
        await self.rig.reconciler.reconcile(KEY)
        return int((self.rig.metric("reconcile_duration_seconds_count") or 0.0) - before)


def rested(rig: Rig, trace: Callable[[], Trace]) -> WindowPolling[Key]:
    clock: Callable[[], float] = lambda: rig.time.timestamp()  # noqa: E731
    idle: IdleModels[Key] = IdleModels(
        trace=lambda _: trace(), longest_wait=WAIT, now=lambda: rig.time, clock=clock
    )
    return WindowPolling(clock=clock, idle=idle)


@pytest.mark.parametrize("mode", MODES)
async def test_a_model_at_rest_needs_no_whole_look_and_no_read_but_of_what_no_cache_has(
    mode: str,
) -> None:
    story = RestingStory(mode)
    assert await story.rest() == WAIT
    for _ in range(5):
        story.rig.kube.reads.clear()
        assert await story.whole_looks() == 0
        read = {plural for _, plural in story.rig.kube.reads}
        assert not read & {kind.plural for kind in (MODELS, VERSIONS, BASELINES, JOBS, PODS)}


async def test_the_time_that_the_decision_names_ends_a_rest_by_either_clock() -> None:
    story = RestingStory("Gateway")
    await story.rest()
    # In an hour, by what `decide` returns, and not by the sum of the checks.
    looks = [await story.whole_looks() for _ in range(60)]
    assert looks == [0] * 59 + [1]


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_jump_of_the_wall_clock_ends_a_rest(hours: int) -> None:
    story = RestingStory("Gateway")
    await story.rest()
    jumped = story.rig.time + datetime.timedelta(hours=hours)
    story.rig.polling.idle._now = lambda: jumped
    assert await story.whole_looks() == 1


def another_route(kube: FakeKube, host: str) -> None:
    parent = {"name": OPTIONS.gateway_name, "namespace": OPTIONS.gateway_namespace}
    kube.put(
        GRPC_ROUTES,
        {
            "metadata": {"name": "rival", "namespace": "else"},
            "spec": {"hostnames": [host], "parentRefs": [parent]},
        },
    )


CHANGES: dict[str, Callable[[RestingStory], Any]] = {
    "the status of the model": lambda s: s.rig.kube.touch(MODELS, "movies"),
    "the route": lambda s: s.rig.kube.touch(HTTP_ROUTES, "movies"),
    "a pod": lambda s: s.rig.kube.put(
        PODS, {"metadata": {"name": "new", "namespace": "team", "labels": {}}}
    ),
    "a claim": lambda s: s.rig.kube.find(CLAIMS, "raw").update(status={"phase": "Lost"}),
    "a deleted claim": lambda s: s.rig.kube.objects.pop((CLAIMS, "team", "raw")),
    "another's route": lambda s: another_route(
        s.rig.kube, s.rig.kube.find(HTTP_ROUTES, "movies")["spec"]["hostnames"][0]
    ),
    "the cluster's APIs": lambda s: s.rig.kube.kinds.clear(),
    "an event of the watches": lambda s: s.rig.polling.cause(KEY),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_of_anything_that_a_look_reads_ends_a_rest(change: str) -> None:
    story = RestingStory("Gateway")
    await story.rest()
    assert await story.whole_looks() == 0
    CHANGES[change](story)
    # Claims and the routes of others are read at most once a minute.
    assert await story.whole_looks(WAIT + 1) == 1


async def test_a_read_that_fails_requires_the_whole_look_that_reports_it() -> None:
    story = RestingStory("Gateway")
    await story.rest()

    def fault(_verb: str, resource: Any, _name: str) -> KubeError | None:
        return KubeError("no answer", status=500) if resource == CLAIMS else None

    story.rig.kube.fault = fault
    with pytest.raises(KubeError):
        await story.whole_looks(WAIT + 1)


async def test_a_cache_that_is_stale_requires_a_whole_look() -> None:
    story = RestingStory("Gateway")
    await story.rest()
    story.rig.polling.idle._trace = lambda _: None
    assert await story.whole_looks() == 1


async def test_a_change_during_a_check_or_during_a_look_is_not_lost() -> None:
    story = RestingStory("Gateway")
    await story.rest()
    idle = story.rig.polling.idle
    kept = idle._kept[KEY]
    idle._trace = lambda _: kept.trace

    def fault(_verb: str, _resource: Any, _name: str) -> None:
        story.rig.polling.cause(KEY)

    story.rig.kube.fault = fault
    assert await story.whole_looks(WAIT + 1) == 1
    assert not story.idle


async def test_a_candidate_or_a_window_that_is_polled_never_rests() -> None:
    story = RestingStory("Gateway")
    await story.rest()
    candidate = await story.second()
    seen = 0
    while story.status.get("champion") != candidate:
        await story.look()
        seen += 1
        assert not (story.idle and story.status.get("candidate"))
        assert seen < 200
    await story.until(lambda: story.status["stage"] == "Serving")


@pytest.mark.parametrize(
    "changes",
    [
        {"events": (Event(type="Normal", reason="R", message="m"),)},
        {"requeue_after": datetime.timedelta(seconds=30)},
        {"requeue_after": None},
    ],
    ids=str,
)
async def test_a_look_that_did_or_waits_for_something_keeps_no_rest(
    changes: dict[str, Any],
) -> None:
    story = RestingStory("Gateway")
    await story.rest()
    decide = story.rig.reconciler._decide

    def changed(*arguments: Any) -> Decision:
        return dataclasses.replace(decide(*arguments), **changes)

    story.rig.reconciler._decide = changed
    story.rig.polling.cause(KEY)
    assert await story.whole_looks() == 1
    assert not story.idle


async def test_what_the_collector_says_of_erasures_ends_a_rest_when_it_changes() -> None:
    story = RestingStory("Gateway")
    await story.rest()
    assert await story.whole_looks() == 0

    class Open(NoCollector):
        async def erasures(self, _namespace: str, _model: str) -> CollectorReading:
            return CollectorReading(body={"reported": False})

    story.rig.observer.uncached._erasures = Open()
    assert await story.whole_looks() == 1
    conditions = {each["type"]: each for each in story.status["conditions"]}
    assert "no files" in conditions["ErasuresComplete"]["message"]


async def test_a_model_with_something_to_notify_keeps_no_rest() -> None:
    story = RestingStory("Gateway")
    await story.rest()
    story.rig.reconciler._notify = lambda _model, _versions: True
    story.rig.polling.cause(KEY)
    assert await story.whole_looks() == 1
    assert not story.idle
