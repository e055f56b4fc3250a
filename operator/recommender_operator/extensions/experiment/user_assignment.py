"""The assignment of users to versions in an experiment: its id and its phases.

A phase is a share of the users of the candidate beside one other version, and as many users of
each further version. Its number is a counter, not a time. A share that returns, after the
candidate was withdrawn or a standby answered, continues its phase: the same users have the same
versions as before.
"""

from __future__ import annotations

import datetime

from recommender_contract.events import MAX_SEGMENTS
from recommender_contract.features import NAMED
from recommender_operator.api.spec import RecommenderModelSpec, TrafficMode
from recommender_operator.api.spec_experiment import (
    ExperimentSegments,
    ExperimentSpec,
    ItemGroup,
)
from recommender_operator.api.version import VersionStage
from recommender_operator.api.version_experiment import (
    LAST_PHASE,
    MAX_PHASES,
    MAX_SECONDS,
    ExperimentPhase,
    ExperimentStatus,
)
from recommender_operator.context import Context, Outcome, routing
from recommender_operator.extensions.experiment import extra_arms
from recommender_operator.observed import VersionObject
from recommender_operator.resources.assignment_header import Assignment, Further, Group
from recommender_operator.rollout import collected_moments


def begin(
    ctx: Context, out: Outcome, version: VersionObject, rollout: int
) -> ExperimentStatus | None:
    """Return the experiment of a rollout; None if the spec has none, or there is no champion.

    A derived version runs none: its lists are those of the champion, so no metric of users would
    ever differ.

    The plan is that of the start, so that nobody can change it once there are results. The id
    follows from the rollout: it is the same again after a crash, and no rollout has the users of
    another.
    """
    plan = _planned(ctx.spec)
    gateway = ctx.spec.rollout.traffic is TrafficMode.GATEWAY
    if plan is None or ctx.champion is None or not gateway or ctx.derivation(version.spec):
        return None
    arms = extra_arms.begin(ctx, out, version, plan)
    return ExperimentStatus(id=collected_moments.id_of(version.uid, rollout), plan=plan, arms=arms)


def _planned(spec: RecommenderModelSpec) -> ExperimentSpec | None:
    """Return the plan; where it names no segments, with the features that declare this use.

    Those of the context come first: every request has them, while clients may leave out what they
    know of a user. Only named values count, and no value that the version sets, because requests
    do not have it.
    """
    plan, mapping = spec.rollout.experiment, spec.data.source.mapping
    if plan is None or plan.segments or mapping is None:
        return plan
    named = [
        each.name
        for each in (*mapping.of_context, *mapping.of_users)
        if each.segments and each.kind in NAMED and not each.served_as
    ]
    found = tuple(ExperimentSegments(feature=name) for name in named[:MAX_SEGMENTS])
    return plan.model_copy(update={"segments": found})


def assign_users(ctx: Context, out: Outcome) -> None:
    """Begin and end phases with the decided split."""
    candidate, weights = ctx.candidate, ctx.desired_weights
    for version in list(ctx.versions.values()):
        experiment = version.status.experiment
        if experiment is None:
            continue
        others = [name for name in weights if name != version.name]
        in_canary = version is candidate and version.status.stage is VersionStage.CANARY
        share = weights.get(version.name, 0) if in_canary else 0
        stable = others[0] if len(others) == 1 and 0 < share < 100 else None
        arms = _arms(experiment, share, stable)
        phases = _phases(experiment.phases, share, stable, arms, ctx.time)
        if phases != experiment.phases:
            changed = experiment.model_copy(update={"phases": phases})
            out.change(version.name, experiment=changed)


def _phases(
    phases: tuple[ExperimentPhase, ...],
    share: int,
    stable: str | None,
    arms: tuple[str, ...],
    now: datetime.datetime,
) -> tuple[ExperimentPhase, ...]:
    """Return the phases with the one of this split as the only one that lasts."""
    found = next((p for p in phases if (p.weight, p.stable) == (share, stable)), None)
    kept = [_lasting(phase, now) if phase is found else _ended(phase, now) for phase in phases]
    if found is None and stable is not None:
        number = min(LAST_PHASE, 1 + max((phase.number for phase in phases), default=-1))
        new = ExperimentPhase(number=number, weight=share, stable=stable, arms=arms, since=now)
        kept.append(new)
    return tuple(kept[-MAX_PHASES:])


def _arms(experiment: ExperimentStatus, share: int, stable: str | None) -> tuple[str, ...]:
    """Return the further versions of a phase that begins now; none after the experiment.

    They stay the same in the phase: one that is withdrawn later keeps its users. Where a standby
    that is one of them answers, its users are not told from those of the champion.
    """
    if share > experiment.plan.weight:
        return ()
    return tuple(
        arm.version for arm in experiment.arms if not arm.withdrawn and arm.version != stable
    )


def measured(phase: ExperimentPhase, now: datetime.datetime) -> datetime.timedelta:
    """Return how long a phase lasted, without its interruptions."""
    seconds = phase.measured_seconds
    if phase.until is None:
        seconds += max(0.0, (now - (phase.resumed or phase.since)).total_seconds())
    return datetime.timedelta(seconds=min(seconds, MAX_SECONDS))


def _lasting(phase: ExperimentPhase, now: datetime.datetime) -> ExperimentPhase:
    if phase.until is None:
        return phase
    return phase.model_copy(update={"until": None, "resumed": now})


def _ended(phase: ExperimentPhase, now: datetime.datetime) -> ExperimentPhase:
    if phase.until is not None:
        return phase
    seconds = measured(phase, now).total_seconds()
    return phase.model_copy(update={"until": now, "measured_seconds": seconds})


def header(candidate: VersionObject, share: int) -> str:
    """Return the header by which transformers assign users; empty without a phase."""
    experiment = candidate.status.experiment
    phase = routing.running(experiment)
    if experiment is None or phase is None or phase.weight != share:
        return ""
    users = Assignment(
        id=experiment.id,
        phase=phase.number,
        cap=experiment.plan.revenue_cap,
        candidate=candidate.name,
        percent=share,
        segments=tuple(each.feature for each in experiment.plan.segments),
        further=_further(experiment, phase),
        slower_than=(
            experiment.plan.slower_than_milliseconds if experiment.plan.watches_requests else None
        ),
        group=_group(experiment.plan.watched_group),
    )
    return users.header


def _group(group: ItemGroup | None) -> Group | None:
    if group is None:
        return None
    return Group(feature=group.feature, categories=group.categories)


def _further(experiment: ExperimentStatus, phase: ExperimentPhase) -> tuple[Further, ...]:
    """Return the further versions of a phase, each at its place in the plan."""
    withdrawn = {arm.version for arm in experiment.arms if arm.withdrawn}
    return tuple(
        Further(
            version=arm.version,
            first=place * experiment.plan.weight,
            withdrawn=arm.version in withdrawn,
        )
        for place, arm in enumerate(experiment.arms, start=1)
        if arm.version in phase.arms
    )
