"""Which days of an experiment count."""

from __future__ import annotations

import datetime

import pytest

from tests.unit.recommender_operator.experiment_worlds import (
    Judge,
    experiment,
    measuring,
    reasons,
    until,
    users,
)


def test_time_in_which_nothing_was_measured_does_not_count(judge: Judge) -> None:
    world = measuring()
    world.watch(120)
    name = next(n for n in world.versions if world.seed_of(n) == 2)
    before = judge.asked[-1][2] * 86400
    world.services[name].disrupted = True
    world.services[name].ctx(ready=False)
    world.reconcile()
    world.watch(600)
    assert experiment(world).phases[-1].measured_seconds == pytest.approx(before, abs=15)
    world.services[name].ctx(ready=True)
    until(world, lambda: world.weight == 50 and users(world) is not None)
    until(world, lambda: experiment(world).phases[-1].until is None)
    assert experiment(world).phases[-1].resumed is not None
    world.watch(60)
    after = judge.asked[-1][2] * 86400
    assert before + 40 < after < before + 100


def test_time_of_a_pause_does_not_count(judge: Judge) -> None:
    world = measuring()
    world.watch(60)
    world.edit(paused=True)
    world.watch(0.05 * 86400, every=60)
    world.edit(paused=False)
    world.watch(30)
    assert world.second_stage == "Canary"
    assert judge.asked[-1][2] * 86400 < 400
    assert "HeldAtDeadline" not in reasons(world)
    seen = experiment(world)
    assert seen.judged_at is not None
    assert seen.written_at is not None
    assert world.now - seen.written_at < datetime.timedelta(minutes=2)
    assert world.now - seen.judged_at > datetime.timedelta(hours=1)
