"""Each fact is sent once: after failures, to slow receivers, after a failover."""

from __future__ import annotations

import asyncio
import logging

import pytest

from recommender_operator.adapters.kinds import EVENTS
from recommender_operator.adapters.notifications.dispatcher import QUEUE
from recommender_operator.adapters.notifications.http_post import PostError
from recommender_operator.controller.kube import KubeError, NotLeaderError
from recommender_operator.notifications import pacing
from recommender_operator.notifications.facts import RECENT
from tests.unit.recommender_operator.adapters.notifications.rig import (
    DOWN,
    GONE,
    World,
)
from tests.unit.recommender_operator.notifications.samples import (
    ALERTS,
    SLACK,
    fact,
)


async def test_what_was_sent_is_an_event_of_the_model() -> None:
    world = World()
    await world.dispatcher().handle(world.job())
    ((reason, message),) = world.events()
    assert reason == "Notified"
    assert message.startswith("sent to ops: movies-0123abcd of movies in team was rolled back")
    assert world.counts == {("ops", "delivered"): 1}


async def test_a_new_leader_does_not_send_it_again_and_renews_the_record() -> None:
    world = World()
    await world.dispatcher().handle(world.job())
    world.seconds += 600
    await world.dispatcher().handle(world.job())
    assert len(world.posts) == 1
    (name,) = world.kube.names(EVENTS)
    assert world.kube.find(EVENTS, name)["lastTimestamp"] == "2026-01-01T12:10:00Z"


async def test_each_receiver_has_a_record_of_its_own() -> None:
    world = World()
    for receiver in (SLACK, ALERTS):
        await world.dispatcher(receiver).handle(world.job())
    assert [name for name, _ in world.posts] == ["ops", "alerts"]


async def test_failures_are_retried_with_growing_pauses_and_the_same_id() -> None:
    world = World()
    world.errors = [DOWN] * 5
    await world.dispatcher().handle(world.job())
    assert len(world.posts) == 1
    assert len(world.slept) == 5
    assert world.slept[4] > world.slept[0]
    assert world.counts == {("ops", "retried"): 5, ("ops", "delivered"): 1}


async def test_the_pause_that_a_receiver_asks_for_is_kept() -> None:
    world = World()
    world.errors = [PostError("it answered 429", passes=True, after=30.0)]
    await world.dispatcher().handle(world.job())
    assert world.slept == [30.0]


@pytest.mark.parametrize(("error", "tries"), [(GONE, 1), (DOWN, pacing.TRIES)])
async def test_a_receiver_that_is_given_up_is_a_warning_on_the_model(
    error: PostError, tries: int
) -> None:
    world = World()
    world.errors = [error] * 50
    await world.dispatcher().handle(world.job())
    assert len(world.errors) == 50 - tries
    ((reason, message),) = world.events()
    assert (reason, str(error) in message) == ("NotificationFailed", True)


async def test_what_was_given_up_is_never_recorded_as_sent() -> None:
    world = World()
    world.errors = [GONE]
    dispatcher = world.dispatcher()
    await dispatcher.handle(world.job())
    # Kubernetes has removed the record of the failure meanwhile.
    world.kube.objects.clear()
    await dispatcher.handle(world.job())
    assert [reason for reason, _ in world.events()] == ["Notified"]
    assert len(world.posts) == 1


@pytest.mark.parametrize(
    "error",
    [KubeError("down"), KubeError("busy", status=503), NotLeaderError("another one leads")],
    ids=["no answer", "503", "no leader"],
)
async def test_a_decision_outlasts_an_outage_of_the_api(error: KubeError) -> None:
    world = World()
    end = RECENT.total_seconds() - 2 * pacing.LONGEST
    world.kube.fault = lambda *_: error if world.seconds < end else None
    await world.dispatcher().handle(world.job())
    assert len(world.posts) == 1
    assert [reason for reason, _ in world.events()] == ["Notified"]


async def test_a_namespace_that_refuses_records_does_not_hold_up_the_others() -> None:
    world = World()
    world.kube.fault = lambda *_: KubeError("a policy says no", status=403)
    await world.dispatcher().handle(world.job())
    assert world.seconds < pacing.TOTAL
    assert world.counts["ops", "failed"] == 1


async def test_a_receiver_may_not_ask_for_more_time_than_a_job_has() -> None:
    world = World()
    world.errors = [PostError("it answered 429", passes=True, after=300.0)] * pacing.TRIES
    await world.dispatcher().handle(world.job())
    assert world.seconds <= pacing.TOTAL
    assert world.counts["ops", "failed"] == 1


async def test_no_try_follows_once_a_fact_is_too_old() -> None:
    world = World()
    job = world.job()
    world.seconds = RECENT.total_seconds() - 30
    world.errors = [PostError("it answered 429", passes=True, after=60.0)]
    await world.dispatcher().handle(job)
    assert world.posts == []
    assert world.counts["ops", "dropped"] == 1


async def test_an_unknown_error_does_not_end_the_task_nor_show_its_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.errors = [RuntimeError("https://hooks/SECRET")]
    with caplog.at_level(logging.DEBUG):
        await world.dispatcher().handle(world.job())
    assert "RuntimeError" in caplog.text
    assert "SECRET" not in caplog.text + str(world.events())


async def test_a_failure_that_cannot_be_recorded_does_not_end_the_task() -> None:
    world = World()
    world.errors = [GONE]

    async def create(*_: object) -> None:
        raise RuntimeError

    world.kube.create = create  # type: ignore[assignment, method-assign]
    await world.dispatcher().handle(world.job())
    assert world.counts == {("ops", "failed"): 1}


async def test_if_only_the_record_fails_it_is_sent_once() -> None:
    world = World()
    failing = iter([True, True, False])

    def fault(verb: str, _resource: object, _name: str) -> KubeError | None:
        return KubeError("down", status=500) if verb == "create" and next(failing) else None

    world.kube.fault = fault
    await world.dispatcher().handle(world.job())
    assert len(world.posts) == 1
    assert [reason for reason, _ in world.events()] == ["Notified"]


async def test_who_may_not_write_sends_nothing() -> None:
    world = World()
    leads = iter([False, False, True])

    async def patch(*_: object) -> None:
        if not next(leads):
            raise NotLeaderError("another one leads")

    world.kube.patch = patch  # type: ignore[assignment, method-assign]
    dispatcher = world.dispatcher()
    sending = asyncio.create_task(dispatcher.handle(world.job()))
    await asyncio.sleep(0)
    assert world.posts == []
    await sending
    assert len(world.posts) == 1


async def test_a_namespace_that_is_being_deleted_ends_it() -> None:
    world = World()
    causes = ("NamespaceTerminating",)
    world.kube.fault = lambda verb, *_: (
        KubeError("no", status=403, causes=causes) if verb == "create" else None
    )
    await world.dispatcher().handle(world.job())
    assert world.slept == []


async def test_many_facts_are_sent_at_a_limited_rate() -> None:
    world = World()
    dispatcher = world.dispatcher()
    for number in range(pacing.BURST + 3):
        await dispatcher.handle(world.job(fact(id=str(number))))
    assert len(world.posts) == pacing.BURST + 3
    assert world.slept == [pacing.EVERY] * 3


async def test_a_full_queue_drops_what_lasts_and_then_the_oldest_and_counts_them() -> None:
    world = World()
    dispatcher = world.dispatcher()
    for number in range(QUEUE):
        dispatcher.offer(world.job(fact(id=str(number), lasting=number == 3)))
    dropped = [dispatcher.offer(world.job(fact(id=name))) for name in ("a", "b")]
    dropped.append(dispatcher.offer(world.job(fact(id="c", lasting=True))))
    assert [job.fact.id for job in dropped if job is not None] == ["3", "0", "c"]
    assert world.counts == {("ops", "dropped"): 3}


async def test_a_record_that_cannot_be_renewed_ends_no_task() -> None:
    world = World()
    world.kube.fault = lambda *_: KubeError("down")
    await world.dispatcher().renew(world.job())
    assert world.posts == []


async def test_what_waited_for_too_long_is_dropped() -> None:
    world = World()
    job = world.job()
    world.seconds += RECENT.total_seconds() + 1
    await world.dispatcher().handle(job)
    assert (world.posts, world.counts) == ([], {("ops", "dropped"): 1})


async def test_a_new_leader_sends_what_lasts_to_alertmanager_again() -> None:
    world = World()
    lasting = fact(lasting=True)
    for _leader in range(2):
        await world.dispatcher(ALERTS).handle(world.job(lasting))
    assert len(world.posts) == 2
    assert len(world.kube.names(EVENTS)) == 1
