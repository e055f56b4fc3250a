"""The further versions of an experiment: each is compared with the champion, as the candidate is.

Nothing here decides on the candidate but one thing: it is not promoted if a version that also
passes is better than it, beyond chance. One that harms is withdrawn alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from recommender_operator.analysis.tail_probabilities import holm
from recommender_operator.experiments import harm, horizon, sample_size
from recommender_operator.experiments.arm_moments import Moments
from recommender_operator.experiments.comparison_texts import all_described, described, harmed
from recommender_operator.experiments.estimates import Comparison, Pair, pair
from recommender_operator.experiments.experiment_metrics import Metric
from recommender_operator.experiments.horizon import Outcome
from recommender_operator.experiments.plan import Phase, Plan

#: Largest share of a version's answers that another version may have given in its place. If it
#: fails, the champion answers for it and is, of course, not worse than itself.
MAX_DISAGREED = 0.05


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arm:
    """A further version at one look.

    `harmed`: why it is withdrawn; empty if it is not. At the planned users alone: `outcome` of its
    test, `passed` whether it could be promoted if it were the candidate, and `ahead` whether it is
    also better than the candidate, beyond chance.
    """

    version: str
    users: int
    comparisons: tuple[Comparison, ...]
    guardrails: tuple[Comparison, ...]
    disagreed: int = 0
    harmed: str = ""
    outcome: Outcome | None = None
    passed: bool = False
    ahead: bool = False


def watch(plan: Plan, phase: Phase) -> tuple[Arm, ...]:
    """Return the further versions at this look, by the tests that hold over all looks."""
    return tuple(_watched(plan, phase.beside(version)) for version in phase.further)


def _watched(plan: Plan, phase: Phase) -> Arm:
    version = phase.candidate
    seen = harm.watch(plan, phase.of(phase.champion), phase.of(version))
    return Arm(
        version=version,
        users=phase.of(version).users,
        comparisons=tuple(seen[each.metric].comparison for each in plan.primary),
        guardrails=tuple(seen[each.metric].comparison for each in plan.guardrails),
        disagreed=phase.disagreed.get(version, 0),
        harmed=harmed(seen.values()),
    )


def read_extra_arms(
    plan: Plan, phase: Phase, candidate: Sequence[Pair], arms: Sequence[Arm]
) -> tuple[Outcome, tuple[Comparison, ...], tuple[Arm, ...]]:
    """Return the candidate's outcome and comparisons, and the further versions, all read once."""
    known = {arm.version: horizon.pairs(plan, *_moments(phase, arm.version)) for arm in arms}
    tested = {version: found for version, found in known.items() if found is not None}
    own, *others = horizon.read_all(plan, [candidate, *tested.values()])
    ahead = _ahead(plan, phase, list(tested))
    results = dict(zip(tested, others, strict=True))
    after = []
    for arm in arms:
        if arm.version not in results:
            after.append(arm)
            continue
        outcome, comparisons = results[arm.version]
        beside = phase.beside(arm.version)
        watched = harm.watch(plan, *_moments(phase, arm.version))
        passed = outcome is Outcome.BETTER and not doubts(plan, beside, watched)
        arm = dataclasses.replace(arm, outcome=outcome, comparisons=comparisons)
        after.append(dataclasses.replace(arm, passed=passed, ahead=passed and ahead[arm.version]))
    return own[0], own[1], tuple(after)


def _moments(phase: Phase, version: str) -> tuple[Moments, Moments]:
    return phase.of(phase.champion), phase.of(version)


def _ahead(plan: Plan, phase: Phase, versions: Sequence[str]) -> dict[str, bool]:
    """Return which versions are better than the candidate, corrected over all of them (Holm).

    Better in a primary metric and worse in none. Such a test only keeps the candidate from
    promotion, so its level is apart from that of the promotion.
    """
    z = {
        version: [
            0.0 if found is None or not found.enough else found.z()
            for primary in plan.primary
            for found in (pair(primary.metric, phase.of(phase.candidate), phase.of(version)),)
        ]
        for version in versions
    }
    plain = [sample_size.two_sided(each) for row in z.values() for each in row]
    corrected = iter(holm(plain))
    found = {}
    for version, row in z.items():
        signs = {each > 0 for each in row if next(corrected) <= plan.alpha}
        found[version] = signs == {True}
    return found


def doubts(plan: Plan, phase: Phase, watched: Mapping[Metric, harm.Watched]) -> tuple[str, ...]:
    """Return the obstacles to promoting a version that passed its test.

    `phase`: beside the champion alone.
    """
    found = [
        f"guardrail {described(watched[each.metric].comparison)}: not within the largestLoss of "
        f"{each.largest_loss:.1%}"
        for each in plan.guardrails
        if not watched[each.metric].within
    ]
    answers = phase.of(phase.candidate).sums.get("answers", 0.0)
    disagreed = sum(phase.disagreed.values())
    if disagreed > MAX_DISAGREED * answers:
        found.append(
            f"another version gave {disagreed} answers in the candidate's place, of "
            f"{answers:.0f}: this compares the champion with itself"
        )
    return tuple(found)


def better(arms: Sequence[Arm]) -> str:
    """Return which versions are better than the champion and the candidate; empty if none is."""
    return _won([arm for arm in arms if arm.ahead], "is better than the candidate too")


def winners(arms: Sequence[Arm]) -> str:
    """Return which versions passed their test where the candidate did not; empty if none did."""
    return _won([arm for arm in arms if arm.passed], "passed its test against the champion")


def _won(arms: Sequence[Arm], what: str) -> str:
    return "; ".join(
        f"{arm.version} {what}: {all_described(arm.comparisons)}. A rollback to it serves it"
        for arm in arms
    )
