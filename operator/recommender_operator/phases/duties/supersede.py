"""End of versions that the spec no longer describes, before the next one starts."""

from __future__ import annotations

from recommender_operator.api.conditions import Reason
from recommender_operator.api.version import VersionStage
from recommender_operator.phases.turn import Turn


def step(turn: Turn) -> None:
    """End every unfinished version except the desired one; running Jobs may finish unused."""
    if turn.spec.paused or turn.held:
        return
    for version in turn.unfinished:
        if version.name != turn.desired:
            turn.end(
                version.name,
                VersionStage.SUPERSEDED,
                Reason.SUPERSEDED,
                f"the spec now describes {turn.desired}",
            )
