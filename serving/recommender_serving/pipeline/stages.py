"""Stages that a request passes; a service has those alone that its resource may want.

A stage reads headers into the context of the call, changes the contexts of its requests, then the
list of each, and adds to the report of it. Each overrides the steps that it takes part in.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence

from recommender_serving.artifact.vocabulary import Vocabulary
from recommender_serving.domain.types import Answer, Interleaved
from recommender_serving.experiments.guardrails import ItemGroups
from recommender_serving.experiments.holdout import Holdout, Member
from recommender_serving.experiments.interleaving import InterleavingHeaders
from recommender_serving.experiments.mirroring_phase import MirroringHeaders
from recommender_serving.experiments.traffic_mirror import MirroredCall
from recommender_serving.experiments.trials import Trials
from recommender_serving.impressions.impression_events import AnsweredRequest, Served
from recommender_serving.impressions.reporter import Impressions
from recommender_serving.monitoring.version_metrics import Metrics
from recommender_serving.pipeline.list_assembly import ItemIds, Listed, Ranked, alone, mixed
from recommender_serving.pipeline.outgoing import Outgoing
from recommender_serving.pipeline.request_context import CallContext, RequestContext, marked
from recommender_serving.ranking.exploration import Explorer


class Stage:
    """A stage that changes nothing."""

    def is_copy(self, headers: Mapping[str, str]) -> bool:
        """Return whether nobody sees the answer to a call."""
        return False

    def on_call(self, call: CallContext, headers: Mapping[str, str]) -> CallContext:
        """Read the headers of a call that names no version and is no copy."""
        return call

    def on_body(self, call: CallContext) -> CallContext:
        """Note that the body of a call has been read."""
        return call

    def on_requests(
        self, contexts: list[RequestContext], call: CallContext
    ) -> list[RequestContext]:
        """Return the contexts of the requests of a call."""
        return contexts

    def on_list(self, context: RequestContext, listed: Listed, theirs: Ranked) -> Listed:
        """Return the list that a user gets; `theirs` is the candidate's, if it was asked."""
        return listed

    def on_answer(
        self, context: RequestContext, listed: Listed, answered: AnsweredRequest
    ) -> AnsweredRequest:
        """Return the report of an answer."""
        return answered

    def on_failure(
        self, contexts: Sequence[RequestContext], impressions: Impressions | None, at: float
    ) -> None:
        """Report requests that get no answer."""


class TrialStage(Stage):
    """Assigns users to the versions of an experiment."""

    def __init__(self, trials: Trials, version: str, disagreed: Callable[[], None]) -> None:
        """`disagreed` counts answers of this version to users of another one."""
        self._trials = trials
        self._version = version
        self._disagreed = disagreed

    def on_call(self, call: CallContext, headers: Mapping[str, str]) -> CallContext:
        """Read the experiment of a call."""
        return call._replace(trial=self._trials.trial_of(headers))

    def on_requests(
        self, contexts: list[RequestContext], call: CallContext
    ) -> list[RequestContext]:
        """Assign a version to each user."""
        trial = call.trial
        if trial is None:
            return contexts
        assigned = []
        for each in contexts:
            assignment = trial.assignment(each.request)
            assigned.append(
                each._replace(
                    assignment=assignment,
                    away=trial.away(assignment),
                    trial=None if assignment is None else trial,
                    since=call.since,
                )
            )
        if trial.call is None:
            return assigned
        return marked(assigned, trial.receiver, trial.call, trial.places)

    def on_answer(
        self, context: RequestContext, listed: Listed, answered: AnsweredRequest
    ) -> AnsweredRequest:
        """Report the arm of the user."""
        assignment = context.assignment
        if assignment is not None and assignment.arm != self._version:
            self._disagreed()
        return answered._replace(assignment=assignment, mark=context.mark)


class HoldoutStage(Stage):
    """Keeps users of the holdout from the model, and from every experiment."""

    def __init__(self, holdout: Holdout) -> None:
        self._holdout = holdout

    def on_call(self, call: CallContext, headers: Mapping[str, str]) -> CallContext:
        """Note that the call may have users of the holdout."""
        return call._replace(holdout=self._holdout)

    def on_requests(
        self, contexts: list[RequestContext], call: CallContext
    ) -> list[RequestContext]:
        """Note the group of each user."""
        holdout = call.holdout
        if holdout is None:
            return contexts
        return [_grouped(each, holdout.member(each.request)) for each in contexts]

    def on_answer(
        self, context: RequestContext, listed: Listed, answered: AnsweredRequest
    ) -> AnsweredRequest:
        """Report the group of the user."""
        return answered._replace(member=context.member)


def _grouped(context: RequestContext, member: Member | None) -> RequestContext:
    """Return a context with the group of its user; one of the holdout is in no experiment."""
    if member is None or not member.is_held:
        return context._replace(member=member)
    request = dataclasses.replace(context.request, held=True)
    return context._replace(request=request, member=member, assignment=None, away=None, trial=None)


class InterleavingStage(Stage):
    """Mixes the lists of some users with those of a candidate."""

    def __init__(
        self, headers: InterleavingHeaders, answered: Callable[[Interleaved], None]
    ) -> None:
        """`answered` counts answers to these users."""
        self._headers = headers
        self._answered = answered

    def on_call(self, call: CallContext, headers: Mapping[str, str]) -> CallContext:
        """Read the interleaving of a call."""
        return call._replace(interleaving=self._headers.interleaving_of(headers))

    def on_requests(
        self, contexts: list[RequestContext], call: CallContext
    ) -> list[RequestContext]:
        """Note who gets such lists; the model does not answer the holdout."""
        interleaving = call.interleaving
        if interleaving is None or call.trial is not None:
            return contexts
        return [
            each._replace(interleaving=interleaving)
            if not each.request.held and interleaving.includes(each.request)
            else each
            for each in contexts
        ]

    def on_list(self, context: RequestContext, listed: Listed, theirs: Ranked) -> Listed:
        """Mix a list with the candidate's, if there is one."""
        found = mixed(context, listed, theirs)
        if context.mixes:
            self._answered(Interleaved.ALONE if found is None else Interleaved.MIXED)
        return alone(context, listed) if found is None else found

    def on_answer(
        self, context: RequestContext, listed: Listed, answered: AnsweredRequest
    ) -> AnsweredRequest:
        """Report which version gave each item."""
        return answered._replace(mixed=listed.mixed)


class MirroringStage(Stage):
    """Draws the calls that a candidate gets a copy of, and knows copies from calls of users."""

    def __init__(self, headers: MirroringHeaders, version: str, *, sends: bool) -> None:
        """`sends`: copies can be sent."""
        self._headers = headers
        self._version = version
        self._sends = sends

    def is_copy(self, headers: Mapping[str, str]) -> bool:
        """Return whether nobody sees the answer to a call."""
        return self._headers.is_copy(headers)

    def on_call(self, call: CallContext, headers: Mapping[str, str]) -> CallContext:
        """Draw whether a candidate gets a copy."""
        candidate = self._headers.drawn(headers) if self._sends else None
        if candidate is None:
            return call
        end = call.deadline
        left = None if end is None else end - asyncio.get_running_loop().time()
        return call._replace(copy=MirroredCall(candidate, self._version, left, call.caller))


class ExplorationStage(Stage):
    """Draws the last item of some answers, if their impressions can say so."""

    def __init__(self, explorer: Explorer, impressions: Impressions, ids: ItemIds) -> None:
        self._explorer = explorer
        self._impressions = impressions
        self._ids = ids

    def on_list(self, context: RequestContext, listed: Listed, theirs: Ranked) -> Listed:
        """Return the list, or one that explores; few do, so chance comes before the ids."""
        answer = listed.answer
        if listed.is_mixed or not self._explorer.chosen(answer):
            return listed
        items, pool = self._ids(answer.items), self._ids.of_pool(answer)
        if not self._impressions.reports_draw(context.request, context.id, items, pool):
            return listed
        drawn = self._explorer.drawn(answer)
        return listed._replace(answer=drawn, items=self._ids(drawn.items), scores=drawn.scores)

    def on_answer(
        self, context: RequestContext, listed: Listed, answered: AnsweredRequest
    ) -> AnsweredRequest:
        """Report the items that the last one was drawn from."""
        if not listed.answer.explored:
            return answered
        return answered._replace(pool=self._ids.of_pool(listed.answer))


class ExperimentInstrumentation(Stage):
    """Measures the guardrails of an experiment: times of requests, and items of a group in lists.

    Without `groups` it counts no items.
    """

    def __init__(
        self,
        groups: ItemGroups | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._groups = groups
        self._clock = clock

    def on_body(self, call: CallContext) -> CallContext:
        """Note when the body of a call has been read."""
        return call._replace(since=self._clock())

    def on_answer(
        self, context: RequestContext, listed: Listed, answered: AnsweredRequest
    ) -> AnsweredRequest:
        """Report how the request was served, and the items of the group."""
        if listed.answer.failed:
            context = context._replace(failed=True)
        of_group = self._of_group(context, listed.answer)
        return answered._replace(served=self._served(context), of_group=of_group)

    def _served(self, context: RequestContext) -> Served | None:
        """Return how a request was served until now; None if nobody watches that."""
        slower_than = context.guardrails.slower_than
        if slower_than is None or context.unserved:
            return None
        return Served(1000 * (self._clock() - context.since), slower_than, context.failed)

    def _of_group(self, context: RequestContext, answer: Answer) -> int | None:
        """Return how many items are of the group; None if there is none, or it is not known."""
        group = context.guardrails.group
        if group is None or self._groups is None:
            return None
        return self._groups.count(answer.items, group)

    def on_failure(
        self, contexts: Sequence[RequestContext], impressions: Impressions | None, at: float
    ) -> None:
        """Report requests that get no answer.

        Of a forwarded one the receiver reports what its user gets, which may be an answer.
        """
        if impressions is None:
            return
        for each in contexts:
            served = self._served(each._replace(failed=True))
            if served is None or each.assignment is None or each.is_forwarded:
                continue
            impressions.add_failure(each.request, each.id, at, each.assignment, each.mark, served)


def build_stages(
    model: str,
    version: str,
    vocabulary: Vocabulary,
    metrics: Metrics,
    outgoing: Outgoing,
    ids: ItemIds,
    draw: Callable[[int], int],
    holdout: Holdout | None = None,
    explorer: Explorer | None = None,
) -> list[Stage]:
    """Build the stages of a version, in their order.

    Experiments and copies are set by headers of the route, so each version is ready for them.
    `draw` returns a random number below the given one.
    """
    trials = Trials(model, version, metrics.experiments.ignored, vocabulary.features)
    stages: list[Stage] = [TrialStage(trials, version, metrics.experiments.disagreed)]
    if holdout is not None:
        stages.append(HoldoutStage(holdout))
    if outgoing.impressions is not None and outgoing.candidate_forwarder is not None:
        mixing = InterleavingHeaders(model, version, metrics.interleaving.ignored)
        stages.append(InterleavingStage(mixing, metrics.interleaving.answered))
    copies = MirroringHeaders(model, version, metrics.shadow.ignored, draw)
    stages.append(MirroringStage(copies, version, sends=outgoing.mirror is not None))
    if outgoing.impressions is not None and explorer is not None:
        stages.append(ExplorationStage(explorer, outgoing.impressions, ids))
    stages.append(ExperimentInstrumentation(ItemGroups(vocabulary.items)))
    return stages
