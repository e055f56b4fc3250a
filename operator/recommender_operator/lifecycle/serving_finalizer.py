"""The finalizer of versions that serve: a deleted record stays until another one has taken over.

Without it garbage collection would delete the InferenceService with the record at once
(`docs/adr/0124-finalizers-on-serving-versions.md`).
"""

from __future__ import annotations

from recommender_operator.actions import HoldVersion
from recommender_operator.context import Context, Outcome
from recommender_operator.context.reconcile_context import ROLLING_OUT
from recommender_operator.resources import baseline_deployment_names


def hold_serving_versions(ctx: Context, out: Outcome) -> None:
    """Hold the versions that have a service or must have one, and free the others."""
    serving = {baseline_deployment_names.version_of(name) for name in ctx.observed.services}
    serving |= {ctx.champion.name} if ctx.champion is not None else set()
    candidate = ctx.candidate
    if candidate is not None and candidate.status.stage in ROLLING_OUT:
        serving.add(candidate.name)
    for name, version in sorted(ctx.versions.items()):
        if name not in serving:
            free(out, name)
        elif not version.held and not version.deleting:
            out.do(HoldVersion(name=name, held=True))


def free(out: Outcome, name: str) -> None:
    """Let a version go."""
    if out.versions[name].held:
        out.do(HoldVersion(name=name, held=False))
