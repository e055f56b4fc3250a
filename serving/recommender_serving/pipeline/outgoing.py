"""Requests that a transformer sends beside its answers."""

from __future__ import annotations

from dataclasses import dataclass

from recommender_serving.experiments.forwarder import Forwarder
from recommender_serving.experiments.traffic_mirror import TrafficMirror
from recommender_serving.impressions.reporter import Impressions


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Reports to the collector, and requests to other versions; what is None is not sent."""

    impressions: Impressions | None = None  # gets every answer
    forwarder: Forwarder | None = (
        None  # asks the version of an experiment; without it this answers
    )
    mirror: TrafficMirror | None = None  # sends copies to a candidate
    candidate_forwarder: Forwarder | None = None  # asks a candidate for lists to mix

    async def close(self) -> None:
        """Close the connections to other versions."""
        for each in (self.forwarder, self.mirror, self.candidate_forwarder):
            if each is not None:
                await each.close()
