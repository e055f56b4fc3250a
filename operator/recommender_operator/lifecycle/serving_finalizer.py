"""The finalizer of versions that serve: a deleted record stays until another one has taken over.

Without it garbage collection would delete the InferenceService with the record at once
(`docs/adr/0124-finalizers-on-serving-versions.md`).
"""

from __future__ import annotations

from recommender_operator.actions import HoldVersion
from recommender_operator.context.reconcile_context import Turn
from recommender_operator.context.rollout_state import ROLLING_OUT
from recommender_operator.resources import baseline_deployment_names


def step(turn: Turn) -> None:
    """Hold the versions that have a service or must have one, and free the others."""
    serving = {baseline_deployment_names.version_of(name) for name in turn.observed.services}
    serving |= {turn.champion.name} if turn.champion is not None else set()
    candidate = turn.candidate
    if candidate is not None and candidate.status.stage in ROLLING_OUT:
        serving.add(candidate.name)
    for name, version in sorted(turn.versions.items()):
        if name not in serving:
            free(turn, name)
        elif not version.held and not version.deleting:
            turn.do(HoldVersion(name=name, held=True))


def free(turn: Turn, name: str) -> None:
    """Let a version go."""
    if turn.versions[name].held:
        turn.do(HoldVersion(name=name, held=False))
