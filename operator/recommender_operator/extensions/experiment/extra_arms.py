"""The further versions of an experiment: each is deployed for the rollout, or left out.

They have ended before, so they need no stages: the rollout only needs their services, and the
first step waits for these. Once a version has had users, nothing but harm withdraws it. If its
pods fail, the champion answers its users, who still count as its own, so that its result shows it.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from recommender_operator.actions import EnsureService
from recommender_operator.api.conditions import Reason
from recommender_operator.api.spec import ExperimentSpec
from recommender_operator.api.version import TERMINAL, VersionStage
from recommender_operator.api.version_experiment import ArmStatus, ExperimentStatus
from recommender_operator.context import Context, Outcome
from recommender_operator.context.extension import Extension
from recommender_operator.observed import VersionObject
from recommender_operator.rollout import auxiliary_deployments

_ROUTE = datetime.timedelta(seconds=1)
_POLL = datetime.timedelta(seconds=5)
MAX_REASON = 1024


def begin(
    ctx: Context, out: Outcome, candidate: VersionObject, plan: ExperimentSpec
) -> tuple[ArmStatus, ...]:
    """Return the further versions of an experiment that begins; one that cannot serve is out."""
    found = []
    for arm in plan.arms:
        if (why := _obstacle(ctx, arm.version, candidate)) is not None:
            found.append(_left_out(out, candidate.name, ArmStatus(version=arm.version), why))
        else:
            found.append(ArmStatus(version=arm.version, unready_since=ctx.time))
    return tuple(found)


def _obstacle(ctx: Context, name: str, candidate: VersionObject) -> str | None:
    """Return why a version cannot be compared; None if it can."""
    version = ctx.versions.get(name)
    if version is None:
        return "there is no such version of this model"
    if name == candidate.name:
        return "it is the candidate itself"
    if ctx.champion is not None and name == ctx.champion.name:
        return "it is the champion itself"
    if not version.was_published or version.status.stage not in TERMINAL:
        return f"it ({version.status.stage.value}) has not passed its gates or is not published"
    return None


class ExtraArms(Extension):
    """The further versions of an experiment, which serve beside the candidate."""

    def deployments(self, ctx: Context) -> tuple[EnsureService, ...]:
        """Return the versions that still take part; the rollout can go on without each."""
        names = further(ctx.candidate)
        return tuple(EnsureService(version=n, optional=True) for n in names if n in ctx.versions)

    def spares(self, ctx: Context) -> Iterable[str]:
        """Return the versions that the spec names, which may have ended long ago."""
        wanted = ctx.spec.rollout.experiment
        return () if wanted is None else tuple(arm.version for arm in wanted.arms)

    def prepare(self, ctx: Context, out: Outcome, version: VersionObject, *, frozen: bool) -> bool:
        """Note which further versions are ready; one that is not in time is left out.

        A rollout that is `frozen` waits without a limit. Return whether the pass ends with that:
        for a deleted version the route is written first, which must not give the candidate more.
        """
        experiment = version.status.experiment
        if experiment is None or not experiment.arms:
            return False
        gone = any(_is_gone(ctx, arm) for arm in experiment.arms)
        arms = tuple(
            _followed(ctx, out, version.name, arm, frozen=frozen) for arm in experiment.arms
        )
        out.change(version.name, experiment=experiment.model_copy(update={"arms": arms}))
        if gone:
            out.route_first()
            out.requeue(_ROUTE)
        return gone

    def delay(
        self, ctx: Context, version: VersionObject, weight: int
    ) -> datetime.timedelta | None:
        """Let the first step wait for a further version."""
        experiment = ctx.versions[version.name].status.experiment
        waits = experiment is not None and any(map(_is_awaited, experiment.arms))
        return _POLL if waits and version.status.weight == 0 else None

    def describe(self, ctx: Context, candidate: VersionObject, text: str) -> str:
        """Return the text, extended by the state of the further versions."""
        return text + described(candidate.status.experiment, candidate.status.weight)


def _is_gone(ctx: Context, arm: ArmStatus) -> bool:
    return not arm.withdrawn and arm.version not in ctx.versions


def _followed(
    ctx: Context, out: Outcome, candidate: str, arm: ArmStatus, *, frozen: bool
) -> ArmStatus:
    if arm.withdrawn:
        return arm
    if _is_gone(ctx, arm):
        return _left_out(out, candidate, arm, "it was deleted")
    if arm.unready_since is None:
        return arm
    if ctx.is_ready(arm.version):
        return arm.model_copy(update={"unready_since": None})
    if frozen:
        return arm
    since, why = auxiliary_deployments.wait(ctx, out, arm.version, arm.unready_since)
    if not why:
        return arm.model_copy(update={"unready_since": since})
    return _left_out(out, candidate, arm, why)


def _left_out(out: Outcome, candidate: str, arm: ArmStatus, why: str) -> ArmStatus:
    warn(out, candidate, arm.version, why)
    return withdrawn(arm, why, out.now).model_copy(update={"unready_since": None})


def withdrawn(arm: ArmStatus, why: str, at: datetime.datetime) -> ArmStatus:
    """Return the record of a version that takes no part any more; `at` is the wall clock's."""
    return arm.model_copy(update={"withdrawn": why[:MAX_REASON], "withdrawn_at": at})


def _is_awaited(arm: ArmStatus) -> bool:
    return arm.unready_since is not None and not arm.withdrawn


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


def described(experiment: ExperimentStatus | None, weight: int) -> str:
    """Return the text about the further versions; empty if there are none."""
    if experiment is None or not experiment.arms or weight > experiment.plan.weight:
        return ""
    waits = [arm.version for arm in experiment.arms if _is_awaited(arm)]
    if waits:
        return f"; the first step waits for {', '.join(waits)}"
    own = [arm.version for arm in experiment.arms if not arm.withdrawn]
    if not own or weight == 0:
        return ""
    return f", and {', '.join(own)} as many" + (" each" if own[1:] else "")


def warn(out: Outcome, candidate: str, version: str, why: str) -> None:
    """Report that a version takes no part any more."""
    message = f"{version} is no arm of the experiment of {candidate}: {why}"
    out.warn(Reason.ARM_WITHDRAWN, message, version=candidate)
