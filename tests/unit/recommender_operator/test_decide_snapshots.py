"""Scheduled snapshots: one per period, reported in the status, and retrainings after them."""

from __future__ import annotations

import datetime

import pytest

from recommender_operator import actions as a
from recommender_operator.analysis.verdict import Verdict
from recommender_operator.observed import JobKind, JobState
from tests.unit.recommender_operator.simulation.cluster import START, spec
from tests.unit.recommender_operator.test_decide_properties import DRIFT, Oracle
from tests.unit.recommender_operator.world import World

HOUR = datetime.timedelta(hours=1)
SOURCE = {"source": {"claimName": "raw"}}
VERSION = "i3.u1.t0-0123456789abcdef"


def watched(every: str = "Hourly", **sections: object) -> World:
    return World(spec=spec(data={**SOURCE, "snapshots": {"every": every, "keep": 7}}, **sections))


def started(world: World) -> list[int]:
    """The numbers of the started snapshots, one entry per start."""
    jobs = [each for each in world.log if isinstance(each, a.StartJob)]
    return [each.attempt for each in jobs if each.kind is JobKind.SNAPSHOT]


def number(time: datetime.datetime) -> int:
    return int(time.timestamp()) // 60


def snapshot_jobs(world: World) -> list[JobState]:
    return [job for job in world.jobs.values() if job.kind is JobKind.SNAPSHOT]


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
    assert [job.attempt for job in snapshot_jobs(world)] == [number(START), number(START + HOUR)]
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


def hours_pass(world: World, count: int) -> None:
    for _ in range(count):
        world.now += HOUR
        world.settle()


def test_enough_snapshots_with_new_rows_start_a_retraining() -> None:
    world = watched(retrain={"afterSnapshots": 3})
    world.settle()
    first = world.champion()
    hours_pass(world, 1)
    assert world.champion() == first
    hours_pass(world, 1)
    retrained = world.versions[world.stable()]
    assert retrained.name != first
    assert retrained.spec.trigger == "Retrain: 3 snapshots with new rows"
    assert world.status.retrain is not None
    assert world.status.retrain.token.startswith("snapshot-")
    assert world.status.snapshots is not None
    assert world.status.snapshots.since_retraining == 0


def test_snapshots_without_new_rows_start_no_retraining() -> None:
    world = watched(retrain={"afterSnapshots": 1})
    world.odd_reports[JobKind.SNAPSHOT] = {"newRows": 0}
    world.settle()
    first = world.champion()
    hours_pass(world, 3)
    assert world.champion() == first
    assert world.status.retrain is None


def test_a_retraining_for_snapshots_that_waits_for_other_models_says_so() -> None:
    world = watched(retrain={"afterSnapshots": 1})
    world.settle()
    token = world.status.retrain
    world.retrainings_full = "none while 2 other models train"
    hours_pass(world, 1)
    assert world.status.retrain == token
    assert world.status.snapshots is not None
    assert world.status.snapshots.waits == "none while 2 other models train"
    world.retrainings_full = ""
    hours_pass(world, 1)
    assert world.status.retrain != token
    assert world.status.snapshots.waits == ""


def test_a_retraining_for_snapshots_waits_until_the_current_one_has_ended() -> None:
    rollout = {"steps": [{"weight": 10}, {"weight": 100}]}
    world = watched(retrain={"afterSnapshots": 1}, rollout=rollout)
    world.settle()
    oracle = Oracle(step=Verdict.INCONCLUSIVE)
    with oracle.speaks():
        world.now += HOUR
        looks(world, 20)
        retrained, token = world.status.candidate, world.status.retrain
        assert retrained is not None
        world.now += HOUR
        looks(world, 6)
    assert (world.status.candidate, world.status.retrain) == (retrained, token)
    assert world.status.snapshots is not None
    assert world.status.snapshots.since_retraining == 1


def looks(world: World, count: int) -> None:
    for _ in range(count):
        world.reconcile()
        world.finish_jobs()
        world.tick()


def test_a_locked_model_continues_to_take_snapshots() -> None:
    world = watched(retrain={"afterSnapshots": 1, "lockAfterRollbacks": 1})
    world.odd_reports[JobKind.SNAPSHOT] = {"newRows": 0}
    world.settle()
    with Oracle(step=Verdict.FAIL).speaks():
        world.seed(2)
        world.settle()
    assert world.status.locked
    world.seed(3)
    world.odd_reports.clear()
    world.now += HOUR
    world.settle()
    assert len(started(world)) == 2
    assert world.status.retrain is None


@pytest.mark.parametrize("pin", [{"version": VERSION}, {"asOf": "2025-12-01T00:00:00Z"}])
def test_a_model_with_pinned_data_is_not_retrained(pin: dict[str, str]) -> None:
    oracle = Oracle(window=Verdict.INCONCLUSIVE, broken=Verdict.INCONCLUSIVE)
    data = {**SOURCE, **pin, "snapshots": {"every": "Hourly"}}
    world = World(spec=spec(data=data, drift=DRIFT, retrain={"afterSnapshots": 1}))
    with oracle.speaks():
        world.settle()
        world.now += HOUR
        world.settle()
        oracle.window = Verdict.FAIL
        for _ in range(4):
            world.tick()
            world.reconcile()
    assert world.status.retrain is None
    assert "gives the same data" in world.message("Drifted")


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
    assert world.log[-1] == a.CancelJob(
        kind=JobKind.SNAPSHOT, version="movies", attempt=number(START + HOUR)
    )
    world.settle()
    assert isinstance(world.log[-1], a.StartJob)
    assert world.log[-1].kind is JobKind.REMOVE
    assert world.finished


def ask(world: World, token: str) -> None:
    world.annotations["snapshot"] = token


def test_a_requested_snapshot_is_taken_at_once_and_only_once() -> None:
    world = watched("Daily")
    world.settle()
    world.now += HOUR
    ask(world, "before the sale")
    world.settle()
    ask(world, "and another")
    world.settle()
    midnight = START.replace(hour=0)
    first, *requested = started(world)
    assert first == number(midnight)
    assert len(requested) == 2
    assert number(START + HOUR) <= requested[0] < requested[1]
    handled = {h.token: h.result for h in world.status.handled}
    assert handled["before the sale"] == f"movies-snapshot-{requested[0]} starts"
    assert world.condition("RequestsHonored") == ("True", "Done")
    world.now = midnight + 24 * HOUR
    world.settle()
    assert started(world)[3:] == [number(midnight + 24 * HOUR)]


def test_two_requests_in_one_minute_take_two_snapshots() -> None:
    world = watched()
    world.settle()
    at = world.now + HOUR
    for token in ("one", "two"):
        world.now = at
        ask(world, token)
        world.reconcile()
        world.finish_jobs()
        world.reconcile()
    assert started(world)[1:] == [number(at), number(at) + 1]


def test_a_requested_snapshot_in_a_new_hour_is_also_the_scheduled_one() -> None:
    world = watched()
    world.settle()
    world.now = START + HOUR + datetime.timedelta(minutes=7)
    ask(world, "now")
    world.settle()
    world.settle()
    assert started(world)[1:] == [number(START + HOUR) + 7]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"data": SOURCE}, "data.snapshots is not set"), ({"paused": True}, "the model is paused")],
)
def test_a_snapshot_that_cannot_be_taken_is_refused_with_the_remedy(
    changes: dict[str, object], reason: str
) -> None:
    world = watched()
    world.settle()
    world.edit(**changes)
    ask(world, "now")
    world.settle()
    assert len(started(world)) == 1
    assert world.condition("RequestsHonored") == ("False", "Refused")
    assert reason in world.message("RequestsHonored")
