"""What happens to a model in a simulated cluster, as text: decisions, routes and conditions."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from unittest import mock

from recommender_contract.metrics import CREATED
from recommender_operator import actions as a
from recommender_operator.analysis import drift, step_verdict
from recommender_operator.analysis.counter_window import WindowStats, window_stats
from recommender_operator.experiments import decision as statistics
from recommender_operator.experiments.decision import Kind
from tests.unit.recommender_operator.experiment_worlds import Judge
from tests.unit.recommender_operator.simulation.cluster import BAD
from tests.unit.recommender_operator.simulation.counters import USUAL, Mix, counters, features
from tests.unit.recommender_operator.world import World

Plot = Callable[[World], list[str]]
OTHERS: Mix = {**USUAL, "gender": {"0": 0.9, "1": 0.1, "null": 0.0}}


def look(world: World, times: int, seconds: float = 5) -> list[str]:
    """Let the operator look, and return what it decides each time."""
    found = []
    for _ in range(times):
        decision = world.reconcile()
        conditions = [(c.type, c.status, c.reason) for c in world.status.conditions]
        actions = list(map(_shown, decision.actions))
        text = f"{decision.requeue_after} {world.status.stage} {world.route} {actions}"
        found.append(_named(world, f"{text} {conditions}"))
        world.finish_jobs()
        world.tick(seconds)
    return found


def _shown(action: a.Action) -> str:
    """Return an action without what only repeats settings or counters."""
    match action:
        case a.UpdateVersion():
            return f"{action.name} {action.status.stage} {action.status.weight}"
        case a.CreateVersion():
            return f"create {action.name}"
        case a.SaveBaseline():
            return f"save {action.key}"
    return str(action)


def _named(world: World, text: str) -> str:
    """Return a text with the seeds of versions in place of their names, which are digests."""
    for name in world.versions:
        text = text.replace(name, f"v{world.seed_of(name)}")
    return re.sub(r"movies-[0-9a-f]{8}", "new", text)


def first(world: World) -> list[str]:
    """A first version."""
    return look(world, 12)


def second(world: World) -> list[str]:
    """A rollout of a second version."""
    found = look(world, 12)
    world.seed(2)
    return found + look(world, 45)


def worse(world: World) -> list[str]:
    """A second version with a lower AUC than the first one."""
    world.metrics = {2: {"auc": 0.75}}
    return second(world)


def bad(world: World) -> list[str]:
    """A second version that fails its gate."""
    world.metrics = {2: BAD}
    return second(world)


def failing(world: World) -> list[str]:
    """A second version whose answers are errors."""
    world.error_share = {2: 0.5}
    return second(world)


def silent(world: World) -> list[str]:
    """A second version that nobody asks."""
    world.requests_per_second = 0
    return [*second(world), *look(world, 20, 60)]


def unready(world: World) -> list[str]:
    """A second version that does not become ready."""
    world.settle()
    world.seed(2)
    found = []
    for _ in range(40):
        found += look(world, 1, 30)
        for name, service in world.services.items():
            if world.seed_of(name) == 2:
                service.ctx(ready=False)
    return found


def crashing(world: World) -> list[str]:
    """A second version whose container restarts now and then."""
    world.settle()
    world.seed(2)
    found = []
    for ctx in range(40):
        found += look(world, 1)
        for name, service in world.services.items():
            if world.seed_of(name) == 2 and ctx in (12, 16):
                service.crash()
    return found


def several(world: World) -> list[str]:
    """Several versions, one after the other."""
    found = []
    for seed in (17, 2, 3, 4):
        world.seed(seed)
        found += look(world, 45)
    return found


def days(world: World) -> list[str]:
    """Some days with a look in each hour."""
    return look(world, 12) + look(world, 50, 3600)


def shifted(world: World) -> list[str]:
    """Other sessions than those of the training, and others again."""
    found = look(world, 40)
    for mix in (OTHERS, USUAL, OTHERS):
        world.mix = mix
        found += look(world, 60)
    return found


def deleted(world: World) -> list[str]:
    """A model that is deleted."""
    found = look(world, 12)
    world.deleting, world.deleting_since = True, world.now
    return found + look(world, 6)


def measured(world: World) -> list[str]:
    """A rollout with an experiment: also what the statistics are asked."""
    judge = Judge()
    with mock.patch.object(statistics, "decide", judge):
        found = second(world)
        asked = [repr(plan) for plan, _, _ in judge.asked]
        judge.kind = Kind.PROMOTE
        return found + asked + look(world, 20)


def mixed(world: World) -> list[str]:
    """A second version whose items in mixed lists are liked a little less."""
    world.users.prefers, world.users.per_hour = 0.47, 100_000
    return second(world)


def judged(world: World) -> list[str]:
    """The verdicts on a candidate that is at many limits at once, and on its sessions."""
    nulls = {**USUAL, "gender": {"0": 0.3, "1": 0.4, "null": 0.3}}
    more = {**USUAL, "gender": {"0": 0.45, "1": 0.55, "null": 0.0}}
    poor = counters("v", 1000, 20, 100) | _sessions(nulls, 1000)
    poor['recommender_fallbacks_total{model="movies",version="v",reason="empty"}'] = 30
    slow = [key for key in poor if any(f'le="{le}"' in key for le in (0.01, 0.02, 0.05))]
    candidate = _window(poor | dict.fromkeys(slow, 0.0))
    stable = _window(counters("v", 1000) | _sessions(USUAL, 1000))
    found = step_verdict.evaluate(world.spec.rollout.analysis, candidate, stable)
    verdicts = [f"{each.metric} {each.verdict}" for each in found.metrics]
    sessions = _window(counters("v", 250) | _sessions(more, 250))
    return [*verdicts, drift.evaluate_window(world.spec.retrain.drift, sessions).verdict]


def _window(end: dict[str, float]) -> WindowStats:
    """Return what was counted since all counters were 0."""
    start = end | {key: 0.0 for key in end if "reference" not in key}
    return window_stats({"pod": start}, {"pod": end})


def _sessions(mix: Mix, number: int) -> dict[str, float]:
    counted = {
        feature: {label: number * share for label, share in bins.items()}
        for feature, bins in mix.items()
    }
    return {CREATED: 0.0, **features("v", counted, USUAL)}


@dataclasses.dataclass(frozen=True)
class Life:
    """A field of a decision: a resource, another value of the field, and when it matters."""

    plot: Plot
    value: object
    base: Mapping[str, object] = dataclasses.field(default_factory=dict)
