"""Wall clocks that jump in any phase of a lifecycle do not change the result."""

from __future__ import annotations

import dataclasses
import datetime
import functools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.actions import Decision
from recommender_operator.observed import JobKind
from tests.unit.recommender_operator.simulation.cluster import BAD, changed, spec
from tests.unit.recommender_operator.world import World

HOUR = datetime.timedelta(hours=1)
JUMPS = (HOUR, -HOUR)
ANALYSIS = {"stepSeconds": 20, "intervalSeconds": 5, "deadlineSeconds": 120}


def good_and_bad(world: World) -> None:
    """A better version, one that fails a gate, one that fails in production; a person unlocks."""
    world.metrics[3] = BAD
    world.settle()
    for seed in (2, 3):
        world.seed(seed)
        world.settle()
    world.error_share[4] = 0.9
    world.seed(4)
    world.settle()
    assert world.status.locked
    world.error_share.clear()
    world.annotations["retry"] = "1"
    world.settle()


def brought_back(world: World) -> None:
    """An annotation rolls back to a former champion, and the spec then requests it again."""
    world.settle()
    first = world.stable()
    world.seed(2)
    world.settle()
    world.annotations["rollback-to"] = first
    world.settle()
    world.seed(17)
    world.settle()
    world.seed(2)
    world.settle()


def data_that_come_late(world: World) -> None:
    """A data check fails and is retried automatically."""
    world.reconcile()
    world.reconcile()
    world.fail_job(JobKind.CHECK, "TooFewRows", "12 rows, 1000 asked")
    while "Failed" not in world.stages().values():
        world.reconcile()
    for _ in range(20):
        world.reconcile()
        world.tick(20)
    world.settle()


def without_requests(world: World) -> None:
    """There are no requests, so the deadline of the step decides."""
    world.settle()
    world.requests_per_second = 0
    world.seed(2)
    for _ in range(40):
        world.reconcile()
        world.finish_jobs()
        world.tick()
    world.settle()


def never_ready(world: World) -> None:
    """The service of the second version does not become ready."""
    world.settle()
    champion = world.stable()
    world.seed(2)
    for _ in range(35):
        for name, service in world.services.items():
            service.ready = name == champion
        world.reconcile()
        world.finish_jobs()
        world.tick()
    world.settle()


def unready_for_a_while(world: World) -> None:
    """During its rollout, the candidate is unready for less than its deadline."""
    world.settle()
    world.seed(2)
    while not world.route.get(world.status.candidate or ""):
        world.reconcile()
        world.finish_jobs()
        world.tick()
    service = world.services[world.status.candidate or ""]
    service.ready, service.pods = False, 0
    world.watch(40)
    service.ready, service.pods = True, 1
    world.settle()


LIVES = (
    good_and_bad,
    brought_back,
    data_that_come_late,
    without_requests,
    never_ready,
    unready_for_a_while,
)
Life = Callable[[World], None]


@dataclasses.dataclass
class Witness(World):
    """Records the looks at which a phase begins or ends."""

    turns: set[int] = dataclasses.field(default_factory=set)
    last: object = None

    def reconcile(self, crash_after: int | None = None) -> Decision:
        decision = super().reconcile(crash_after)
        steps = [len(version.status.steps) for version in self.versions.values()]
        now = (self.stages(), self.route, self.status.stage, steps)
        if now != self.last:
            self.last = now
            self.turns.add(self.looks + 1)
        return decision


def lived(
    life: Life, jumps: dict[int, datetime.timedelta] | None = None, **sections: object
) -> Witness:
    policy = {**ANALYSIS, "onDeadline": "RollBack"}
    usual = {
        "rollout": {"analysis": policy},
        "serving": {"readyDeadlineSeconds": 60},
        "retrain": {"lockAfterRollbacks": 1},
    }
    requested = spec(**changed(usual, sections))
    world = Witness(spec=requested, jumps=jumps or {})
    life(world)
    return world


def end(world: World) -> dict[str, object]:
    """Everything that matters at the end, without times and without pauses."""
    decisions = {
        v.spec.training.seed: (v.status.decision.outcome, v.status.decision.reason)
        for v in world.versions.values()
        if v.status.decision is not None
    }
    steps = {
        v.spec.training.seed: [(s.weight, s.verdict) for s in v.status.steps]
        for v in world.versions.values()
    }
    return {**world.summary(), "outcomes": decisions, "steps": steps}


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.__name__)
def test_a_clock_that_jumps_an_hour_in_any_phase_does_not_change_the_result(life: Life) -> None:
    straight = lived(life)
    expected = end(straight)
    for look in sorted(straight.turns):
        for jump in JUMPS:
            assert end(lived(life, {look: jump})) == expected, f"{jump} at look {look}"


@functools.cache
def straight_end(life: Life) -> dict[str, object]:
    return end(lived(life))


@given(
    st.sampled_from(LIVES),
    st.dictionaries(st.integers(1, 120), st.sampled_from(JUMPS), max_size=4),
)
def test_clocks_that_jump_back_and_forth_do_not_change_the_result(
    life: Life, jumps: dict[int, datetime.timedelta]
) -> None:
    assert end(lived(life, jumps)) == straight_end(life)


@pytest.mark.parametrize("jump", JUMPS, ids=["forward", "back"])
def test_a_step_is_watched_for_its_time_whatever_the_clock_does(jump: datetime.timedelta) -> None:
    analysis = {"stepSeconds": 120, "intervalSeconds": 5, "minRequests": 10}
    world = World(spec=spec(rollout={"analysis": analysis}))
    world.settle()
    world.seed(2)
    while not world.route.get(world.status.candidate or ""):
        world.reconcile()
        world.finish_jobs()
        world.tick()
    candidate, watched = world.status.candidate or "", 0
    world.watch(20)
    world.now += jump
    while world.route.get(candidate) == 10:
        world.reconcile()
        world.tick()
        watched += 5
    assert 120 - 20 - 15 <= watched <= 120 + 20, watched


def test_no_clock_is_written_without_a_deadline() -> None:
    world = World()
    world.settle()
    assert world.status.clock is None


def test_in_a_pause_time_stands_still_and_writes_nothing() -> None:
    world = lived(lambda world: world.settle())
    world.requests_per_second = 0
    world.seed(2)
    while not world.route.get(world.status.candidate or ""):
        world.reconcile()
        world.finish_jobs()
        world.tick()
    world.watch(30)
    world.edit(paused=True)
    world.watch(10)
    before = world.status
    world.watch(3600, every=60)
    assert world.status == before
    world.edit(paused=False)
    world.watch(30)
    assert world.second_stage == "Canary", "the pause counted as time to answer in"


def test_the_order_of_promotions_does_not_depend_on_times() -> None:
    world = lived(lambda world: world.settle())
    world.now -= HOUR
    world.seed(2)
    world.settle()
    assert world.stages() == {17: "Promoted", 2: "Promoted"}
    assert world.versions[world.stable()].spec.training.seed == 2
