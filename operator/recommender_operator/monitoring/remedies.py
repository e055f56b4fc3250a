"""The extension that mends a drift in place of a retraining, if there is one."""

from __future__ import annotations

from collections.abc import Collection

from recommender_operator.analysis.drift_reactions import Reaction, reactions
from recommender_operator.context import Context, drift_causes
from recommender_operator.context.extension import Extension


def wanted(ctx: Context) -> Extension | None:
    """Return the one that carries out a reaction to the confirmed causes; None to retrain."""
    return _of(ctx, drift_causes.wanted(ctx))


def proposed(ctx: Context, reason: str) -> Extension | None:
    """Return the one that mends the cause with the reason of a proposal; None to retrain."""
    does = (reactions(cause) for cause, why in drift_causes.REASONS.items() if why == reason)
    return _of(ctx, frozenset[Reaction]().union(*does))


def _of(ctx: Context, does: Collection[Reaction]) -> Extension | None:
    return next((each for each in ctx.extensions if each.reaction in does), None)
