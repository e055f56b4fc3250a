"""An operator that is frozen at a write and resumed beside a new one changes nothing.

Each operator of a chain is frozen (as by SIGSTOP) right after a write of a whole lifecycle, or
right before it is sent; a new one takes over until it is frozen too. When the model has
settled and ten minutes have passed, all of them resume their interrupted looks.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
from collections.abc import Callable
from typing import Any

import pytest

from recommender_operator import actions as do
from recommender_operator.adapters.kinds import EVENTS, HTTP_ROUTES, JOBS, MODELS, VERSIONS
from recommender_operator.controller.kube import NotLeaderError, Resource
from recommender_operator.resources import http_route
from recommender_operator.resources.serving_containers import NotPublishedError
from tests.fakes.documents import copied
from tests.fakes.kube import FakeKube, Place
from tests.unit.recommender_operator.operator_rig import KEY, Rig
from tests.unit.recommender_operator.stories import MODES, WRITES, Story, end_of_two

#: How long an operator stays frozen after the model has settled.
PAUSE = datetime.timedelta(minutes=10)


@dataclasses.dataclass(frozen=True)
class Freeze:
    """When an operator is frozen: at which of its writes, and before or after it."""

    write: int
    sent: bool
    #: Only writes of this kind count.
    kind: Resource | None = None


NEVER = Freeze(0, sent=False)


class FreezingKube:
    """The API server for an operator that is frozen at one of its writes; Events do not count."""

    def __init__(self, kube: FakeKube, freeze: Freeze, leads: Callable[[], bool]) -> None:
        self._kube = kube
        self._freeze = freeze
        self._leads = leads
        self._writes = 0
        self.frozen = asyncio.Event()
        self.resumed = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._kube, name)
        return self._freezing(call) if name in WRITES else call

    def _freezing(self, call: Any) -> Any:
        async def write(resource: Any, *arguments: Any, **preconditions: Any) -> Any:
            if not self._leads():
                raise NotLeaderError("another operator leads")
            if not self._freeze.sent:
                await self._count(resource in {self._freeze.kind or resource} - {EVENTS})
                return await call(resource, *arguments, **preconditions)
            before = self._kube.revisions()
            answer = await call(resource, *arguments, **preconditions)
            # Each successor repeats a write that changes nothing, and must get past it.
            changed = self._kube.revisions() != before
            await self._count(changed and resource != EVENTS)
            return answer

        return write

    async def _count(self, counts: bool) -> None:
        self._writes += counts
        if counts and self._writes == self._freeze.write:
            self.frozen.set()
            await self.resumed.wait()


def everything(kube: FakeKube) -> dict[Place, Any]:
    """Return all objects but Events."""
    return {place: copied(o) for place, o in kube.objects.items() if place[0] != EVENTS}


class ChainOfOperators(Story):
    """A model whose operators are frozen in turn; a successor takes over from each."""

    def __init__(self, mode: str, freeze: Freeze, *, fenced: bool, **sections: Any) -> None:
        self.freeze = freeze
        self._fenced = fenced
        self._port: FreezingKube | None = None
        self.frozen: list[tuple[Rig, FreezingKube, asyncio.Task[Any]]] = []
        super().__init__(mode, **sections)

    def _born(self, kube: FakeKube) -> Rig:
        port: FreezingKube
        port = FreezingKube(kube, self.freeze, lambda: not self._fenced or self._port is port)
        self._port = self.operators_kube = port
        return super()._born(kube)

    async def reconcile(self) -> None:
        port = self._port
        assert port is not None
        look = asyncio.create_task(self.rig.reconciler.reconcile(KEY))
        stopped = asyncio.create_task(port.frozen.wait())
        await asyncio.wait((look, stopped), return_when=asyncio.FIRST_COMPLETED)
        if not port.frozen.is_set():
            stopped.cancel()
            await look
            return
        self.frozen.append((self.rig, port, look))
        self.succeed()

    def succeed(self) -> None:
        """Let a new operator take over."""
        time = self.rig.time
        self.rig = self._born(self.rig.kube)
        self.rig.time = time

    async def resume_all(self) -> None:
        """Let every frozen operator finish its interrupted look."""
        for rig, port, look in self.frozen:
            rig.time = self.rig.time
            port.resumed.set()
            # The second: the version that it would serve is gone.
            with contextlib.suppress(NotLeaderError, NotPublishedError):
                await look


async def settled(
    mode: str, bad: bool, freeze: Freeze, *, fenced: bool = False
) -> ChainOfOperators:
    story = ChainOfOperators(mode, freeze, fenced=fenced)
    await end_of_two(story, bad)
    assert len(story.frozen) > 10
    story.rig.time += PAUSE
    return story


SENT = [Freeze(1, sent=True), Freeze(3, sent=True)]
#: An operator that is frozen before an earlier write may never make progress.
UNSENT = [Freeze(3, sent=False)]


@pytest.mark.parametrize("freeze", SENT + UNSENT, ids=str)
@pytest.mark.parametrize("bad", [False, True], ids=["good", "bad"])
@pytest.mark.parametrize("mode", MODES)
async def test_an_operator_resumed_at_any_write_changes_no_existing_object(
    mode: str, bad: bool, freeze: Freeze
) -> None:
    """Preconditions alone: only objects deleted in the meantime may be created again."""
    story = await settled(mode, bad, freeze)
    before = everything(story.rig.kube)
    await story.resume_all()
    now = everything(story.rig.kube)
    assert {place for place in before if now.get(place) != before[place]} == set()


def collect(kube: FakeKube) -> None:
    """Delete objects without an existing owner, as Kubernetes' garbage collector does."""
    uids = {thing["metadata"]["uid"] for thing in kube.objects.values()}
    for place, thing in list(kube.objects.items()):
        owners = thing["metadata"].get("ownerReferences") or []
        if owners and not any(owner["uid"] in uids for owner in owners):
            del kube.objects[place]


@pytest.mark.parametrize("freeze", SENT + UNSENT, ids=str)
@pytest.mark.parametrize("bad", [False, True], ids=["good", "bad"])
@pytest.mark.parametrize("mode", MODES)
async def test_objects_that_an_unfenced_operator_recreates_are_garbage_collected_or_deleted(
    mode: str, bad: bool, freeze: Freeze
) -> None:
    """It also never gets requests that the leader has not routed to it."""
    story = await settled(mode, bad, freeze)
    kube = story.rig.kube
    collect(kube)
    before, weights = everything(kube), await story.weights()
    await story.resume_all()
    for _ in range(12):
        collect(kube)
        assert await story.weights() == weights
        await story.look()
    assert everything(kube) == before


async def test_a_recreated_version_is_superseded_and_runs_nothing() -> None:
    story = ChainOfOperators("Gateway", NEVER, fenced=False)
    await story.first()
    second = await story.second()
    await story.until(lambda: story.status.get("champion") == second)
    await story.until(lambda: story.status["stage"] == "Serving")
    weights, jobs = await story.weights(), story.rig.kube.names(JOBS)
    snapshot = await story.rig.observer.observe(story.rig.kube.find(MODELS, "movies"))
    spec = snapshot.observed.versions[0].spec.model_copy(update={"spec_hash": "f" * 64})
    late = do.CreateVersion(name="movies-ffffffff", spec=spec)
    await story.rig.executor.execute(
        snapshot, do.Decision(actions=(late,), status=snapshot.observed.model.status)
    )
    for _ in range(12):
        await story.look()
    assert story.stages["movies-ffffffff"] == "Superseded"
    assert (await story.weights(), story.rig.kube.names(JOBS)) == (weights, jobs)
    assert story.status["champion"] == second


@pytest.mark.parametrize("bad", [False, True], ids=["good", "bad"])
@pytest.mark.parametrize("mode", MODES)
async def test_an_operator_resumed_beside_a_new_leader_creates_nothing_either(
    mode: str, bad: bool
) -> None:
    story = await settled(mode, bad, Freeze(1, sent=True), fenced=True)
    before = everything(story.rig.kube)
    await story.resume_all()
    assert everything(story.rig.kube) == before


async def test_a_split_decided_before_an_abort_never_reaches_a_route_that_was_right() -> None:
    """The new leader had nothing to revert, but its write still stops the older one."""
    story = ChainOfOperators("Gateway", NEVER, fenced=False)
    candidate, kube = await about_to_get_requests(story), story.rig.kube
    ((_, port, look),) = story.frozen
    assert kube.find(VERSIONS, candidate)["status"]["weight"] == 10
    thing = kube.touch(MODELS, "movies")
    thing["metadata"]["annotations"] = {"recommender.dev/abort": "t1"}
    await story.until(lambda: story.stages[candidate] == "RolledBack")
    before = everything(kube)
    port.resumed.set()
    await look
    assert everything(kube) == before
    assert http_route.weights_of(kube.find(HTTP_ROUTES, "movies")) == {
        story.status["champion"]: 100
    }


async def about_to_get_requests(story: ChainOfOperators) -> str:
    """Freeze the operator before it gives a candidate its first share, which it has recorded."""
    await story.first()
    await story.until(lambda: story.status["stage"] == "Serving")
    candidate = await story.second()
    await story.until(lambda: story.stages[candidate] == "Deploying")
    story.freeze = Freeze(1, sent=False, kind=HTTP_ROUTES)
    story.succeed()
    story.freeze = NEVER
    await story.until(lambda: bool(story.frozen))
    return candidate
