"""Each fact is told once: after failures, to slow receivers, after a failover."""

from __future__ import annotations

import asyncio
import collections
import datetime
import logging

import pytest

from recommender_operator.adapters.kubernetes.port import EVENTS, KubeError, NotLeaderError
from recommender_operator.adapters.notifications.courier import QUEUE, Courier, Job, Tools
from recommender_operator.adapters.notifications.notifier import Notifier
from recommender_operator.adapters.notifications.post import PostError
from recommender_operator.adapters.notifications.record import Record
from recommender_operator.api.conditions import ConditionType, Reason
from recommender_operator.api.version import VersionStage
from recommender_operator.notifications import pacing
from recommender_operator.notifications.bodies import Message
from recommender_operator.notifications.facts import RECENT, Fact
from recommender_operator.notifications.memory import RENEW
from recommender_operator.notifications.receivers import Receiver
from tests.fakes.kube import NOW, FakeKube
from tests.unit.recommender_operator.notifications.told import (
    ALERTS,
    SLACK,
    condition,
    decided,
    fact,
    model,
)

DOWN = PostError("it answered 503", passes=True)
GONE = PostError("it answered 404", passes=False)


class World:
    """Receivers and an API server in memory; sleeping passes the time."""

    def __init__(self) -> None:
        self.kube = FakeKube()
        self.seconds = 0.0
        self.slept: list[float] = []
        self.counts: collections.Counter[tuple[str, str]] = collections.Counter()
        self.posts: list[tuple[str, str]] = []
        #: What the next posts raise.
        self.errors: list[Exception] = []

    async def post(self, receiver: Receiver, message: Message) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.posts.append((receiver.name, message.id))

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)

    def now(self) -> datetime.datetime:
        return NOW + datetime.timedelta(seconds=self.seconds)

    def count(self, receiver: str, result: str) -> None:
        self.counts[receiver, result] += 1

    def tools(self) -> Tools:
        return Tools(
            poster=self,
            record=Record(self.kube, self.now),
            console="",
            count=self.count,
            now=self.now,
            clock=lambda: self.seconds,
            sleep=self.sleep,
        )

    def courier(self, receiver: Receiver = SLACK) -> Courier:
        return Courier(receiver, self.tools())

    def job(self, told: Fact | None = None) -> Job:
        return Job(model=model(), fact=told or fact(), at=self.now())

    def events(self) -> list[tuple[str, str]]:
        found = [self.kube.find(EVENTS, name) for name in self.kube.names(EVENTS)]
        return [(event["reason"], event["message"]) for event in found]


async def test_what_was_told_is_an_event_of_the_model() -> None:
    world = World()
    await world.courier().handle(world.job())
    ((reason, message),) = world.events()
    assert reason == "Notified"
    assert message.startswith("ops was told: movies-0123abcd of movies in team was rolled back")
    assert world.counts == {("ops", "delivered"): 1}


async def test_a_new_leader_does_not_tell_it_again_and_renews_the_record() -> None:
    world = World()
    await world.courier().handle(world.job())
    world.seconds += 600
    await world.courier().handle(world.job())
    assert len(world.posts) == 1
    (name,) = world.kube.names(EVENTS)
    assert world.kube.find(EVENTS, name)["lastTimestamp"] == "2026-01-01T12:10:00Z"


async def test_each_receiver_has_a_record_of_its_own() -> None:
    world = World()
    for receiver in (SLACK, ALERTS):
        await world.courier(receiver).handle(world.job())
    assert [name for name, _ in world.posts] == ["ops", "alerts"]


async def test_failures_are_retried_with_growing_pauses_and_the_same_id() -> None:
    world = World()
    world.errors = [DOWN] * 5
    await world.courier().handle(world.job())
    assert len(world.posts) == 1
    assert len(world.slept) == 5
    assert world.slept[4] > world.slept[0]
    assert world.counts == {("ops", "retried"): 5, ("ops", "delivered"): 1}


async def test_the_pause_that_a_receiver_asks_for_is_kept() -> None:
    world = World()
    world.errors = [PostError("it answered 429", passes=True, after=30.0)]
    await world.courier().handle(world.job())
    assert world.slept == [30.0]


@pytest.mark.parametrize(("error", "tries"), [(GONE, 1), (DOWN, pacing.TRIES)])
async def test_a_receiver_that_is_given_up_is_a_warning_on_the_model(
    error: PostError, tries: int
) -> None:
    world = World()
    world.errors = [error] * 50
    await world.courier().handle(world.job())
    assert len(world.errors) == 50 - tries
    ((reason, message),) = world.events()
    assert (reason, str(error) in message) == ("NotificationFailed", True)
    world.errors = []
    await world.courier().handle(world.job())
    assert world.posts == []


async def test_an_unknown_error_does_not_end_the_task_nor_show_its_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.errors = [RuntimeError("https://hooks/SECRET")]
    with caplog.at_level(logging.DEBUG):
        await world.courier().handle(world.job())
    assert "RuntimeError" in caplog.text
    assert "SECRET" not in caplog.text + str(world.events())


async def test_a_failure_that_cannot_be_recorded_does_not_end_the_task() -> None:
    world = World()
    world.errors = [GONE]

    async def create(*_: object) -> None:
        raise RuntimeError

    world.kube.create = create  # type: ignore[assignment, method-assign]
    await world.courier().handle(world.job())
    assert world.counts == {("ops", "failed"): 1}


async def test_if_only_the_record_fails_it_is_told_once() -> None:
    world = World()
    failing = iter([True, True, False])

    def fault(verb: str, _resource: object, _name: str) -> KubeError | None:
        return KubeError("down", status=500) if verb == "create" and next(failing) else None

    world.kube.fault = fault
    await world.courier().handle(world.job())
    assert len(world.posts) == 1
    assert [reason for reason, _ in world.events()] == ["Notified"]


async def test_who_may_not_write_tells_nothing() -> None:
    world = World()
    leads = iter([False, False, True])

    async def patch(*_: object) -> None:
        if not next(leads):
            raise NotLeaderError("another one leads")

    world.kube.patch = patch  # type: ignore[assignment, method-assign]
    courier = world.courier()
    telling = asyncio.create_task(courier.handle(world.job()))
    await asyncio.sleep(0)
    assert world.posts == []
    await telling
    assert len(world.posts) == 1


async def test_a_namespace_that_is_being_deleted_ends_it() -> None:
    world = World()
    causes = ("NamespaceTerminating",)
    world.kube.fault = lambda verb, *_: (
        KubeError("no", status=403, causes=causes) if verb == "create" else None
    )
    await world.courier().handle(world.job())
    assert world.slept == []


async def test_many_facts_are_told_at_a_limited_rate() -> None:
    world = World()
    courier = world.courier()
    for number in range(pacing.BURST + 3):
        await courier.handle(world.job(fact(id=str(number))))
    assert len(world.posts) == pacing.BURST + 3
    assert world.slept == [pacing.EVERY] * 3


async def test_a_full_queue_drops_the_oldest_and_counts_them() -> None:
    world = World()
    courier = world.courier()
    for number in range(QUEUE + 2):
        courier.offer(world.job(fact(id=str(number))))
    assert world.counts == {("ops", "dropped"): 2}
    assert [job.fact.id for job in courier._jobs][:1] == ["2"]


async def test_what_waited_for_too_long_is_dropped() -> None:
    world = World()
    job = world.job()
    world.seconds += RECENT.total_seconds() + 1
    await world.courier().handle(job)
    assert (world.posts, world.counts) == ([], {("ops", "dropped"): 1})


async def test_a_look_waits_for_nobody_and_each_fact_is_told_once() -> None:
    world = World()
    notifier = Notifier([SLACK, ALERTS], world.tools())
    running = asyncio.create_task(notifier.run())
    for _ in range(3):
        notifier.look(model(), [decided(VersionStage.ROLLED_BACK)])
        assert world.posts == [] or len(world.posts) == 2
        for _ in range(20):
            await asyncio.sleep(0)
    assert sorted(name for name, _ in world.posts) == ["alerts", "ops"]
    assert not running.done()
    running.cancel()


async def test_a_drift_that_lasts_for_hours_is_told_once() -> None:
    world = World()
    drifting = model(condition(ConditionType.DRIFTED, Reason.SHIFTED))
    notifier = Notifier([SLACK], world.tools())
    running = asyncio.create_task(notifier.run())
    for hour in range(6):
        # The API server has removed the record meanwhile.
        world.kube.objects.clear()
        notifier.look(drifting, [])
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(world.kube.names(EVENTS)) == 1, hour
        world.seconds += RENEW.total_seconds()
    assert len(world.posts) == 1
    running.cancel()


async def test_a_receiver_is_told_only_what_it_wants() -> None:
    world = World()
    quiet = SLACK.model_copy(update={"namespaces": ("shop",)})
    notifier = Notifier([quiet], world.tools())
    notifier.look(model(), [decided(VersionStage.ROLLED_BACK)])
    assert not notifier._couriers[0]._jobs


async def test_without_receivers_it_runs_and_does_nothing() -> None:
    notifier = Notifier([], World().tools())
    running = asyncio.create_task(notifier.run())
    notifier.look(model(), [decided(VersionStage.PROMOTED)])
    await asyncio.sleep(0)
    assert not running.done()
    running.cancel()
