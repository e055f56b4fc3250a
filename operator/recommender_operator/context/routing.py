"""The split of requests in a rollout: by users, with copies, and between its arms."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from recommender_operator.api.spec_rollout import RolloutSpec, TrafficMode
from recommender_operator.api.version_experiment import ExperimentPhase, ExperimentStatus
from recommender_operator.observed import Routing, VersionObject
from recommender_operator.resources import assignment_header, baseline_deployment_names


def shared(
    rollout: RolloutSpec, candidate: VersionObject | None, weights: Mapping[str, int]
) -> VersionObject | None:
    """Return the candidate while it shares the requests by a route; None otherwise."""
    share = weights.get(candidate.name, 0) if candidate is not None else 0
    by_route = 0 < share < 100 and rollout.traffic is TrafficMode.GATEWAY
    return candidate if by_route else None


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
