"""Scheduled snapshots: one per period, reported in the status, and kept as long as used."""

from __future__ import annotations

import datetime

import pytest

from recommender_operator import actions as a
from recommender_operator.observed import JobKind
from tests.unit.recommender_operator.simulation.cluster import START
from tests.unit.recommender_operator.snapshot_worlds import (
    HOUR,
    SOURCE,
    VERSION,
    number,
    snapshot_jobs,
    started,
    watched,
)
from tests.unit.recommender_operator.world import World


def test_without_a_schedule_no_snapshot_is_taken() -> None:
    world = World()
    world.settle()
    world.now += 48 * HOUR
    world.settle()
    assert started(world) == []
    assert world.condition("SnapshotTaken") == ("Unknown", "Disabled")
    assert world.status.snapshots is None


def test_an_hourly_snapshot_is_taken_once_per_hour() -> None:
    world = watched()
    world.settle()
    assert started(world) == [number(START)]
    world.now = START + HOUR - datetime.timedelta(seconds=1)
    world.reconcile()
    assert started(world) == [number(START)]
    world.now = START + HOUR
    world.settle()
    world.settle()
    assert started(world) == [number(START), number(START + HOUR)]


def test_a_daily_snapshot_is_taken_once_per_day_of_utc() -> None:
    world = watched("Daily")
    world.settle()
    for _ in range(30):
        world.now += HOUR
        world.settle()
    midnight = START.replace(hour=0)
    assert started(world) == [number(midnight), number(midnight + 24 * HOUR)]


def test_missed_hours_are_not_repeated() -> None:
    world = watched()
    world.settle()
    world.now += 5 * HOUR
    world.settle()
    assert started(world) == [number(START), number(START + 5 * HOUR)]


def test_a_snapshot_is_reported_in_status_condition_and_event() -> None:
    world = watched()
    world.settle()
    reported = world.status.snapshots
    assert reported is not None
    assert reported.period == START
    assert reported.data_version == f"i{number(START)}.u1.t0-{number(START):016x}"
    assert (reported.rows, reported.new_rows, reported.quarantined_rows, reported.kept) == (
        1000,
        50,
        2,
        3,
    )
    assert world.condition("SnapshotTaken") == ("True", "SnapshotTaken")
    assert "1000 interactions, 50 of them new, 2 rows quarantined" in world.message(
        "SnapshotTaken"
    )
    assert [e.type for e in world.events if e.reason == "SnapshotTaken"] == ["Normal"]


def test_a_snapshot_waits_for_a_check_that_ingests_the_same_rows() -> None:
    world = watched()
    kinds = []
    for _ in range(8):
        world.reconcile()
        kinds += [job.kind for job in world.jobs.values() if job.phase == "Running"]
        assert len([k for k in kinds if k is JobKind.SNAPSHOT]) == 0
        if JobKind.CHECK in kinds:
            break
        world.tick()
    world.reconcile()
    assert snapshot_jobs(world) == []
    world.finish_jobs()
    world.reconcile()
    world.tick()
    world.reconcile()
    assert len(snapshot_jobs(world)) == 1


def test_a_long_snapshot_delays_the_next_one() -> None:
    world = watched()
    world.settle()
    world.now = START + HOUR
    world.reconcile()
    world.now = START + 3 * HOUR
    world.reconcile()
    assert [job.attempt for job in snapshot_jobs(world)] == [number(START + HOUR)]
    world.finish_jobs()
    world.reconcile()
    assert world.status.snapshots is not None
    assert world.status.snapshots.period == START + HOUR
    world.settle()
    assert started(world)[-1] == number(START + 3 * HOUR)


def test_a_failed_snapshot_reports_the_reason_and_is_retried_in_the_next_hour() -> None:
    world = watched()
    world.settle()
    champion = world.champion()
    world.now = START + HOUR
    world.reconcile()
    world.fail_job(JobKind.SNAPSHOT, "UnreadableData", "events/x.csv was cut short")
    world.settle()
    assert world.condition("SnapshotTaken") == ("False", "UnreadableData")
    assert "events/x.csv was cut short" in world.message("SnapshotTaken")
    assert [e.type for e in world.events if e.reason == "UnreadableData"] == ["Warning"]
    reported = world.status.snapshots
    assert reported is not None
    # the last snapshot stays readable
    assert reported.data_version == f"i{number(START)}.u1.t0-{number(START):016x}"
    assert started(world) == [number(START), number(START + HOUR)]
    world.now = START + 2 * HOUR
    world.settle()
    assert world.condition("SnapshotTaken") == ("True", "SnapshotTaken")
    assert world.champion() == champion


def test_an_invalid_report_is_a_failed_snapshot() -> None:
    world = watched()
    world.odd_reports[JobKind.SNAPSHOT] = {"takenAt": "yesterday"}
    world.settle()
    assert world.condition("SnapshotTaken") == ("False", "InvalidReport")
    assert "takenAt" in world.message("SnapshotTaken")


def test_a_paused_model_takes_no_snapshot_but_reads_the_running_one() -> None:
    world = watched()
    world.settle()
    world.now = START + HOUR
    world.reconcile()
    world.edit(paused=True)
    world.finish_jobs()
    world.settle()
    assert world.status.snapshots is not None
    assert world.status.snapshots.period == START + HOUR
    world.now = START + 2 * HOUR
    world.settle()
    assert len(started(world)) == 2


def test_a_change_of_the_schedule_makes_no_version() -> None:
    world = watched()
    world.settle()
    versions = set(world.versions)
    world.edit(data={**SOURCE, "snapshots": {"every": "Daily", "keep": 3}})
    world.settle()
    world.edit(data=SOURCE)
    world.settle()
    assert set(world.versions) == versions
    assert world.status.snapshots is None


@pytest.mark.parametrize("pin", [{"version": VERSION}, {"asOf": "2025-12-01T00:00:00Z"}])
def test_a_data_pin_creates_a_separate_version(pin: dict[str, str]) -> None:
    world = watched()
    world.settle()
    first = world.champion()
    world.edit(data={**SOURCE, **pin})
    world.settle()
    assert world.champion() != first
    world.edit(data=SOURCE)
    world.settle()
    assert world.champion() == first


def test_data_versions_of_trained_versions_are_kept() -> None:
    world = watched()
    world.settle()
    world.edit(data={**world.spec.data.dump(), "version": VERSION})
    world.settle()
    world.now += HOUR
    world.settle()
    last = [e for e in world.log if isinstance(e, a.StartJob) and e.kind is JobKind.SNAPSHOT][-1]
    assert last.inputs == {"keep": f"7-abc,{VERSION}"}


def test_deleting_a_model_with_its_data_stops_the_snapshot_first() -> None:
    world = watched()
    world.edit(deletionPolicy="Delete")
    world.settle()
    world.now += HOUR
    world.reconcile()
    world.deleting = True
    world.versions.clear()
    world.services.clear()
    world.reconcile()
    assert world.log[-1] == a.DeleteJob(
        kind=JobKind.SNAPSHOT, version="movies", attempt=number(START + HOUR)
    )
    world.settle()
    assert isinstance(world.log[-1], a.StartJob)
    assert world.log[-1].kind is JobKind.REMOVE
    assert world.finished
