"""Events: posted once, counted, deferred, dropped."""

from __future__ import annotations

import dataclasses
import datetime

import pytest

from recommender_operator.actions import Event
from recommender_operator.adapters.kinds import EVENTS
from recommender_operator.adapters.objects import event_recorder
from recommender_operator.adapters.objects.event_recorder import OWED, EventRecorder
from recommender_operator.controller.kube import KubeError, NotLeaderError
from tests.fakes.kube import NOW, FakeKube
from tests.unit.recommender_operator.resources.builder_inputs import model

SAID = Event(type="Normal", reason="Training", message="it trains")


async def test_an_event_is_posted_once_in_a_while_and_counted_after_a_restart() -> None:
    kube = FakeKube()
    recorder = EventRecorder(kube)
    for seconds in (0, 5, 500):
        await recorder.post(model(), SAID, NOW + datetime.timedelta(seconds=seconds))
    assert len(kube.writes) == 1
    later = NOW + datetime.timedelta(minutes=11)
    await EventRecorder(kube).post(model(), SAID, later)
    (name,) = kube.names(EVENTS)
    event = kube.find(EVENTS, name)
    assert event["firstTimestamp"] == "2026-01-01T12:00:00Z"
    assert event["lastTimestamp"] == "2026-01-01T12:11:00Z"


async def test_events_that_differ_are_posted_each() -> None:
    kube = FakeKube()
    recorder = EventRecorder(kube)
    other = dataclasses.replace(SAID, message="it fails", type="Warning")
    again = dataclasses.replace(model(), uid="another")
    for about, event in ((model(), SAID), (model(), other), (again, SAID)):
        await recorder.post(about, event, NOW)
    assert len(kube.names(EVENTS)) == 3


async def test_owed_events_are_posted_once_in_their_order_and_only_a_bounded_number() -> None:
    kube = FakeKube()
    recorder = EventRecorder(kube)
    many = [dataclasses.replace(SAID, message=f"epoch {i:02}") for i in range(OWED + 5)]
    recorder.defer(model(), many[:3])
    recorder.defer(model(), many[3:])
    recorder.defer(dataclasses.replace(model(), uid="another"), [SAID])
    for _ in range(2):
        await recorder.post_deferred(model(), NOW)
    created = [kube.find(EVENTS, name)["message"] for _, _, name in kube.writes]
    assert created == [event.message for event in many[:OWED]]


async def test_owed_events_outlast_a_process_that_may_not_write() -> None:
    kube = FakeKube()
    recorder = EventRecorder(kube)
    recorder.defer(model(), [SAID])
    kube.fault = refuse
    with pytest.raises(NotLeaderError):
        await recorder.post_deferred(model(), NOW)
    kube.fault = lambda *_: None
    await recorder.post_deferred(model(), NOW)
    assert len(kube.names(EVENTS)) == 1


async def test_with_too_many_models_the_oldest_pending_events_are_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_recorder, "REMEMBERED", 2)
    kube = FakeKube()
    recorder = EventRecorder(kube)
    owing = [dataclasses.replace(model(), uid=f"uid-{i}") for i in range(3)]
    for one in owing:
        recorder.defer(one, [SAID])
    for one in owing:
        await recorder.post_deferred(one, NOW)
    about = {kube.find(EVENTS, n)["involvedObject"]["uid"] for n in kube.names(EVENTS)}
    assert about == {"uid-1", "uid-2"}


def refuse(*_: object) -> None:
    raise NotLeaderError("another one leads")


async def test_an_event_that_cannot_be_posted_fails_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    kube = FakeKube()
    kube.fault = lambda *_: KubeError("forbidden", status=403)
    await EventRecorder(kube).post(model(), SAID, NOW)
    assert "forbidden" in caplog.text


async def test_an_event_in_a_namespace_that_is_being_deleted_is_dropped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    kube = FakeKube()
    kube.fault = lambda *_: KubeError("no", status=403, causes=["NamespaceTerminating"])
    await EventRecorder(kube).post(model(), SAID, NOW)
    assert caplog.text == ""
