"""A champion and a candidate in its rollout, for tests of one outcome without a whole pass."""

from __future__ import annotations

import dataclasses

from recommender_operator.api.version import ModelVersionStatus, VersionStage
from recommender_operator.context import Context, Outcome
from recommender_operator.observed import Observed, TrafficState, VersionObject
from tests.fakes.kube import NOW
from tests.unit.recommender_operator.resources.builder_inputs import model, version

CHAMPION, CANDIDATE = "movies-00000000", "movies-11111111"


def versioned(name: str, **status: object) -> VersionObject:
    return dataclasses.replace(version(name), status=ModelVersionStatus.model_validate(status))


def observed(
    *versions: VersionObject, weights: dict[str, int] | None = None, **sections: object
) -> Observed:
    return Observed(
        model=model(**sections), versions=versions, traffic=TrafficState(weights=weights or {})
    )


def rolling_out(weight: int = 10, **sections: object) -> Observed:
    """Return a candidate with this percent of the requests, as recorded and as routed."""
    return observed(
        versioned(CHAMPION, stage="Promoted", promotion=1, weight=100 - weight),
        versioned(CANDIDATE, stage="Canary", rollout=2, weight=weight),
        weights={CHAMPION: 100 - weight, CANDIDATE: weight},
        **sections,
    )


def begun(found: Observed) -> tuple[Context, Outcome]:
    out = Outcome(found, NOW)
    return Context(out), out


def stage_of(out: Outcome, name: str) -> VersionStage:
    return out.versions[name].status.stage
