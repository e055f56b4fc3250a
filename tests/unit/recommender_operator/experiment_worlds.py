"""Worlds with an experiment, whose verdict a test chooses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from recommender_operator.api.version_experiment import ExperimentStatus
from recommender_operator.experiments.decision import Decision, Kind
from recommender_operator.experiments.estimates import Comparison
from recommender_operator.experiments.experiment_metrics import Metric
from recommender_operator.experiments.extra_arm_tests import Arm
from recommender_operator.experiments.novelty import Novelty
from recommender_operator.experiments.plan import Phase, Plan
from recommender_operator.experiments.segment_effects import Interaction, Report, Segment
from recommender_operator.resources import assignment_header
from recommender_operator.resources.assignment_header import Assignment
from tests.unit.recommender_operator.simulation.cluster import changed
from tests.unit.recommender_operator.started_worlds import in_canary
from tests.unit.recommender_operator.world import World

PLAN: dict[str, Any] = {
    "primary": [{"metric": "ClickThroughRate", "smallestEffect": 0.05}],
    "guardrails": [{"metric": "RevenuePerUser", "largestLoss": 0.1}],
    "minDays": 0,
    "maxDays": 0.02,
}
CLICKS = Comparison(
    metric=Metric.CLICK_THROUGH_RATE, champion=0.04, candidate=0.05, difference=0.25, low=0.1,
    high=float("inf"), p_value=0.001, champion_users=500, candidate_users=510,
)  # fmt: skip
REVENUE = Comparison(
    metric=Metric.REVENUE_PER_USER, champion=1, candidate=1, difference=0, always_valid=True
)
FADES = Novelty(
    metric=Metric.CLICK_THROUGH_RATE, first=0.3, later=0.1, change=-0.15, low=-0.2,
    high=float("inf"),
)  # fmt: skip
HARMED = Segment(feature="device", value="tv", comparison=CLICKS, harmed=True)
DIFFERS = Interaction(
    feature="device", metric=Metric.CLICK_THROUGH_RATE, q=9.5, degrees=2, p_value=0.01
)
#: Verdicts that end an experiment.
ENDS = frozenset({Kind.PROMOTE, Kind.ROLL_BACK, Kind.FUTILE, Kind.INCONCLUSIVE})


@dataclasses.dataclass
class Judge:
    """Decides in place of the statistics, and remembers what it was asked."""

    kind: Kind = Kind.KEEP_RUNNING
    asked: list[tuple[Plan, Sequence[Phase], float]] = dataclasses.field(default_factory=list)
    days_left: float | None = None
    #: What it says of further versions, as long as they take part.
    further: dict[str, Arm] = dataclasses.field(default_factory=dict)

    def __call__(self, plan: Plan, phases: Sequence[Phase], days: float) -> Decision:
        self.asked.append((plan, phases, days))
        last = phases[-1]
        return Decision(
            kind=self.kind,
            message=f"says {self.kind}",
            final=self.kind in ENDS,
            comparisons=(CLICKS,),
            guardrails=(REVENUE,),
            sample_ratio_p=0.4,
            users={name: last.of(name).users for name in (last.champion, last.candidate)},
            planned_users={last.champion: 5000, last.candidate: 5000},
            days_left=self.days_left,
            novelty=(FADES,),
            by_segment=Report(segments=(HARMED,), interactions=(DIFFERS,)),
            further=tuple(self.further[v] for v in last.further if v in self.further),
        )


def started(**sections: Any) -> World:
    """A world in the first step of a rollout with an experiment, at 10 %."""
    given: dict[str, Any] = {"serving": {"impressions": 1}, "rollout": {"experiment": PLAN}}
    return in_canary(**changed(given, sections))


def measuring(**sections: Any) -> World:
    """A world in the step that measures, at 50 %."""
    world = started(**sections)
    until(world, lambda: world.weight == 50 and world.steps[-1].ended_at is None)
    assert world.steps[-1].weight == 50
    return world


def until(world: World, condition: Callable[[], bool], looks: int = 100) -> None:
    """Let time pass until a condition holds."""
    for _ in range(looks):
        if condition():
            return
        world.reconcile()
        world.finish_jobs()
        world.tick()
    raise AssertionError(world.summary())


def experiment(world: World, seed: int = 2) -> ExperimentStatus:
    """The record of a version's experiment."""
    (found,) = [
        version.status.experiment
        for name, version in world.versions.items()
        if world.seed_of(name) == seed
    ]
    assert found is not None
    return found


def users(world: World) -> Assignment | None:
    """What the route says to the transformers."""
    return assignment_header.parse(world.routing.experiment)


def reasons(world: World) -> list[str]:
    return [event.reason for event in world.events]
