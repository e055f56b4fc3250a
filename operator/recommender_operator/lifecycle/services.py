"""Services of the champion, the candidate, and the previous champion, which is kept warm.

A rollout may also have a fresh deployment of the champion (`rollout/baseline_deployment.py`), and
its experiment further versions (`rollout/extra_arms.py`).

A service is deleted only after the data plane sends it no more requests.
"""

from __future__ import annotations

import datetime

from recommender_operator.actions import DeleteService, EnsureService
from recommender_operator.api.version import VersionStage
from recommender_operator.context import routing
from recommender_operator.context.reconcile_context import Turn
from recommender_operator.context.rollout_state import ROLLING_OUT
from recommender_operator.observed import VersionObject
from recommender_operator.resources import assignment_header
from recommender_operator.rollout import counter_windows, input_breakage

_DRAIN = datetime.timedelta(seconds=5)


def step(turn: Turn) -> None:
    """Deploy the versions that must be warm, and delete the other services."""
    warm = [turn.champion]
    if turn.spec.serving.keep_previous:
        warm.append(turn.previous)
    for version in warm:
        # During a rollout, the previous version is kept if it runs, but not started again.
        if version is not None and (version is turn.champion or turn.candidate is None):
            _ensure(turn, version)
    keep = {version.name for version in warm if version is not None}
    candidate = turn.candidate
    if candidate is not None and candidate.status.artifact is not None:
        keep.add(candidate.name)
        if candidate.status.stage in ROLLING_OUT:
            _refresh(turn, candidate.name)
    if turn.fresh is not None:
        keep.add(turn.fresh)
        if turn.service(turn.fresh) is None:
            turn.do(EnsureService(version=turn.fresh))
        _refresh(turn, turn.fresh)
    for name in routing.further(turn.candidate):
        if name in turn.versions:
            keep.add(name)
            _ensure(turn, turn.versions[name], optional=True)
    if turn.target is not None:
        keep.add(turn.target)
    for name in sorted(set(turn.observed.services) - keep):
        _remove(turn, name)
    counter_windows.forget(turn, _needed_baselines(turn))


def _ensure(turn: Turn, version: VersionObject, *, optional: bool = False) -> None:
    if version.status.artifact is None:
        return
    if turn.service(version.name) is None:
        turn.do(EnsureService(version=version.name, optional=optional))
    _refresh(turn, version.name, optional=optional)


def _refresh(turn: Turn, deployment: str, *, optional: bool = False) -> None:
    service = turn.service(deployment)
    if service is not None and service.outdated:
        turn.do(EnsureService(version=deployment, optional=optional))


def _remove(turn: Turn, name: str) -> None:
    traffic = turn.observed.traffic
    settled = traffic.accepted or not traffic.weights
    needed = {traffic.routing.fresh, *assignment_header.served(traffic.routing.experiment)}
    if settled and traffic.weights.get(name, 0) == 0 and name not in needed:
        turn.do(DeleteService(version=name))
    else:
        turn.requeue(_DRAIN)


def _needed_baselines(turn: Turn) -> set[str]:
    keep = set()
    champion, candidate = turn.champion, turn.candidate
    if candidate is not None and candidate.status.stage is VersionStage.CANARY:
        for key in (
            counter_windows.step_key,
            counter_windows.rollout_key,
            counter_windows.break_key,
        ):
            keep.add(key(candidate))
    if champion is not None and turn.spec.drift.enabled:
        keep.add(counter_windows.drift_key(champion.name))
        if input_breakage.on_probation(turn):
            for key in (
                counter_windows.step_key,
                counter_windows.rollout_key,
                counter_windows.break_key,
            ):
                keep.add(key(champion))
    return keep
