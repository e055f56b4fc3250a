"""What both protocols serve: one model with one version, independently of the transport."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from recommender_serving.domain.callers import verified
from recommender_serving.domain.types import Answer, Interleaved
from recommender_serving.experiments.assignment import loggable_user
from recommender_serving.experiments.forwarder import Forwarder
from recommender_serving.experiments.holdout import Holdout
from recommender_serving.experiments.interleaving import InterleavingHeaders
from recommender_serving.experiments.mirroring_phase import MirroringHeaders
from recommender_serving.experiments.traffic_mirror import MirroredCall, TrafficMirror
from recommender_serving.experiments.trials import Trial, Trials
from recommender_serving.impressions.impression_events import Sign
from recommender_serving.impressions.reporter import Impressions
from recommender_serving.monitoring.call_record import Call, noting
from recommender_serving.monitoring.readiness import Readiness
from recommender_serving.pipeline.call_log import CallLog
from recommender_serving.pipeline.experiment_instrumentation import ExperimentInstrumentation
from recommender_serving.pipeline.list_assembly import (
    Listed,
    Lists,
    Ranked,
    alone,
    mixed,
    with_candidate_lists,
)
from recommender_serving.pipeline.request_context import (
    CallContext,
    RequestContext,
    request_contexts,
)
from recommender_serving.protocols.errors import NotReady, UnknownModel
from recommender_serving.protocols.request_limits import Limits
from recommender_serving.protocols.v1 import parse_v1
from recommender_serving.protocols.v2 import parse_v2
from recommender_serving.protocols.v2_messages import ARM, InferCall, InferReply, OutputTensor
from recommender_serving.ranking.exploration import Explorer
from recommender_serving.ranking.recommender import Recommender

SERVER = "recommender"
logger = logging.getLogger(__name__)


class Service:
    """Answers as soon as its artifact is loaded, with or without Triton.

    `Readiness` decides whether it should receive traffic.
    """

    def __init__(
        self,
        name: str,
        version: str,
        recommender: Recommender,
        readiness: Readiness,
        limits: Limits,
        now: Callable[[], float] = time.time,
        texts: Mapping[int, str] | None = None,
        impressions: Impressions | None = None,
        calls: CallLog | None = None,
        trials: Trials | None = None,
        forwarder: Forwarder | None = None,
        explorer: Explorer | None = None,
        shadows: MirroringHeaders | None = None,
        mirror: TrafficMirror | None = None,
        holdout: Holdout | None = None,
        interleavings: InterleavingHeaders | None = None,
        candidate_forwarder: Forwarder | None = None,
        instrumentation: ExperimentInstrumentation | None = None,
        sign: Sign = lambda id_, _: id_,
    ) -> None:
        """Create a service.

        `texts` maps items to their texts, if item ids are texts. `impressions` gets every answer,
        and the protocols follow each call in `calls`. `trials` reads the experiments of calls,
        and `forwarder` asks the other versions; without it this version answers all. `explorer`
        draws the last items of some answers that `impressions` reports. `shadows` reads of which
        calls `mirror` sends copies to a candidate. `holdout` says which users the model does not
        answer. `interleavings` reads of which calls lists are mixed, and `candidate_forwarder`
        asks the candidate for its lists; without it, or without `impressions`, none are.
        `instrumentation` measures what an experiment watches beside what users do. `sign` signs
        request ids.
        """
        self._sign = sign
        self._instrumentation = instrumentation or ExperimentInstrumentation()
        self.candidate_forwarder = None if impressions is None else candidate_forwarder
        self._interleavings = interleavings
        self._holdout = holdout
        self.mirror = mirror
        self._shadows = shadows
        self.forwarder = forwarder
        self._trials = trials
        self.calls = calls or CallLog()
        self.name = name
        self.version = version
        self.limits = limits
        self.readiness = readiness
        self._recommender = recommender
        self._waited = noting(recommender.metrics.waited, Call.waited)
        self._now = now
        self._texts = texts
        self._impressions = impressions
        self._explorer = explorer

    def invalid(self, instances: int, headers: Mapping[str, str]) -> None:
        """Count rejected instances of a call."""
        metrics = self._recommender.metrics
        if self._is_copy(headers):
            metrics.shadow.invalid(instances)
        else:
            metrics.invalid(instances)

    def check_model(self, name: str, version: str = "") -> None:
        """Raise UnknownModel unless this is the served model, and its version if one is named."""
        if name != self.name:
            raise UnknownModel(f"the model {name[:100]!r} is not served here, but {self.name}")
        if version not in ("", self.version):
            raise UnknownModel(f"the version {version[:100]!r} is not served here: leave it out")

    def trial(self, headers: Mapping[str, str], version: str = "") -> Trial | None:
        """Return the experiment of a call; none has one that names its version."""
        return None if self._trials is None or version else self._trials.of(headers)

    def given(
        self, id_: str, deadline: float | None, headers: Mapping[str, str], version: str = ""
    ) -> CallContext:
        """Return what came beside the body of a call, which may name its version."""
        user = verified(headers, self.limits.user_header)
        if self._is_copy(headers):
            return CallContext(id_, deadline, is_copy=True, verified=user)
        holdout = None if version else self._holdout
        given = CallContext(
            id_, deadline, self.trial(headers, version), holdout=holdout, verified=user
        )
        if (
            self._interleavings is not None
            and self.candidate_forwarder is not None
            and not version
        ):
            given = given._replace(interleaving=self._interleavings.of(headers))
        if self._shadows is None or self.mirror is None or version:
            return given
        candidate = self._shadows.drawn(headers)
        if candidate is None:
            return given
        left = None if deadline is None else deadline - asyncio.get_running_loop().time()
        return given._replace(copy=MirroredCall(candidate, self.version, left, given.caller))

    def _is_copy(self, headers: Mapping[str, str]) -> bool:
        return self._shadows is not None and self._shadows.is_copy(headers)

    async def check_ready(self) -> None:
        """Raise NotReady if no traffic should come."""
        if not await self.readiness.ready():
            raise NotReady(f"{self.name} is not ready for traffic")

    async def check_model_ready(self) -> None:
        """Raise NotReady if the model does not answer; fallbacks may."""
        if not await self.readiness.model_ready():
            raise NotReady(f"the model {self.name} is not ready: fallbacks answer in its place")

    def ask_v1(self, body: object, given: CallContext) -> list[RequestContext]:
        """Read a v1 body, already decoded from JSON.

        Raises:
            InvalidRequest: the body violates the schema.
        """
        given = self._instrumentation.begun(given)
        return request_contexts(
            parse_v1(body, self.limits, int(self._now()), given.verified), given
        )

    def ask_v2(self, call: InferCall, given: CallContext) -> RequestContext:
        """Read a v2 call.

        Raises:
            InvalidRequest: an input violates the schema.
        """
        given = self._instrumentation.begun(given)._replace(id=call.id)
        request = parse_v2(call.tensors, self.limits, int(self._now()), given.verified)
        return request_contexts([request], given)[0]

    async def predictions(
        self,
        asked: Sequence[RequestContext],
        deadline: float | None = None,
        lists: Lists | None = None,
    ) -> list[dict[str, Any]]:
        """Return the predictions of v1, by the time `deadline` of the event loop.

        `lists` returns those of the candidate, if some are mixed.
        """
        answers = await self._answers(asked, deadline, lists)
        return list(map(self._prediction, asked, answers))

    async def reply(
        self,
        call: InferCall,
        asked: RequestContext,
        deadline: float | None = None,
        lists: Lists | None = None,
    ) -> InferReply:
        """Answer a v2 call, by the time `deadline` of the event loop; `lists` as above."""
        (listed,) = await self._answers([asked], deadline, lists)
        answer = listed.answer
        values: dict[str, tuple[str, Sequence[object]]] = {
            "item_ids": ("INT64" if self._texts is None else "BYTES", listed.items),
            "scores": ("FP32", listed.scores),
            "source": ("BYTES", [answer.source.value]),
            "version": ("BYTES", [self.version]),
            "score_kind": ("BYTES", [answer.score_kind.value]),
        }
        if asked.assignment is not None:
            values[ARM] = ("BYTES", [asked.assignment.arm])
        outputs = [
            OutputTensor(name, *values[name], raw)
            for name, raw in call.wanted.items()
            if name in values
        ]
        return InferReply(call.id, self.name, self.version, outputs, answer.source.value)

    async def _answers(
        self, asked: Sequence[RequestContext], deadline: float | None, lists: Lists | None
    ) -> list[Listed]:
        """Answer as this version, and report what it answered to whom.

        A copy was already answered by another version: nobody sees this answer.
        """
        shadow, requests = self._recommender.shadow, [each.request for each in asked]
        if shadow is not None and any(each.is_copy for each in asked):
            return list(map(self._own, await shadow.recommend(requests, deadline)))
        own = self._recommender.recommend(requests, deadline)
        try:
            found, theirs = await with_candidate_lists(own, lists, deadline, asked, self._waited)
            listed = list(map(self._listed, asked, found, theirs or [None] * len(asked)))
        except Exception:
            self._instrumentation.report_failure(asked, self._impressions, self._now())
            raise
        for each, one in zip(asked, listed, strict=True):
            if each.assignment is not None and each.assignment.arm != self.version:
                self._recommender.metrics.experiments.disagreed()
            try:
                self._report(each, one)
            except Exception:
                logger.exception("a bug: an answer is not reported")
        return listed

    def _report(self, asked: RequestContext, one: Listed) -> None:
        if self._impressions is None:
            return
        if one.answer.failed:
            asked = asked._replace(failed=True)
        pool = self._pool(one.answer) if one.answer.explored else ()
        self._impressions.add(
            asked.request, one.answer, one.items, asked.id, self._now(), asked.assignment,
            asked.mark, pool, asked.member, one.mixed, self._instrumentation.served(asked),
            self._instrumentation.of_group(asked, one.answer),
        )  # fmt: skip

    def _listed(self, asked: RequestContext, answer: Answer, theirs: Ranked) -> Listed:
        """Return the list of an answer: mixed with the candidate's, or one that may explore."""
        own = self._own(answer)
        found = mixed(asked, own, theirs)
        if asked.mixes:
            outcome = Interleaved.ALONE if found is None else Interleaved.MIXED
            self._recommender.metrics.interleaving.answered(outcome)
        if found is not None:
            return found
        explored = self._explored(asked, answer)
        return alone(asked, own if explored is answer else self._own(explored))

    def _own(self, answer: Answer) -> Listed:
        return Listed(answer, self._ids(answer.items), answer.scores)

    def _explored(self, asked: RequestContext, answer: Answer) -> Answer:
        """Return the answer, or one that explores.

        None does whose impression nobody gets, or cannot say so. Few answers are chosen, so
        chance comes before the ids.
        """
        if self._explorer is None or self._impressions is None:
            return answer
        if not self._explorer.chosen(answer):
            return answer
        items, pool = self._ids(answer.items), self._pool(answer)
        if not self._impressions.reports_draw(asked.request, asked.id, items, pool):
            return answer
        return self._explorer.drawn(answer)

    def _prediction(self, asked: RequestContext, listed: Listed) -> dict[str, Any]:
        answer = listed.answer
        arm = {} if asked.assignment is None else {ARM: asked.assignment.arm}
        user = loggable_user(asked.request)
        return {
            "items": listed.items,
            "scores": listed.scores,
            "score_kind": answer.score_kind.value,
            "source": answer.source.value,
            "version": self.version,
            "request_id": asked.id if user is None else self._sign(asked.id, user),
            **arm,
        }

    @property
    def item_type(self) -> type:
        """The type of the ids of items as clients know them."""
        return int if self._texts is None else str

    def _pool(self, answer: Answer) -> Sequence[int] | Sequence[str]:
        return self._ids([item for item, _ in answer.pool])

    def _ids(self, items: Sequence[int]) -> Sequence[int] | Sequence[str]:
        """Return items as clients know them."""
        if self._texts is None:
            return items
        return [self._texts[item] for item in items]
