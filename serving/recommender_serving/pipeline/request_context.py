"""The context of a call, and of each request in it: plain data that the stages fill."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from recommender_serving.domain.callers import Verified
from recommender_serving.domain.types import RecommendRequest
from recommender_serving.experiments.assignment import Assignment
from recommender_serving.experiments.guardrails import NO_GUARDRAILS, Guardrails
from recommender_serving.experiments.holdout import Holdout, Member
from recommender_serving.experiments.interleaving import Interleaving
from recommender_serving.experiments.traffic_mirror import MirroredCall
from recommender_serving.experiments.trials import Trial
from recommender_serving.impressions.impression_events import Mark
from recommender_serving.protocols.v2_messages import ids_of


class CallContext(NamedTuple):
    """The id of a call, its end in the event loop's time, and what the stages read of its headers.

    `copy` is set if a candidate gets a copy of the call, `is_copy` if the call is one itself.
    `holdout` says which users the model does not answer; None of a call that has none of them.
    `interleaving` says which users get lists mixed with those of a candidate. `since` is when the
    call had been read, by the clock of the service. `verified` is the user whom the Gateway names;
    None where callers are believed.
    """

    id: str
    deadline: float | None = None
    trial: Trial | None = None
    copy: MirroredCall | None = None
    is_copy: bool = False
    holdout: Holdout | None = None
    interleaving: Interleaving | None = None
    since: float = 0.0
    verified: Verified | None = None

    @property
    def caller(self) -> tuple[tuple[str, str], ...]:
        """The header of the verified user, for another version that is asked the same."""
        return () if self.verified is None else self.verified.metadata


class RequestContext(NamedTuple):
    """One valid request, with the version that should answer it."""

    request: RecommendRequest
    id: str
    assignment: Assignment | None = None  # while an experiment runs
    away: str | None = None  # the other version that should answer
    mark: Mark | None = None  # of its report, if another version may report an answer too
    is_copy: bool = False  # nobody sees the answer
    member: Member | None = None  # of the holdout, or of those whom it is compared with
    interleaving: Interleaving | None = None  # that its user is in
    trial: Trial | None = None  # if its user is in an experiment
    since: float = 0.0  # when the call had been read
    failed: bool = False  # the version of its user has answered with an error
    unserved: bool = False  # that version could not be asked, so nothing is known of it

    @property
    def is_forwarded(self) -> bool:
        """True if another version got the request from the route."""
        return self.trial is not None and self.trial.forwarded

    @property
    def guardrails(self) -> Guardrails:
        """Guardrail metrics of its experiment."""
        return NO_GUARDRAILS if self.trial is None else self.trial.experiment.guardrails

    @property
    def mixes(self) -> bool:
        """True if its list is to be mixed with the candidate's.

        The items of `candidate_items` are the caller's choice, which tells nothing of the
        versions.
        """
        found = self.interleaving
        return found is not None and not found.alone and not self.request.selection.candidates


def request_contexts(
    requests: Sequence[RecommendRequest], call: CallContext
) -> list[RequestContext]:
    """Return the contexts of the requests of a call, before any stage."""
    places = () if call.trial is None else call.trial.places
    ids = ids_of(call.id, len(requests), places)
    return [
        RequestContext(request, id_, is_copy=call.is_copy)
        for request, id_ in zip(requests, ids, strict=True)
    ]


def marked(
    contexts: Sequence[RequestContext], receiver: str, call: str, places: Sequence[int] = ()
) -> list[RequestContext]:
    """Return the contexts of a forwarded call with the marks of their reports.

    Both versions mark alike: whatever was answered too late or twice, one report counts.
    """
    numbers = places if len(places) == len(contexts) else range(len(contexts))
    return [
        each._replace(mark=Mark(f"{receiver}/{call}", number))
        for each, number in zip(contexts, numbers, strict=True)
    ]


def by_version(contexts: Sequence[RequestContext]) -> dict[str | None, list[int]]:
    """Return the places of the requests of each version; None is this one."""
    places: dict[str | None, list[int]] = {}
    for place, each in enumerate(contexts):
        places.setdefault(each.away, []).append(place)
    return places


def merged(parts: Sequence[tuple[Sequence[int], Sequence[Any]]]) -> list[Any]:
    """Return the answers of all parts, each in its place."""
    found = {
        place: answer
        for places, answers in parts
        for place, answer in zip(places, answers, strict=True)
    }
    return [found[place] for place in range(len(found))]
