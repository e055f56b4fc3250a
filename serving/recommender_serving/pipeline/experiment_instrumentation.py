"""What an experiment watches of requests and lists, where it does."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from recommender_serving.domain.types import Answer
from recommender_serving.experiments.guardrails import ItemGroups
from recommender_serving.impressions.impression_events import Served
from recommender_serving.impressions.reporter import Impressions
from recommender_serving.pipeline.request_context import CallContext, RequestContext


class ExperimentInstrumentation:
    """Times the requests of one version, and counts the items of its answers that are of a group.

    Without `grouping` it counts no items.
    """

    def __init__(
        self,
        grouping: ItemGroups | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._grouping = grouping
        self._clock = clock

    def begun(self, given: CallContext) -> CallContext:
        """Note that a call has been read."""
        return given._replace(since=self._clock())

    def served(self, asked: RequestContext) -> Served | None:
        """Return how a request was served until now; None if nobody watches that."""
        slower_than = asked.guardrails.slower_than
        if slower_than is None or asked.unserved:
            return None
        return Served(1000 * (self._clock() - asked.since), slower_than, asked.failed)

    def of_group(self, asked: RequestContext, answer: Answer) -> int | None:
        """Return how many items are of the group that is watched; None if none is, or is known."""
        group = asked.guardrails.group
        if group is None or self._grouping is None:
            return None
        return self._grouping.count(answer.items, group)

    def report_failure(
        self, asked: Sequence[RequestContext], impressions: Impressions | None, at: float
    ) -> None:
        """Report requests that get no answer.

        Of a forwarded one the receiver reports what its user gets, which may be an answer.
        """
        if impressions is None:
            return
        for each in asked:
            served = self.served(each._replace(failed=True))
            if served is None or each.assignment is None or each.is_forwarded:
                continue
            impressions.add_failure(each.request, each.id, at, each.assignment, each.mark, served)
