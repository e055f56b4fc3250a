"""Copies of the handled requests, for a model that is restored without its status.

A backup has the versions with their status and the spec of the model, but the status of a model
that is applied again is empty. Its champion therefore keeps a copy of the requests. Otherwise an
annotation that is still in the manifest would be a new request, and the version of the spec would
replace a champion that came from a retraining.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from recommender_operator.api.status import HandledAction, RecommenderModelStatus
from recommender_operator.api.version_requests import KeptRequests, newest_requests
from recommender_operator.context import Context, Outcome
from recommender_operator.observed import Observed


def restored(observed: Observed) -> Observed:
    """Return the state with the requests that its versions keep, if the model has no status.

    A model that the operator reconciled before has one, which is newer than any copy.
    """
    model = observed.model
    if model.status.observed_generation > 0:
        return observed
    kept = [v.status.requests for v in observed.versions if v.status.requests is not None]
    retrains = [each.retrain for each in kept if each.retrain is not None]
    last = max(retrains, key=lambda each: (each.sequence, each.requested_at), default=None)
    handled = _newest(action for each in kept for action in each.handled)
    if not handled and last is None:
        return observed
    status = model.status.model_copy(update={"handled": handled, "retrain": last})
    return dataclasses.replace(observed, model=dataclasses.replace(model, status=status))


def copy_requests(ctx: Context, out: Outcome) -> None:
    """Keep a copy of the stored requests in the champion's status.

    Those of this pass follow in the next one: a token is decided once it is stored.
    """
    champion = ctx.champion
    if champion is None:
        return
    wanted = _kept(ctx.model.status)
    if wanted is not None and champion.status.requests != wanted:
        out.change(champion.name, requests=wanted)


def _kept(status: RecommenderModelStatus) -> KeptRequests | None:
    if not status.handled and status.retrain is None:
        return None
    return KeptRequests(handled=status.handled, retrain=status.retrain)


def _newest(actions: Iterable[HandledAction]) -> tuple[HandledAction, ...]:
    """Return each request once, in the order of their times.

    Those of former champions are older copies of the same list.
    """
    once = {(each.action, each.token): each for each in sorted(actions, key=lambda one: one.at)}
    return newest_requests(once.values())
