"""`decide` through arbitrary observations: the promises hold in every sequence.

Each action is checked (see `simulation`): weights sum to 100, none for a version that failed a
gate or its smoke inference, the stable version's service stays, nothing moves forward while
paused, never two candidates. The analysis is replaced by arbitrary verdicts.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
from collections.abc import Iterator, Mapping
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from recommender_operator.actions import Decision, UpdateVersion
from recommender_operator.analysis import drift as drifts
from recommender_operator.analysis import step_verdict as verdicts
from recommender_operator.analysis.counter_window import WindowStats
from recommender_operator.analysis.drift import DriftVerdict, FeatureShift
from recommender_operator.analysis.step_verdict import StepVerdict, Verdict
from recommender_operator.decide import decide
from recommender_operator.experiments import decision as statistics
from recommender_operator.experiments.decision import Kind
from recommender_operator.observed import JobKind
from recommender_operator.rollout import counter_windows, input_breakage
from tests.unit.recommender_operator.arm_worlds import tells
from tests.unit.recommender_operator.experiment_worlds import PLAN, Judge
from tests.unit.recommender_operator.simulation.cluster import BAD, GOOD, spec
from tests.unit.recommender_operator.world import World

SEEDS = st.sampled_from([17, 2, 3])
QUALITIES = st.sampled_from([GOOD, BAD, {}, {"auc": float("nan")}, {"auc": 0.60001}])
DRIFT = {"windowSessions": 20, "consecutiveWindows": 2, "cooldownSeconds": 60}


@dataclasses.dataclass
class Oracle:
    """Supplies the verdicts of the analysis."""

    step: Verdict = Verdict.PASS
    window: Verdict = Verdict.PASS
    broken: Verdict = Verdict.PASS
    users: Judge = dataclasses.field(default_factory=Judge)

    @contextlib.contextmanager
    def speaks(self) -> Iterator[None]:
        with (
            mock.patch.object(counter_windows, "window_stats", return_value=WindowStats()),
            mock.patch.object(input_breakage, "window_stats", return_value=WindowStats()),
            mock.patch.object(verdicts, "evaluate", self._evaluate),
            mock.patch.object(drifts, "evaluate_window", self._evaluate_window),
            mock.patch.object(drifts, "evaluate_break", self._evaluate_break),
            mock.patch.object(statistics, "decide", self.users),
        ):
            yield

    def _evaluate(self, *_: object) -> StepVerdict:
        return StepVerdict(verdict=self.step, metrics=(), message=f"says {self.step}")

    def _evaluate_window(self, *_: object) -> DriftVerdict:
        return self._drift(self.window)

    def _evaluate_break(self, *_: object) -> DriftVerdict:
        return self._drift(self.broken)

    def _drift(self, verdict: Verdict) -> DriftVerdict:
        shift = FeatureShift(name="age", effect=0.3, p_value=0.0, psi=0.4, message="age")
        return DriftVerdict(
            verdict=verdict,
            sessions=0 if verdict is Verdict.INCONCLUSIVE else 100,
            features=(shift,) if verdict is Verdict.FAIL else (),
            message=f"says {verdict}",
            clear=verdict is Verdict.PASS,
        )


class AnyCluster(RuleBasedStateMachine):
    """Users, accidents and crashes in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.oracle = Oracle()
        self.world = World(spec=spec(retrain={"drift": DRIFT}, history={"limit": 1}))
        self.had_champion = False
        self.tokens = 0

    @initialize(
        seeds=st.sampled_from([(), (17,), (2, 17), (3, 2)]),
        next_seed=SEEDS,
        plan=st.sampled_from([None, PLAN]),
    )
    def begin(
        self, seeds: tuple[int, ...], next_seed: int, plan: dict[str, object] | None
    ) -> None:
        """Start anywhere in a lifecycle, with another version requested."""
        self.edit_experiment(plan)
        self.oracle.users.kind = Kind.PROMOTE
        self.oracle.window = self.oracle.broken = Verdict.INCONCLUSIVE
        with self.oracle.speaks():
            for seed in seeds:
                self.edit(seed)
                self.world.settle()
        self.edit(next_seed)
        self.oracle.window = self.oracle.broken = Verdict.PASS
        self.oracle.users.kind = Kind.KEEP_RUNNING

    @rule()
    def look(self) -> None:
        self._look(None)

    @rule(times=st.integers(2, 12), seconds=st.integers(1, 30))
    def time_passes(self, times: int, seconds: int) -> None:
        for _ in range(times):
            self._look(None)
            self.world.finish_jobs()
            self.world.tick(seconds)

    @rule(after=st.integers(0, 4))
    def die(self, after: int) -> None:
        self._look(after)

    def _look(self, crash: int | None) -> None:
        with self.oracle.speaks():
            self.world.reconcile(crash)

    @rule(seconds=st.sampled_from([1, 30, 700]))
    def tick(self, seconds: int) -> None:
        self.world.tick(seconds)

    @rule()
    def jobs_succeed(self) -> None:
        self.world.finish_jobs()

    @rule(kind=st.sampled_from(list(JobKind)))
    def jobs_fail(self, kind: JobKind) -> None:
        self.world.fail_job(kind)

    @rule()
    def jobs_are_lost(self) -> None:
        self.world.jobs.clear()

    @rule(seed=SEEDS, quality=QUALITIES)
    def training_gives(self, seed: int, quality: dict[str, float]) -> None:
        self.world.metrics[seed] = quality

    @rule(seed=SEEDS, quality=QUALITIES)
    def baseline_gives(self, seed: int, quality: dict[str, float]) -> None:
        self.world.baseline_metrics[seed] = quality

    @rule(policy=st.sampled_from(["Reject", "DeployBaseline"]))
    def on_failure(self, policy: str) -> None:
        self.world.edit(evaluation={"onFailure": policy})

    @rule(seed=SEEDS, fails=st.booleans())
    def smoke_gives(self, seed: int, fails: bool) -> None:
        (self.world.smoke_fails.add if fails else self.world.smoke_fails.discard)(seed)

    @rule(verdict=st.sampled_from(list(Verdict)))
    def analysis_says(self, verdict: Verdict) -> None:
        self.oracle.step = verdict

    @rule(window=st.sampled_from(list(Verdict)), broken=st.sampled_from(list(Verdict)))
    def drift_says(self, window: Verdict, broken: Verdict) -> None:
        self.oracle.window, self.oracle.broken = window, broken

    @precondition(lambda self: self.world.services)
    @rule(data=st.data(), ready=st.booleans())
    def service_turns(self, data: st.DataObject, ready: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.world.services)))
        self.world.services[name].ready = ready

    @precondition(lambda self: self.world.services)
    @rule(data=st.data(), ready=st.booleans(), falls_back=st.booleans())
    def pods_turn(self, data: st.DataObject, ready: bool, falls_back: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.world.services)))
        self.world.services[name].ctx(ready=ready, falls_back=falls_back)

    @precondition(lambda self: self.world.services)
    @rule(data=st.data())
    def service_is_lost(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.world.services)))
        del self.world.services[name]

    @rule(accepted=st.booleans())
    def data_plane(self, accepted: bool) -> None:
        self.world.accepted = accepted

    @rule()
    def baselines_are_lost(self) -> None:
        self.world.baselines.clear()

    @rule(seed=SEEDS)
    def ask_for(self, seed: int) -> None:
        self.edit(seed)

    def edit(self, seed: int) -> None:
        if self.world.spec.training.seed != seed:
            self.world.seed(seed)

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        if self.world.spec.paused != paused:
            self.world.edit(paused=paused)

    @rule(
        steps=st.sampled_from([(100,), (10, 100), (1, 20, 50, 100)]),
        shadow=st.sampled_from([None, {}, {"share": 1, "seconds": 20}]),
        interleaving=st.sampled_from([None, {}, {"users": 100, "seconds": 60}]),
        fresh=st.booleans(),
    )
    def edit_rollout(
        self,
        steps: tuple[int, ...],
        shadow: dict[str, object] | None,
        interleaving: dict[str, object] | None,
        fresh: bool,
    ) -> None:
        weights = [{"weight": w} for w in steps]
        rollout = {"steps": weights, "shadow": shadow, "freshChampion": fresh}
        rollout["interleaving"] = interleaving
        self.world.edit(rollout=rollout)

    @rule(plan=st.sampled_from([None, PLAN, PLAN | {"weight": 20}, PLAN | {"mode": "Observe"}]))
    def edit_experiment(self, plan: dict[str, object] | None) -> None:
        self.world.edit(rollout={"experiment": plan}, serving={"impressions": 1})

    @precondition(lambda self: self.world.versions)
    @rule(data=st.data(), harmed=st.sampled_from(["", "worse"]))
    def compare_versions(self, data: st.DataObject, harmed: str) -> None:
        known = [*sorted(self.world.versions), "movies-00000000"]
        names = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=3, unique=True))
        arms = [{"version": name} for name in names]
        self.edit_experiment(PLAN | {"weight": 20, "arms": arms})
        tells(self.oracle.users, names[0], harmed=harmed)

    @rule(kind=st.sampled_from(list(Kind)), error=st.sampled_from(["", "", "down"]))
    def users_say(self, kind: Kind, error: str) -> None:
        self.oracle.users.kind, self.world.users.error = kind, error

    @rule(every=st.sampled_from([None, "Hourly", "Daily"]), after=st.sampled_from([None, 1, 2]))
    def schedule(self, every: str | None, after: int | None) -> None:
        snapshots = {"every": every} if every else None
        data = self.world.spec.data.dump() | {"snapshots": snapshots}
        self.world.edit(data=data, retrain={"afterSnapshots": after if every else None})

    @rule(hours=st.sampled_from([1, 24]))
    def a_period_passes(self, hours: int) -> None:
        self.world.now += datetime.timedelta(hours=hours)

    @rule(hours=st.sampled_from([-24, -1, 1, 24]))
    def the_clock_jumps(self, hours: int) -> None:
        self.world.now += datetime.timedelta(hours=hours)

    @precondition(lambda self: self.world.services)
    @rule(data=st.data())
    def a_container_crashes(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.world.services)))
        self.world.services[name].crash()

    @invariant()
    def the_champion_is_the_last_promotion_whatever_the_clock_says(self) -> None:
        promoted = [v.status for v in self.world.versions.values() if v.status.stage == "Promoted"]
        numbers = [status.promotion for status in promoted]
        assert len(numbers) == len(set(numbers)), "two promotions have one number"
        assert all(number > 0 for number in numbers)

    @rule(action=st.sampled_from(["abort", "retry", "promote", "retrain", "snapshot"]))
    def ask(self, action: str) -> None:
        self.tokens += 1
        self.world.annotations[action] = str(self.tokens)

    @precondition(lambda self: self.world.versions)
    @rule(data=st.data())
    def ask_rollback(self, data: st.DataObject) -> None:
        self.tokens += 1
        name = data.draw(st.sampled_from([*sorted(self.world.versions), "nobody"]))
        self.world.annotations["rollback-to"] = f"{name}#{self.tokens}"

    @precondition(lambda self: self.world.versions)
    @rule(data=st.data(), on=st.booleans())
    def pin(self, data: st.DataObject, on: bool) -> None:
        name = data.draw(st.sampled_from([*sorted(self.world.versions), "nobody"]))
        self.world.edit(rollbackTo=name if on else None)

    @invariant()
    def a_champion_never_vanishes(self) -> None:
        self.had_champion = self.had_champion or self.world.champion() is not None
        assert not self.had_champion or self.world.champion() is not None

    @invariant()
    def at_most_one_candidate(self) -> None:
        self.world.check()

    @invariant()
    def status_stays_small(self) -> None:
        assert len(self.world.status.handled) <= 20


AnyCluster.TestCase.settings = settings(stateful_step_count=50)
TestAnyCluster = AnyCluster.TestCase


def play(
    crashes: tuple[int, ...],
    *,
    mortal: bool = False,
    jumps: Mapping[int, datetime.timedelta] | None = None,
) -> dict[str, object]:
    """A lifecycle: a first version, a better one, a bad one, a former one, a rollbackTo."""
    world, oracle = (
        World(spec=spec(retrain={"drift": DRIFT | {"windowSessions": 1000000}})),
        Oracle(),
    )
    world.mortal, world.jumps = mortal, jumps or {}
    oracle.window = oracle.broken = Verdict.INCONCLUSIVE
    world.metrics[3] = BAD
    left = list(crashes)
    with oracle.speaks():
        world.settle(crashes=tuple(left[::4]))
        first = world.champion()
        world.seed(2)
        world.settle(crashes=tuple(left[1::4]))
        world.seed(3)
        world.settle(crashes=tuple(left[2::4]))
        oracle.step = Verdict.FAIL
        world.seed(4)
        world.settle(crashes=tuple(left[3::4]))
        world.annotations["rollback-to"] = f"{first}#1"
        world.settle(crashes=tuple(left[::3]))
    return world.summary()


BENIGN = play(())


@given(st.dictionaries(st.integers(1, 150), st.sampled_from([-3600, 3600]), max_size=5))
def test_a_benign_life_ends_the_same_however_the_clock_jumps(jumps: dict[int, int]) -> None:
    by_look = {look: datetime.timedelta(seconds=s) for look, s in jumps.items()}
    assert play((), jumps=by_look) == BENIGN


@given(st.lists(st.integers(0, 5), max_size=120))
def test_a_benign_life_ends_the_same_wherever_the_operator_crashes(crashes: list[int]) -> None:
    assert play(tuple(crashes)) == BENIGN


def test_a_benign_life_ends_the_same_if_the_operator_crashes_after_every_write() -> None:
    assert play((), mortal=True) == BENIGN


def test_the_benign_life_reaches_the_intended_stages() -> None:
    assert BENIGN["stages"] == {17: "Promoted", 2: "RolledBack", 3: "Rejected", 4: "RolledBack"}
    assert BENIGN["route"] == {17: 100}
    assert BENIGN["rollbacks"] == 1


@given(SEEDS, st.sampled_from([Verdict.PASS, Verdict.FAIL]), QUALITIES)
def test_without_a_change_there_is_no_action(
    seed: int, verdict: Verdict, quality: dict[str, float]
) -> None:
    world, oracle = World(spec=spec(retrain={"drift": DRIFT})), Oracle(step=verdict)
    oracle.window = oracle.broken = Verdict.INCONCLUSIVE
    with oracle.speaks():
        world.settle()
        world.metrics[seed] = quality
        world.seed(seed)
        world.settle()
        decision = decide(world.observe(), world.now)
    assert decision.actions == ()
    assert decision.status == world.status
    assert decision.events == ()


def test_a_second_look_at_the_same_cluster_decides_the_same() -> None:
    world, oracle = World(), Oracle()
    with oracle.speaks():
        for _ in range(60):
            first: Decision = decide(world.observe(), world.now)
            assert decide(world.observe(), world.now) == first
            updated = [x.name for x in first.actions if isinstance(x, UpdateVersion)]
            assert len(updated) == len(set(updated)), "wrote one status twice"
            world.reconcile()
            world.finish_jobs()
            world.tick()
