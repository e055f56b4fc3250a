"""What became of the requests of people."""

from __future__ import annotations

from tests.unit.recommender_operator.world import World


def results(world: World) -> dict[str, str]:
    return {f"{h.action} {h.token}": h.result for h in world.status.handled}
