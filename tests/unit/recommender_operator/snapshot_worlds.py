"""Worlds whose data has a schedule of snapshots."""

from __future__ import annotations

import datetime

from recommender_operator import actions as a
from recommender_operator.observed import JobKind, JobState
from tests import sources
from tests.unit.recommender_operator.simulation.cluster import spec
from tests.unit.recommender_operator.world import World

HOUR = datetime.timedelta(hours=1)
SOURCE = {"source": sources.SOURCE}
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
