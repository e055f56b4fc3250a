"""The split of requests in a rollout: by users, with copies, and between its arms."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping

from recommender_operator.api.spec_experiment import ItemGroup
from recommender_operator.api.spec_rollout import RolloutSpec, TrafficMode
from recommender_operator.api.version import FreshChampion, ModelVersionStatus, VersionStage
from recommender_operator.api.version_experiment import ExperimentPhase, ExperimentStatus
from recommender_operator.observed import PLAIN, Routing, VersionObject
from recommender_operator.resources import (
    assignment_header,
    baseline_deployment_names,
    interleaving_headers,
    shadow_headers,
)
from recommender_operator.resources.assignment_header import Assignment, Further, Group


def routing_of(
    rollout: RolloutSpec, candidate: VersionObject | None, weights: Mapping[str, int]
) -> Routing:
    """Return the routing besides the weights while a candidate shares the requests.

    In a shadow phase the candidate has no share, but gets copies.
    """
    share = weights.get(candidate.name, 0) if candidate is not None else 0
    if candidate is not None and share == 0 and weights:
        return _before_users(rollout, candidate)
    if candidate is None or not 0 < share < 100 or rollout.traffic is not TrafficMode.GATEWAY:
        return PLAIN
    tester = rollout.test_header or ""
    return Routing(
        experiment=_header(candidate, share),
        tester=tester,
        tested=candidate.name if tester else "",
    )


def _before_users(rollout: RolloutSpec, candidate: VersionObject) -> Routing:
    """Return the routing for a candidate without a share: copies, or mixed lists."""
    name, status = candidate.name, candidate.status
    if rollout.shadow is not None and shadows(rollout, status):
        return Routing(shadow=shadow_headers.header(name, rollout.shadow.share))
    record = status.interleaving
    if record is not None and record.ended_at is None and interleaves(rollout, candidate):
        percent = record.plan.percent
        return Routing(interleaving=interleaving_headers.header(record.id, name, percent))
    return PLAIN


def interleaves(rollout: RolloutSpec, version: VersionObject) -> bool:
    """Return whether a version is in its interleaving, or may begin one.

    A recalibrated version has the lists of the champion, so nobody would prefer it.
    """
    status = version.status
    if rollout.interleaving is None or rollout.traffic is not TrafficMode.GATEWAY:
        return False
    if status.stage is not VersionStage.CANARY or status.approved_at or status.weight > 0:
        return False
    begins = all(step.is_shadow and step.ended_at is not None for step in status.steps)
    over = status.interleaving is not None and status.interleaving.ended_at is not None
    return begins and not over and not version.spec.recalibration


def shadows(rollout: RolloutSpec, status: ModelVersionStatus) -> bool:
    """Return whether a version is in its shadow phase, or about to begin it."""
    if rollout.shadow is None or rollout.traffic is not TrafficMode.GATEWAY:
        return False
    if status.stage is not VersionStage.CANARY or status.approved_at is not None:
        return False
    # The phase was added to the spec when mixed lists had begun, or users were on their way.
    if status.interleaving is not None or status.weight > 0:
        return False
    return not status.steps or (status.steps[-1].is_shadow and status.steps[-1].ended_at is None)


def fresh_of(
    rollout: RolloutSpec, candidate: VersionObject | None, champion: VersionObject | None
) -> FreshChampion | None:
    """Return the record of a rollout's fresh champion; None if it goes on without one."""
    if candidate is None or candidate.status.stage is not VersionStage.CANARY:
        return None
    record = candidate.status.fresh_champion
    if record is None or record.given_up or not rollout.has_fresh_champion:
        return None
    return record if champion is not None and record.version == champion.name else None


def fresh_weight(share: int, *, by_users: bool, elsewhere: int = 0) -> int:
    """Return the fresh champion's percent of what a route sends to champion and candidate.

    It answers as many requests as a candidate with this percent, but at most half of what the
    champion gets: the other pods receive all of it if the fresh one dies, and an autoscaler leaves
    pods without requests at their minimum. A single percent is the fresh one's.
    If users are assigned, the route sends the champion everything, and its transformers pass on
    what is the candidate's, and the percent that is `elsewhere`, of further versions.
    """
    left = 100 - share - elsewhere
    if not by_users:
        return max(1, min(share, left // 2))
    return min(50, max(1, round(100 * share / left)))


def split(experiment: ExperimentStatus | None, weight: int) -> str:
    """Return the unit of the candidate's share: users in an experiment, else requests."""
    return "requests" if experiment is None or weight == 100 else "users"


def arms(weights: Mapping[str, int], found: Routing) -> dict[str, int]:
    """Return the percent of the requests that each deployment answers.

    Further versions of an experiment and a fresh champion answer a part of what the route sends to
    the champion, or to its standby.
    """
    shares = _with_further(weights, found)
    champion = baseline_deployment_names.version_of(found.fresh)
    if not found.fresh or champion not in shares:
        return shares
    part = found.fresh_weight
    if found.experiment:
        part = round(part * shares[champion] / 100)
    return {**shares, champion: shares[champion] - part, found.fresh: part}


def _with_further(weights: Mapping[str, int], found: Routing) -> dict[str, int]:
    """Return the weights with those of further versions, which its receiver passes on."""
    users = assignment_header.parse(found.experiment)
    own = [each.version for each in users.further if not each.withdrawn] if users else []
    receivers = weights.keys() - {users.candidate if users else ""}
    if users is None or not own or users.candidate not in weights or len(receivers) != 1:
        return dict(weights)
    (receiver,) = receivers
    left = weights[receiver] - users.elsewhere
    return {**weights, receiver: left, **dict.fromkeys(own, users.percent)}


def elsewhere(found: Routing) -> int:
    """Return the percent of the users that the further versions of an experiment answer."""
    users = assignment_header.parse(found.experiment)
    return users.elsewhere if users is not None else 0


def further(candidate: VersionObject | None) -> tuple[str, ...]:
    """Return the further versions that the experiment of a rollout needs; none after it.

    It is over once the candidate had more, even if that was withdrawn.
    """
    if candidate is None or candidate.status.stage is not VersionStage.CANARY:
        return ()
    status, experiment = candidate.status, candidate.status.experiment
    if experiment is None or status.approved_at:
        return ()
    steps = (step.weight for step in status.steps)
    widest = max([status.weight, *steps, *(phase.weight for phase in experiment.phases)])
    if widest > experiment.plan.weight:
        return ()
    return tuple(arm.version for arm in experiment.arms if not arm.withdrawn)


def shares_of_further(experiment: ExperimentStatus | None) -> dict[str, int]:
    """Return the percent of the users by further version, in the phase that lasts."""
    phase = running(experiment)
    if experiment is None or phase is None:
        return {}
    withdrawn = {arm.version for arm in experiment.arms if arm.withdrawn}
    return {name: phase.weight for name in phase.arms if name not in withdrawn}


def running(experiment: ExperimentStatus | None) -> ExperimentPhase | None:
    """Return the phase that lasts; None if there is none."""
    phases = experiment.phases if experiment is not None else ()
    return next((phase for phase in phases if phase.until is None), None)


def user_shares(
    experiment: ExperimentStatus | None, since: datetime.datetime | None = None
) -> tuple[float, float]:
    """Return the smallest shares of the users of the candidate and of the other version.

    Both are 1 if no experiment split the users after `since`: sessions of any user reach both.
    """
    phases = [
        phase
        for phase in (experiment.phases if experiment is not None else ())
        if since is None or phase.until is None or phase.until > since
    ]
    if not phases:
        return 1.0, 1.0
    most = max(phase.weight * (1 + len(phase.arms)) for phase in phases)
    return min(phase.weight for phase in phases) / 100, 1 - most / 100


def detailed(experiment: ExperimentStatus | None) -> int | None:
    """Return the number of the phase whose details are read; None if none lasts."""
    phase = running(experiment)
    return None if phase is None else phase.number


def undecided(versions: Iterable[VersionObject]) -> ExperimentStatus | None:
    """Return the experiment whose users decide; None if there is none."""
    for version in versions:
        found = version.status.experiment
        if version.status.stage is VersionStage.CANARY and found and found.phases:
            return None if found.final else found
    return None


def interleaved(versions: Iterable[VersionObject]) -> str | None:
    """Return the id of the interleaving in which users take part; None if there is none."""
    for version in versions:
        found = version.status.interleaving
        if version.status.stage is VersionStage.CANARY and found is not None and found.runs:
            return found.id
    return None


def _header(candidate: VersionObject, share: int) -> str:
    experiment = candidate.status.experiment
    phase = running(experiment)
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
