"""How the route splits the requests of a rollout: by users in an experiment, and for testers."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping

from recommender_operator.api.spec_rollout import RolloutSpec, TrafficMode
from recommender_operator.api.version import VersionStage
from recommender_operator.api.version_experiment import ExperimentPhase, ExperimentStatus
from recommender_operator.observed import PLAIN, Routing, VersionObject
from recommender_operator.resources.assignment import Assignment


def of(
    rollout: RolloutSpec, candidate: VersionObject | None, weights: Mapping[str, int]
) -> Routing:
    """Return what a route does besides the weights while a candidate shares the requests."""
    share = weights.get(candidate.name, 0) if candidate is not None else 0
    if candidate is None or not 0 < share < 100 or rollout.traffic is not TrafficMode.GATEWAY:
        return PLAIN
    tester = rollout.test_header or ""
    return Routing(
        experiment=_header(candidate, share),
        tester=tester,
        tested=candidate.name if tester else "",
    )


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
    weights = [
        phase.weight
        for phase in (experiment.phases if experiment is not None else ())
        if since is None or phase.until is None or phase.until > since
    ]
    if not weights:
        return 1.0, 1.0
    return min(weights) / 100, 1 - max(weights) / 100


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
    )
    return users.header
