"""Users whose erasure was accepted: the condition ErasuresComplete."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pytest

from recommender_operator.observed import CollectorReading
from tests.unit.recommender_operator.started_worlds import promoted_first
from tests.unit.recommender_operator.world import World

KIND = "ErasuresComplete"
LISTED = datetime.datetime(2026, 12, 2, 10, tzinfo=datetime.UTC)
BEFORE, AFTER = (LISTED + datetime.timedelta(seconds=each) for each in (-1, 1))
ENDED: dict[str, Any] = {
    "reported": True, "behind": False, "users": 0, "files": None, "lake": None, "aof": None,
    "listed": None,
}  # fmt: skip


def world_of(created_at: datetime.datetime | None = None, **changes: Any) -> World:
    """Return a world with a champion that was created then, and this answer of the collector."""
    world = promoted_first()
    for name, version in world.versions.items():
        world.versions[name] = dataclasses.replace(version, created_at=created_at)
    world.erasures = CollectorReading(body={**ENDED, **changes})
    world.reconcile()
    return world


def test_nobody_was_erased() -> None:
    assert world_of().condition(KIND) == ("True", "Erased")


@pytest.mark.parametrize(
    ("place", "named", "remedy"),
    [
        ("files", "the files of the writer since 2026-12-02T09:59:59Z (2 users", "its log says"),
        ("lake", "a lake that reads them since 2026-12-02", "kubectl recommender retrain movies"),
        ("aof", "the append-only file of the store since 2026-12-02", "once an hour"),
    ],
)
def test_an_erasure_that_has_not_ended_is_open(place: str, named: str, remedy: str) -> None:
    users = 2 if place == "files" else 0
    world = world_of(AFTER, listed=LISTED.timestamp(), users=users, **{place: BEFORE.timestamp()})
    assert world.condition(KIND) == ("False", "Open")
    message = world.message(KIND)
    assert named in message
    assert remedy in message
    assert world.condition("Ready")[0] == "True"


def test_an_artifact_that_is_older_than_the_newest_erasure_counts_until_it_goes() -> None:
    world = world_of(BEFORE, listed=LISTED.timestamp())
    champion = world.status.champion or ""
    assert world.condition(KIND) == ("False", "ArtifactOlderThanErasure")
    message = world.message(KIND)
    said = f"the artifacts of {champion} may have learned from users who were erased by 2026-"
    assert message.startswith(said)
    assert f"({champion} serves)" in message
    assert "kubectl recommender retrain movies" in message
    world.versions[champion] = dataclasses.replace(world.versions[champion], created_at=AFTER)
    world.reconcile()
    assert world.condition(KIND) == ("True", "Erased")


def test_a_recalibrated_version_is_as_old_as_the_one_whose_network_it_has() -> None:
    world = world_of(AFTER, listed=LISTED.timestamp())
    champion = world.status.champion or ""
    version = world.versions[champion]
    assert version.status.lineage is not None
    lineage = version.status.lineage.model_copy(update={"recalibrated_from": "movies-gone"})
    status = version.status.model_copy(update={"lineage": lineage})
    world.versions[champion] = dataclasses.replace(version, status=status)
    world.reconcile()
    assert world.condition(KIND) == ("False", "ArtifactOlderThanErasure")


@pytest.mark.parametrize(
    ("reading", "why"),
    [
        (CollectorReading(error="no answer"), "no answer"),
        (CollectorReading(body={"reported": False}), "collector.writer.files"),
        (CollectorReading(body={**ENDED, "behind": True}), "behind the log"),
        (CollectorReading(body={**ENDED, "users": "2"}), "not valid"),
        (CollectorReading(body={**ENDED, "lake": "then"}), "not valid"),
        (CollectorReading(body={**ENDED, "listed": 1e300}), "not valid"),
        (CollectorReading(body={}), "not valid"),
    ],
)
def test_what_the_collector_does_not_say_is_unknown(reading: CollectorReading, why: str) -> None:
    world = world_of()
    world.erasures = reading
    world.reconcile()
    assert world.condition(KIND) == ("Unknown", "NotReported")
    assert why in world.message(KIND)


def test_the_message_does_not_change_with_the_time() -> None:
    world = world_of(BEFORE, listed=LISTED.timestamp(), files=BEFORE.timestamp())
    before = world.message(KIND)
    world.tick(3600)
    world.reconcile()
    assert world.message(KIND) == before
