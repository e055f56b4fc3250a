"""What both protocols serve: one model with one version, independently of the transport."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from recommender_serving.answering.recommender import Recommender
from recommender_serving.domain.types import Answer, RecommendRequest
from recommender_serving.impressions.reporter import Impressions
from recommender_serving.protocols.call_log import CallLog
from recommender_serving.protocols.calls import InferCall, InferReply, OutputTensor, ids_of
from recommender_serving.protocols.errors import NotReady, UnknownModel
from recommender_serving.protocols.limits import Limits
from recommender_serving.protocols.readiness import Readiness
from recommender_serving.protocols.v1 import parse_v1
from recommender_serving.protocols.v2 import parse_v2

SERVER = "recommender"


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
    ) -> None:
        """Create a service.

        `texts` maps items to their texts, if item ids are texts. `impressions` gets every answer,
        and the protocols follow each call in `calls`.
        """
        self.calls = calls or CallLog()
        self.name = name
        self.version = version
        self.limits = limits
        self.readiness = readiness
        self._recommender = recommender
        self._now = now
        self._texts = texts
        self._impressions = impressions

    def invalid(self, instances: int = 1) -> None:
        """Count rejected instances."""
        self._recommender.metrics.invalid(instances)

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

    async def predict(
        self, body: object, deadline: float | None = None, id_: str = ""
    ) -> list[Answer]:
        """Answer a v1 body, already decoded from JSON, by the time `deadline` of the event loop.

        `id_` is the id of the call.

        Raises:
            InvalidRequest: the body violates the schema.
        """
        requests = parse_v1(body, self.limits, int(self._now()))
        del body  # the models may take a while
        answers = await self._recommender.recommend(requests, deadline)
        self._report(requests, answers, id_)
        return answers

    def prediction(self, answer: Answer, request_id: str) -> dict[str, Any]:
        """Return the prediction of a v1 answer."""
        return {
            "items": self._ids(answer),
            "scores": answer.scores,
            "score_kind": answer.score_kind.value,
            "source": answer.source.value,
            "version": self.version,
            "request_id": request_id,
        }

    async def infer(
        self, call: InferCall, deadline: float | None = None
    ) -> tuple[Answer, InferReply]:
        """Answer a v2 call, by the time `deadline` of the event loop.

        Raises:
            InvalidRequest: an input violates the schema.
        """
        request = parse_v2(call.tensors, self.limits, int(self._now()))
        answer = (await self._recommender.recommend([request], deadline))[0]
        self._report([request], [answer], call.id)
        values: dict[str, tuple[str, Sequence[object]]] = {
            "item_ids": ("INT64" if self._texts is None else "BYTES", self._ids(answer)),
            "scores": ("FP32", answer.scores),
            "source": ("BYTES", [answer.source.value]),
            "version": ("BYTES", [self.version]),
            "score_kind": ("BYTES", [answer.score_kind.value]),
        }
        outputs = [OutputTensor(name, *values[name], raw) for name, raw in call.wanted.items()]
        return answer, InferReply(call.id, self.name, self.version, outputs)

    def _report(
        self, requests: Sequence[RecommendRequest], answers: Sequence[Answer], id_: str
    ) -> None:
        if self._impressions is None:
            return
        ids = ids_of(id_, len(answers))
        for request, answer, own in zip(requests, answers, ids, strict=True):
            self._impressions.add(request, answer, self._ids(answer), own, self._now())

    def _ids(self, answer: Answer) -> Sequence[int] | Sequence[str]:
        """Return the items as clients know them."""
        if self._texts is None:
            return answer.items
        return [self._texts[item] for item in answer.items]
