"""All that the collector is asked about a model in one pass."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Iterable

from recommender_operator.adapters.counters.collector_client import UsersReader
from recommender_operator.extensions.registry import EXTENSIONS
from recommender_operator.observed import CollectorReading, ModelObject, VersionObject

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
    extensions = () if model.deleting else EXTENSIONS
    found = next(filter(None, (each.counted(versions) for each in extensions)), None)
    measure = next(filter(None, (each.measured(model, now) for each in extensions)), None)
    champion = compared_version(model)
    experiment, outcomes, held = await asyncio.gather(
        _nothing() if found is None else users.read(model, *found),
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
    if (
        model.deleting
        or not model.spec.retrain.drift.enabled
        or not model.spec.serving.impressions
    ):
        return None
    return model.status.champion


async def _nothing() -> None:
    return None
