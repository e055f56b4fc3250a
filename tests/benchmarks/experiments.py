"""How often the decisions on experiments err, by thousands of simulated experiments.

Each experiment is decided from its users' moments at every day's end, by the code that the
operator runs. The last line is one JSON object; docs/lab/experiment-simulations.md explains it.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import json
import math
import time
from collections.abc import Sequence

import numpy as np

from recommender_operator.api.spec_experiment import LESS_IS_BETTER
from recommender_operator.experiments import estimates, harm, horizon, sample_size
from recommender_operator.experiments.arm_moments import Moments
from recommender_operator.experiments.decision import Kind, decide
from recommender_operator.experiments.experiment_metrics import Metric
from recommender_operator.experiments.horizon import Outcome
from recommender_operator.experiments.plan import Goal, Guardrail, Phase, Plan, Primary
from tests.benchmarks import experiment_logs, experiment_requests
from tests.benchmarks.experiment_requests import EFFECTS, Requests
from tests.benchmarks.experiment_users import (
    DRAWN,
    Floats,
    World,
    buyers,
    experiments,
    mismatches,
    moments,
)
from tests.benchmarks.machine import machine

SEED = 20261127
CTR, REVENUE = Metric.CLICK_THROUGH_RATE, Metric.REVENUE_PER_USER
EFFECT = 0.2
PLAN = Plan(primary=(Primary(metric=CTR, smallest_effect=EFFECT),), min_days=3.0, max_days=14.0)
TWO = dataclasses.replace(
    PLAN,
    primary=(*PLAN.primary, Primary(metric=Metric.CONVERSION_RATE, smallest_effect=0.6)),
)
#: Five versions: four are compared with the champion.
FIVE = dataclasses.replace(PLAN, further=3, weight=20.0)
NOT_WORSE = dataclasses.replace(PLAN, goal=Goal.NOT_WORSE)
#: Both metrics lose exactly what they may.
LOSS = 0.1
GUARDED = dataclasses.replace(
    PLAN,
    guardrails=(
        Guardrail(metric=CTR, largest_loss=LOSS),
        Guardrail(metric=REVENUE, largest_loss=LOSS),
    ),
)


@dataclasses.dataclass(frozen=True)
class Ends:
    """Shares of the experiments.

    `kinds`: by the end of the whole procedure. `fixed`: a difference at the planned number of
    users, without the stops before; `gained`: one that promotes. `peeked`: a difference at some
    daily look by the test of a single look.
    """

    kinds: dict[Kind, float]
    fixed: float
    gained: float
    peeked: float


def phase_of(day: Floats, share: float, drawn: Sequence[str] = DRAWN) -> Phase:
    return Phase(
        number=0,
        weights={"champion": 1 - share, "candidate": share},
        champion="champion",
        candidate="candidate",
        arms={"champion": moments(day[0], drawn), "candidate": moments(day[1], drawn)},
    )


def ends(plan: Plan, runs: Floats, share: float) -> Ends:
    """Decide each experiment at every day's end."""
    kinds: collections.Counter[Kind] = collections.Counter()
    fixed = gained = peeked = 0
    plan = dataclasses.replace(plan, weight=share * 100)
    for run in runs:
        phases = [phase_of(day, share) for day in run]
        outcome, least = _without_stops(plan, phases)
        fixed += outcome in (Outcome.BETTER, Outcome.WORSE)
        gained += outcome is Outcome.BETTER
        peeked += least <= plan.alpha
        decisions = (decide(plan, [phase], days) for days, phase in enumerate(phases, start=1))
        last = next((d for d in decisions if d.final), None)
        kinds[last.kind if last else Kind.KEEP_RUNNING] += 1
    n = len(runs)
    return Ends({k: c / n for k, c in kinds.items()}, fixed / n, gained / n, peeked / n)


def _without_stops(plan: Plan, phases: list[Phase]) -> tuple[Outcome | None, float]:
    """Return the outcome at the planned users (None: not reached), and the least daily p-value."""
    outcome, least = None, 1.0
    for days, phase in enumerate(phases, start=1):
        found = horizon.pairs(plan, phase.of("champion"), phase.of("candidate"))
        if found is None:
            continue
        least = min(least, sample_size.two_sided(found[0].z()))
        reached = horizon.planned(plan, phase, found).fraction >= 1
        if reached and days >= plan.min_days and outcome is None:
            outcome = horizon.read_at_horizon(plan, found)[0]
    return outcome, least


def family(plan: Plan, runs: Floats) -> float:
    """Return the share of experiments whose test finds a difference in any version.

    It is read once, when the candidate has its planned users, without the stops before.
    """
    count = 0
    for run in runs:
        for day in run:
            champion, *others = map(moments, day)
            phase = Phase(
                number=0,
                weights=dict.fromkeys(("champion", "candidate"), 1.0),
                champion="champion",
                candidate="candidate",
                arms={"champion": champion, "candidate": others[0]},
            )
            found = [horizon.pairs(plan, champion, other) for other in others]
            tested = [each for each in found if each is not None]
            if found[0] is None or horizon.planned(plan, phase, found[0]).fraction < 1:
                continue
            ends_ = (outcome for outcome, _ in horizon.read_all(plan, tested))
            count += any(outcome is not Outcome.UNDECIDED for outcome in ends_)
            break
    return count / len(runs)


def tested(metric: Metric, runs: Floats, share: float) -> float:
    """Return the share of experiments on requests whose test at the planned users finds one."""
    primary = (Primary(metric=metric, smallest_effect=EFFECTS[metric]),)
    plan = dataclasses.replace(PLAN, primary=primary)
    count = 0
    for run in runs:
        phases = [phase_of(day, share, experiment_requests.DRAWN) for day in run]
        count += _without_stops(plan, phases)[0] in (Outcome.BETTER, Outcome.WORSE)
    return count / len(runs)


def harmed(plan: Plan, runs: Floats, drawn: Sequence[str] = DRAWN) -> float:
    """Return the share of experiments that a daily look ever calls harmful."""
    count = 0
    for run in runs:
        looks = (harm.watch(plan, moments(day[0], drawn), moments(day[1], drawn)) for day in run)
        count += any(each.harmful for look in looks for each in look.values())
    return count / len(runs)


def covered(
    metric: Metric, arms: list[tuple[Moments, Moments]], truth: float, multiplier: float
) -> float:
    """Return the share of intervals with the true relative difference."""
    count = 0
    for champion, candidate in arms:
        found = estimates.pair(metric, champion, candidate)
        assert found is not None
        low, high = found.interval(multiplier)
        count += (low is None or low <= truth) and (high is None or truth <= high)
    return count / len(arms)


def always_covered(runs: Floats, truth: float) -> float:
    """Return the share of experiments whose confidence sequence has the truth at all looks."""
    count = 0
    for run in runs:
        looks = [harm.watch(PLAN, moments(day[0]), moments(day[1]))[CTR] for day in run]
        ends_ = [(look.comparison.low, look.comparison.high) for look in looks]
        count += all(
            (low is None or low <= truth) and (high is None or truth <= high)
            for low, high in ends_
        )
    return count / len(runs)


def of_requests(runs: int, rng: np.random.Generator) -> dict[str, dict[str, float]]:
    """Return figures of the metrics of requests and groups, by metric."""
    world, long = Requests(), Requests(days=28, arriving=150)
    null = experiment_requests.experiments(world, runs, {}, rng)
    changed = experiment_requests.experiments(world, runs, EFFECTS, rng)
    gains = {
        each: loss if each in LESS_IS_BETTER else -loss
        for each, loss in experiment_requests.LOSSES.items()
    }
    lost = experiment_requests.experiments(long, runs // 2, gains, rng)
    drawn = experiment_requests.DRAWN
    last = [(moments(run[-1, 0], drawn), moments(run[-1, 1], drawn)) for run in changed]
    two_sided = sample_size.critical(0.05)
    return {
        "no effect": {each: tested(each, null, world.share) for each in EFFECTS},
        "smallest effect": {each: tested(each, changed, world.share) for each in EFFECTS},
        "covered": {each: covered(each, last, gain, two_sided) for each, gain in EFFECTS.items()},
        "harm": {"any": harmed(experiment_requests.GUARDED, lost, drawn)},
    }


def figures(runs: int) -> dict[str, object]:
    """Return the figures of the JSON line."""
    rng = np.random.default_rng(SEED)
    world, long = World(), World(days=28, arriving=150)
    null = experiments(world, runs, 0.0, rng)
    alike = ends(PLAN, null, world.share)
    print("no effect", alike, flush=True)
    two = ends(TWO, null, world.share)
    print("no effect, two primary metrics", two, flush=True)
    lost = ends(NOT_WORSE, experiments(world, runs // 2, -EFFECT, rng), world.share)
    print("a loss of the smallest effect, goal NotWorse", lost, flush=True)
    better = experiments(world, runs, EFFECT, rng)
    found = ends(PLAN, better, world.share)
    print("smallest effect", found, flush=True)
    worse = experiments(long, runs // 2, -LOSS, rng)
    small = World(days=28, arriving=300, share=0.1)
    few = experiments(small, runs // 4, -LOSS, rng)
    peeking = {
        "primary": harmed(PLAN, null),
        "guardrails": harmed(GUARDED, worse),
        "guardrails, tenth of the users": harmed(GUARDED, few),
    }
    requests = of_requests(runs, rng)
    print("requests and groups", requests, flush=True)
    peeking["guardrails of requests and groups"] = requests["harm"]["any"]
    print("harm", peeking, flush=True)
    last = [(moments(run[-1, 0]), moments(run[-1, 1])) for run in better]
    alarms, any_alarms = mismatches(5 * runs, 0.0, rng)
    two_sided = sample_size.critical(0.05)
    off_policy = experiment_logs.coverage(runs // 2, rng)
    print("off policy", off_policy, flush=True)
    several = World(days=8, arriving=1500, share=0.2, arms=5)
    five = family(FIVE, experiments(several, runs // 2, 0.0, rng))
    print("no effect, five versions", five, flush=True)
    return {
        "false_positive_fixed": alike.fixed,
        "false_positive_peeking": max(peeking.values()),
        "power_gap": PLAN.power - found.kinds.get(Kind.PROMOTE, 0.0),
        "srm_alarms": alarms,
        "coverage_ratio": covered(CTR, last, EFFECT, two_sided),
        "coverage_revenue": covered(REVENUE, buyers(2 * runs, 20_000, rng), 0.1, two_sided),
        "coverage_off_policy": max(off_policy.values(), key=lambda share: abs(share - 0.95)),
        "coverage_error_rate": requests["covered"][Metric.ERROR_RATE],
        "coverage_slow_share": requests["covered"][Metric.SLOW_SHARE],
        "coverage_group_exposure": requests["covered"][Metric.GROUP_EXPOSURE],
        "false_positive_requests": requests["no effect"],
        "found_requests": requests["smallest effect"],
        "coverage_all_looks": always_covered(better, EFFECT),
        "false_positive_two_primaries": two.fixed,
        "false_positive_five_versions": five,
        "false_promotions_not_worse": lost.gained,
        "false_promotions": alike.kinds.get(Kind.PROMOTE, 0.0),
        "false_rollbacks": alike.kinds.get(Kind.ROLL_BACK, 0.0),
        "false_positive_daily_z": alike.peeked,
        "power_fixed": found.gained,
        "futile_without_effect": alike.kinds.get(Kind.FUTILE, 0.0),
        "harm_by_case": peeking,
        "srm_alarms_28_looks": any_alarms,
        "srm_found_at_5_percent_lost": mismatches(runs, 0.05, rng)[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=4000)
    args = parser.parse_args()
    start = time.perf_counter()
    report = {
        "benchmark": "experiments",
        "runs": args.runs,
        "machine": machine(),
        **{
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in figures(args.runs).items()
        },
        "standard_error_at_5_percent": round(math.sqrt(0.05 * 0.95 / args.runs), 4),
        "seconds": round(time.perf_counter() - start, 1),
        "cpu_seconds": round(time.process_time(), 1),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
