"""All that the collector is asked about a model in one pass."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Iterable

from recommender_operator.adapters.counters.collector_client import UsersReader
from recommender_operator.api.version_experiment import ExperimentStatus
from recommender_operator.context import routing
from recommender_operator.monitoring import holdout_gain as due
from recommender_operator.observed import CollectorReading, ModelObject, VersionObject
from recommender_operator.resources import holdout_users

Readings = tuple[CollectorReading | None, CollectorReading | None, CollectorReading | None]


async def read_collector(
    users: UsersReader,
    model: ModelObject,
    versions: Iterable[VersionObject],
    now: datetime.datetime | None = None,
) -> Readings:
    """Return the counts of the experiment that runs, or of the interleaving before it, with
    the champion's answers, and in the measure of the holdout.

    None for what there is none of, and for a measure whose numbers are new enough at `now`. All
    are asked at once: a collector that does not answer delays a pass only once.
    """
    versions = tuple(versions)
    found = None if model.deleting else routing.undecided(versions)
    mixed = None if model.deleting or found is not None else routing.interleaved(versions)
    champion = compared_version(model)
    measure = None if model.deleting else holdout_users.measure(model)
    if measure is not None and now is not None and due.after(model.status.holdout, measure, now):
        measure = None
    experiment, outcomes, held = await asyncio.gather(
        _rollout(users, model, found, mixed),
        _nothing() if champion is None else users.outcomes(model, champion),
        _nothing() if measure is None else users.measure(model, measure),
    )
    return experiment, outcomes, held


def compared_version(model: ModelObject) -> str | None:
    """Return the champion if its impressions become positive or do not; None otherwise."""
    mapping = model.spec.data.source.mapping
    label = mapping.label if mapping is not None else None
    if label is None or label.attribution is None:
        return None
    if model.deleting or not model.spec.drift.enabled or not model.spec.serving.impressions:
        return None
    return model.status.champion


async def _rollout(
    users: UsersReader, model: ModelObject, found: ExperimentStatus | None, mixed: str | None
) -> CollectorReading | None:
    if found is not None:
        return await users.read(model, found.id, routing.detailed(found))
    return None if mixed is None else await users.read(model, mixed)


async def _nothing() -> None:
    return None
