"""The instances of a call, with the version that should answer each: pure."""

from __future__ import annotations

import dataclasses
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
    """What came beside the body: the id, the end in the event loop's time, the experiment.

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
    """One valid instance."""

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
        """Whether another version got the request from the route."""
        return self.trial is not None and self.trial.forwarded

    @property
    def guardrails(self) -> Guardrails:
        """Guardrail metrics of its experiment."""
        return NO_GUARDRAILS if self.trial is None else self.trial.experiment.guardrails

    @property
    def mixes(self) -> bool:
        """Whether its list is to be mixed with the candidate's.

        The items of `candidate_items` are the caller's choice, which tells nothing of the
        versions.
        """
        found = self.interleaving
        return found is not None and not found.alone and not self.request.selection.candidates


def request_contexts(
    requests: Sequence[RecommendRequest], given: CallContext
) -> list[RequestContext]:
    """Return the instances of a call."""
    asked = _assigned(requests, given)
    if given.holdout is not None:
        asked = [_grouped(each, given.holdout.member(each.request)) for each in asked]
    if given.interleaving is None or given.trial is not None:
        return asked
    return [_interleaved(each, given.interleaving) for each in asked]


def _interleaved(asked: RequestContext, interleaving: Interleaving) -> RequestContext:
    """Return an instance with its interleaving; the model does not answer the holdout."""
    is_in = not asked.request.held and interleaving.includes(asked.request)
    return asked._replace(interleaving=interleaving) if is_in else asked


def _grouped(asked: RequestContext, member: Member | None) -> RequestContext:
    """Return an instance with the group of its user; one of the holdout is in no experiment."""
    if member is None or not member.is_held:
        return asked._replace(member=member)
    request = dataclasses.replace(asked.request, held=True)
    return asked._replace(request=request, member=member, assignment=None, away=None, trial=None)


def _assigned(requests: Sequence[RecommendRequest], given: CallContext) -> list[RequestContext]:
    """Return the instances with the versions that an experiment assigns to their users."""
    trial = given.trial
    ids = ids_of(given.id, len(requests), () if trial is None else trial.places)
    if trial is None:
        each_of = zip(requests, ids, strict=True)
        return [RequestContext(request, id_, is_copy=given.is_copy) for request, id_ in each_of]
    assignments = map(trial.assignment, requests)
    asked = [
        RequestContext(
            request,
            id_,
            assignment,
            trial.away(assignment),
            trial=trial if assignment is not None else None,
            since=given.since,
        )
        for request, id_, assignment in zip(requests, ids, assignments, strict=True)
    ]
    return asked if trial.call is None else marked(asked, trial.receiver, trial.call, trial.places)


def marked(
    asked: Sequence[RequestContext], receiver: str, call: str, places: Sequence[int] = ()
) -> list[RequestContext]:
    """Return the instances of a forwarded request with the marks of their reports.

    Both versions mark alike: whatever was answered too late or twice, one report counts.
    """
    numbers = places if len(places) == len(asked) else range(len(asked))
    return [
        each._replace(mark=Mark(f"{receiver}/{call}", number))
        for each, number in zip(asked, numbers, strict=True)
    ]


def by_version(asked: Sequence[RequestContext]) -> dict[str | None, list[int]]:
    """Return the places of the instances of each version; None is this one."""
    places: dict[str | None, list[int]] = {}
    for place, each in enumerate(asked):
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
