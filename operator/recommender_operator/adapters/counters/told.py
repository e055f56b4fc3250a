"""All that the collector is asked about a model in one look."""

from __future__ import annotations

from collections.abc import Iterable

from recommender_operator.adapters.counters.experiments import UsersReader
from recommender_operator.observed import CollectorReading, ModelObject, VersionObject
from recommender_operator.phases import outcomes_of, routing
from recommender_operator.resources import holdout

Told = tuple[CollectorReading | None, CollectorReading | None, CollectorReading | None]


async def of(users: UsersReader, model: ModelObject, versions: Iterable[VersionObject]) -> Told:
    """Return what users did in the experiment that runs, with the champion's answers, and in the
    measure of the holdout; None for what there is none of."""
    found = None if model.deleting else routing.undecided(versions)
    champion = outcomes_of.compared(model)
    measure = None if model.deleting else holdout.measure(model)
    return (
        None if found is None else await users.read(model, found.id, routing.detailed(found)),
        None if champion is None else await users.outcomes(model, champion),
        None if measure is None else await users.read(model, measure),
    )
