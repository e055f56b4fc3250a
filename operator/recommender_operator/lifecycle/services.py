"""Services of the champion, the candidate, and the previous champion, which is kept warm.

The extensions of a rollout may have further ones (`extensions/`).

A service is deleted only after the data plane sends it no more requests.
"""

from __future__ import annotations

import datetime

from recommender_operator.actions import DeleteService, EnsureService
from recommender_operator.api.version import VersionStage
from recommender_operator.context import Context, Outcome
from recommender_operator.context.reconcile_context import ROLLING_OUT
from recommender_operator.resources import assignment_header
from recommender_operator.rollout import counter_windows, input_breakage

_DRAIN = datetime.timedelta(seconds=5)
#: Windows of a version that is evaluated: in a step, in the rollout, and for broken inputs.
_EVALUATED = (counter_windows.step_key, counter_windows.rollout_key, counter_windows.break_key)


def keep_services(ctx: Context, out: Outcome) -> None:
    """Deploy the versions that must be warm, and delete the other services."""
    warm = [ctx.champion]
    if ctx.spec.serving.keep_previous:
        warm.append(ctx.previous)
    for version in warm:
        # During a rollout, the previous version is kept if it runs, but not started again.
        if version is not None and (version is ctx.champion or ctx.candidate is None):
            _deploy(ctx, out, EnsureService(version=version.name))
    keep = {version.name for version in warm if version is not None}
    candidate = ctx.candidate
    if candidate is not None and candidate.status.artifact is not None:
        keep.add(candidate.name)
        if candidate.status.stage in ROLLING_OUT:
            service = ctx.service(candidate.name)
            if service is not None and service.outdated:
                out.do(EnsureService(version=candidate.name))
    for extension in ctx.extensions:
        for wanted in extension.deployments(ctx):
            keep.add(wanted.version)
            _deploy(ctx, out, wanted)
    if ctx.target is not None:
        keep.add(ctx.target)
    for name in sorted(set(ctx.observed.services) - keep):
        _remove(ctx, out, name)
    counter_windows.forget(ctx, out, _needed_baselines(ctx))


def _deploy(ctx: Context, out: Outcome, wanted: EnsureService) -> None:
    """Deploy a version that has an artifact, or deploy it again; or what is no version itself."""
    version, service = ctx.versions.get(wanted.version), ctx.service(wanted.version)
    if version is not None and version.status.artifact is None:
        return
    if service is None or service.outdated:
        out.do(wanted)


def _remove(ctx: Context, out: Outcome, name: str) -> None:
    traffic = ctx.observed.traffic
    settled = traffic.accepted or not traffic.weights
    needed = {traffic.routing.fresh, *assignment_header.served(traffic.routing.experiment)}
    if settled and traffic.weights.get(name, 0) == 0 and name not in needed:
        out.do(DeleteService(version=name))
    else:
        out.requeue(_DRAIN)


def _needed_baselines(ctx: Context) -> set[str]:
    keep: set[str] = set()
    champion, candidate = ctx.champion, ctx.candidate
    if candidate is not None and candidate.status.stage is VersionStage.CANARY:
        keep |= {key(candidate) for key in _EVALUATED}
    if champion is not None and ctx.spec.retrain.drift.enabled:
        keep.add(counter_windows.drift_key(champion.name))
        if input_breakage.on_probation(ctx):
            keep |= {key(champion) for key in _EVALUATED}
    return keep
