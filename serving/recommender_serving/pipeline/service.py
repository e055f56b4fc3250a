"""The service behind both protocols: one model with one version, whatever the transport."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recommender_serving.domain.callers import verified
from recommender_serving.domain.types import Answer
from recommender_serving.experiments.assignment import loggable_user
from recommender_serving.impressions.impression_events import AnsweredRequest, Sign
from recommender_serving.monitoring.call_record import Call, noting
from recommender_serving.monitoring.readiness import Readiness
from recommender_serving.pipeline.call_log import CallLog
from recommender_serving.pipeline.list_assembly import (
    ItemIds,
    Listed,
    Lists,
    Ranked,
    with_candidate_lists,
)
from recommender_serving.pipeline.outgoing import Outgoing
from recommender_serving.pipeline.request_context import (
    CallContext,
    RequestContext,
    request_contexts,
)
from recommender_serving.pipeline.stages import Stage
from recommender_serving.protocols.errors import NotReady, UnknownModel
from recommender_serving.protocols.request_limits import Limits
from recommender_serving.protocols.v1 import parse_v1
from recommender_serving.protocols.v2 import parse_v2
from recommender_serving.protocols.v2_messages import ARM, InferCall, InferReply, OutputTensor
from recommender_serving.ranking.recommender import Recommender

SERVER = "recommender"
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """The version that a service answers for, as clients know it."""

    model: str  # the name in the protocols
    name: str
    limits: Limits
    ids: ItemIds
    sign: Sign = lambda id_, _: id_  # signs request ids


class Service:
    """Answers as soon as its artifact is loaded, with or without Triton.

    `Readiness` decides whether it should receive traffic.
    """

    def __init__(
        self,
        served: ServedVersion,
        recommender: Recommender,
        readiness: Readiness,
        outgoing: Outgoing | None = None,
        stages: Sequence[Stage] = (),
        calls: CallLog | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Create a service, whose requests pass `stages`; the protocols follow `calls`."""
        outgoing = outgoing or Outgoing()
        self.name = served.model
        self.version = served.name
        self.limits = served.limits
        self.ids = served.ids
        self.readiness = readiness
        self.calls = calls or CallLog()
        self.forwarder = outgoing.forwarder
        self.mirror = outgoing.mirror
        self.candidate_forwarder = outgoing.candidate_forwarder
        self._sign = served.sign
        self._impressions = outgoing.impressions
        self._recommender = recommender
        self._stages = tuple(stages)
        self._waited = noting(recommender.metrics.waited, Call.waited)
        self._now = now

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

    async def check_ready(self) -> None:
        """Raise NotReady if no traffic should come."""
        if not await self.readiness.ready():
            raise NotReady(f"{self.name} is not ready for traffic")

    async def check_model_ready(self) -> None:
        """Raise NotReady if the model does not answer; fallbacks may."""
        if not await self.readiness.model_ready():
            raise NotReady(f"the model {self.name} is not ready: fallbacks answer in its place")

    def call_context(
        self, id_: str, deadline: float | None, headers: Mapping[str, str], version: str = ""
    ) -> CallContext:
        """Return the context of a call; one that names its version is in no experiment."""
        call = CallContext(id_, deadline, verified=verified(headers, self.limits.user_header))
        if self._is_copy(headers):
            return call._replace(is_copy=True)
        for stage in () if version else self._stages:
            call = stage.on_call(call, headers)
        return call

    def _is_copy(self, headers: Mapping[str, str]) -> bool:
        return any(stage.is_copy(headers) for stage in self._stages)

    def read_v1(self, body: object, call: CallContext) -> list[RequestContext]:
        """Read a v1 body, already decoded from JSON.

        Raises:
            InvalidRequest: the body violates the schema.
        """
        call = self._begun(call)
        requests = parse_v1(body, self.limits, int(self._now()), call.verified)
        return self._staged(request_contexts(requests, call), call)

    def read_v2(self, message: InferCall, call: CallContext) -> RequestContext:
        """Read a v2 call.

        Raises:
            InvalidRequest: an input violates the schema.
        """
        call = self._begun(call)._replace(id=message.id)
        request = parse_v2(message.tensors, self.limits, int(self._now()), call.verified)
        return self._staged(request_contexts([request], call), call)[0]

    def _begun(self, call: CallContext) -> CallContext:
        for stage in self._stages:
            call = stage.on_body(call)
        return call

    def _staged(self, contexts: list[RequestContext], call: CallContext) -> list[RequestContext]:
        for stage in self._stages:
            contexts = stage.on_requests(contexts, call)
        return contexts

    async def predictions(
        self,
        contexts: Sequence[RequestContext],
        deadline: float | None = None,
        lists: Lists | None = None,
    ) -> list[dict[str, Any]]:
        """Return the predictions of v1, by the time `deadline` of the event loop.

        `lists` returns those of the candidate, if some are mixed.
        """
        answers = await self._answers(contexts, deadline, lists)
        return list(map(self._prediction, contexts, answers))

    async def reply(
        self,
        message: InferCall,
        context: RequestContext,
        deadline: float | None = None,
        lists: Lists | None = None,
    ) -> InferReply:
        """Answer a v2 call, by the time `deadline` of the event loop; `lists` as above."""
        (listed,) = await self._answers([context], deadline, lists)
        answer = listed.answer
        values: dict[str, tuple[str, Sequence[object]]] = {
            "item_ids": (self.ids.datatype, listed.items),
            "scores": ("FP32", listed.scores),
            "source": ("BYTES", [answer.source.value]),
            "version": ("BYTES", [self.version]),
            "score_kind": ("BYTES", [answer.score_kind.value]),
        }
        if context.assignment is not None:
            values[ARM] = ("BYTES", [context.assignment.arm])
        outputs = [
            OutputTensor(name, *values[name], raw)
            for name, raw in message.wanted.items()
            if name in values
        ]
        return InferReply(message.id, self.name, self.version, outputs, answer.source.value)

    async def _answers(
        self, contexts: Sequence[RequestContext], deadline: float | None, lists: Lists | None
    ) -> list[Listed]:
        """Answer as this version, and report what it answered to whom.

        A copy was already answered by another version: nobody sees this answer.
        """
        mirrored, requests = self._recommender.mirrored, [each.request for each in contexts]
        if mirrored is not None and any(each.is_copy for each in contexts):
            return list(map(self._own, await mirrored.recommend(requests, deadline)))
        own = self._recommender.recommend(requests, deadline)
        try:
            found, theirs = await with_candidate_lists(
                own, lists, deadline, contexts, self._waited
            )
            listed = list(map(self._listed, contexts, found, theirs or [None] * len(contexts)))
        except Exception:
            for stage in self._stages:
                stage.on_failure(contexts, self._impressions, self._now())
            raise
        for context, one in zip(contexts, listed, strict=True):
            try:
                self._report(context, one)
            except Exception:
                logger.exception("a bug: an answer is not reported")
        return listed

    def _own(self, answer: Answer) -> Listed:
        return Listed(answer, self.ids(answer.items), answer.scores)

    def _listed(self, context: RequestContext, answer: Answer, theirs: Ranked) -> Listed:
        """Return the list of an answer, as the stages change it."""
        listed = self._own(answer)
        for stage in self._stages:
            listed = stage.on_list(context, listed, theirs)
        return listed

    def _report(self, context: RequestContext, listed: Listed) -> None:
        answered = AnsweredRequest(
            context.request, listed.answer, listed.items, context.id, self._now()
        )
        for stage in self._stages:
            answered = stage.on_answer(context, listed, answered)
        if self._impressions is not None:
            self._impressions.add(answered)

    def _prediction(self, context: RequestContext, listed: Listed) -> dict[str, Any]:
        answer = listed.answer
        arm = {} if context.assignment is None else {ARM: context.assignment.arm}
        user = loggable_user(context.request)
        return {
            "items": listed.items,
            "scores": listed.scores,
            "score_kind": answer.score_kind.value,
            "source": answer.source.value,
            "version": self.version,
            "request_id": context.id if user is None else self._sign(context.id, user),
            **arm,
        }
