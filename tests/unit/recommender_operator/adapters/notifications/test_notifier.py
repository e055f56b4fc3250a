"""What looks find is handed on, also while receivers are slow, down or full."""

from __future__ import annotations

import asyncio
import collections

import pytest

from recommender_operator.adapters.kinds import EVENTS
from recommender_operator.adapters.notifications.dispatcher import QUEUE
from recommender_operator.adapters.notifications.http_post import PostError
from recommender_operator.adapters.notifications.notifier import Notifier
from recommender_operator.api.conditions import ConditionType, Reason
from recommender_operator.api.version import VersionStage
from recommender_operator.notifications import pacing
from recommender_operator.notifications.sent_facts import RENEW
from tests.unit.recommender_operator.adapters.notifications.rig import (
    DOWN,
    GONE,
    World,
    idle,
    running,
)
from tests.unit.recommender_operator.notifications.samples import (
    ALERTS,
    SLACK,
    condition,
    decided,
    fact,
    model,
)


@pytest.mark.parametrize("error", [GONE, DOWN])
async def test_what_lasts_is_sent_once_the_receiver_is_back(error: PostError) -> None:
    world = World()
    drifting = model(condition(ConditionType.DRIFTED, Reason.SHIFTED))
    notifier = Notifier([SLACK], world.tools())
    async with running(notifier):
        for hour in range(3):
            world.errors = [error] * pacing.TRIES if hour < 2 else []
            notifier.take_up(drifting, [])
            await idle()
            world.seconds += RENEW.total_seconds()
    reasons = sorted(reason for reason, _ in world.events())
    assert reasons == ["NotificationFailed", "Notified"]
    assert len(world.posts) == 1


async def test_what_a_full_queue_dropped_is_taken_up_at_the_next_look() -> None:
    world = World()
    notifier = Notifier([SLACK], world.tools())
    jobs = notifier._dispatchers[0]._jobs
    notifier.take_up(model(), [decided(VersionStage.ROLLED_BACK)])
    (first,) = jobs
    jobs.extend(world.job(fact(id=str(number))) for number in range(QUEUE - 1))
    notifier.take_up(model(condition(ConditionType.DRIFTED, Reason.SHIFTED)), [])
    assert len(jobs) == QUEUE
    assert jobs[0] is first
    notifier._offer(notifier._dispatchers[0], world.job(fact(id="newer")))
    assert first not in jobs
    jobs.clear()
    notifier.take_up(model(), [decided(VersionStage.ROLLED_BACK)])
    assert [job.fact for job in jobs] == [first.fact]


async def test_the_record_of_what_was_sent_is_renewed_while_the_queue_waits() -> None:
    world = World()
    drifting = model(condition(ConditionType.DRIFTED, Reason.SHIFTED))
    notifier = Notifier([SLACK], world.tools())
    async with running(notifier):
        notifier.take_up(drifting, [])
        await idle()
        world.hanging = asyncio.Event()
        notifier.take_up(drifting, [decided(VersionStage.ROLLED_BACK)])
        await idle()
        world.kube.objects.clear()
        world.seconds += RENEW.total_seconds()
        notifier.take_up(drifting, [])
        await idle()
        assert not notifier._dispatchers[0]._jobs
        assert [reason for reason, _ in world.events()] == ["Notified"]


async def test_a_look_waits_for_nobody_and_each_fact_is_sent_once() -> None:
    world = World()
    world.hanging = asyncio.Event()
    notifier = Notifier([SLACK, ALERTS], world.tools())
    async with running(notifier):
        for _ in range(3):
            notifier.take_up(model(), [decided(VersionStage.ROLLED_BACK)])
            await idle()
        assert world.posts == []
        world.hanging.set()
        await idle()
        notifier.take_up(model(), [decided(VersionStage.ROLLED_BACK)])
        await idle()
    assert sorted(name for name, _ in world.posts) == ["alerts", "ops"]


async def test_a_drift_that_lasts_for_hours_is_sent_once_except_to_alertmanager() -> None:
    world = World()
    drifting = model(condition(ConditionType.DRIFTED, Reason.SHIFTED))
    notifier = Notifier([SLACK, ALERTS], world.tools())
    async with running(notifier):
        for ctx in range(6):
            # The API server has removed the records meanwhile.
            world.kube.objects.clear()
            notifier.take_up(drifting, [])
            await idle()
            assert len(world.kube.names(EVENTS)) == 2, ctx
            world.seconds += RENEW.total_seconds()
    sent = collections.Counter(name for name, _ in world.posts)
    assert sent == {"ops": 1, "alerts": 6}


async def test_an_error_in_the_facts_fails_no_look_and_is_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("recommender_operator.notifications.facts.of_model", broken)
    world = World()
    Notifier([SLACK], world.tools()).take_up(model(), [])
    assert world.counts == {("ops", "error"): 1}
    assert "ZeroDivisionError" in caplog.text


async def test_a_receiver_gets_only_what_it_wants() -> None:
    world = World()
    quiet = SLACK.model_copy(update={"namespaces": ("shop",)})
    notifier = Notifier([quiet], world.tools())
    notifier.take_up(model(), [decided(VersionStage.ROLLED_BACK)])
    assert not notifier._dispatchers[0]._jobs


async def test_without_receivers_it_runs_and_does_nothing() -> None:
    notifier = Notifier([], World().tools())
    running = asyncio.create_task(notifier.run())
    notifier.take_up(model(), [decided(VersionStage.PROMOTED)])
    await asyncio.sleep(0)
    assert not running.done()
    running.cancel()
