"""When a candidate without users is asked: for answers to copies, or for lists to mix.

A service of an earlier release would count copies and its lists as requests of users. What holds a
rollout holds the start of a phase before the first step, but does not interrupt it.
"""

from __future__ import annotations

from collections.abc import Mapping

from recommender_operator.context.reconcile_context import Context
from recommender_operator.observed import VersionObject


def candidate(ctx: Context, weights: Mapping[str, int]) -> VersionObject | None:
    """Return the candidate that others answer for; None if it has a share of the requests."""
    found = ctx.candidate
    is_before = found is not None and bool(weights) and found.name not in weights
    return found if is_before else None


def answers_lists(ctx: Context) -> bool:
    """Return whether the candidate is ready, and reports its lists as those that nobody sees."""
    found = ctx.candidate
    return found is not None and ctx.is_ready(found.name) and is_current(ctx, found)


def is_current(ctx: Context, version: VersionObject | None) -> bool:
    """Return whether the service of a version has the settings of this release."""
    service = ctx.service(version.name) if version is not None else None
    return service is not None and not service.outdated


def is_held(ctx: Context) -> bool:
    """Return whether no phase may begin."""
    return ctx.spec.paused or ctx.held or ctx.standby is not None
