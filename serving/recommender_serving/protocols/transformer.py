"""The KServe model: protocols v1 and v2 in front of the Recommender."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from kserve import InferRequest, Model
from kserve.errors import InvalidInput

from recommender_serving.answering.recommender import Recommender
from recommender_serving.domain.types import Answer, RecommendRequest
from recommender_serving.protocols import codec
from recommender_serving.protocols.limits import Limits
from recommender_serving.protocols.v1 import parse_v1
from recommender_serving.protocols.v2 import parse_v2
from recommender_serving.protocols.validation import InvalidRequest

VERSION_HEADER = "x-recommender-version"
SOURCE_HEADER = "x-recommender-source"


class RefusedRequest(InvalidInput):  # type: ignore[misc]
    """A rejected request that already counts as invalid."""


class Transformer(Model):  # type: ignore[misc]
    """Answers as soon as its artifact is loaded, with or without Triton.

    `Readiness` decides whether it should receive traffic.
    """

    def __init__(
        self,
        name: str,
        version: str,
        recommender: Recommender,
        limits: Limits,
        now: Callable[[], float] = time.time,
        texts: Mapping[int, str] | None = None,
    ) -> None:
        """Create a transformer; `texts` maps items to their texts, if item ids are texts."""
        super().__init__(name, return_response_headers=True)
        self._version = version
        self._recommender = recommender
        self._limits = limits
        self._now = now
        self._texts = texts
        self.ready = True

    def get_input_types(self) -> list[dict[str, object]]:
        """Describe the inputs of the v2 protocol."""
        return codec.inputs(self._limits)

    def get_output_types(self) -> list[dict[str, object]]:
        """Describe the outputs of the v2 protocol."""
        return codec.outputs(self._limits.ids)

    async def predict(
        self,
        payload: Any,
        headers: dict[str, str] | None = None,  # noqa: ARG002
        response_headers: dict[str, str] | None = None,
    ) -> Any:
        """Answer one call.

        Raises:
            RefusedRequest: the request violates the schema; KServe answers 400.
        """
        is_v2 = isinstance(payload, InferRequest)
        try:
            requests = self._parse(payload)
        except InvalidRequest as error:
            self._recommender.metrics.invalid(error.instances)
            raise RefusedRequest(str(error)) from None
        answers = await self._recommender.recommend(requests)
        if response_headers is not None:
            response_headers[VERSION_HEADER] = self._version
            sources = dict.fromkeys(answer.source.value for answer in answers)
            response_headers[SOURCE_HEADER] = ",".join(sources)
        if is_v2:
            return codec.response_of(payload, self.name, self._version, answers[0], self._texts)
        return {"predictions": [self._prediction(answer) for answer in answers]}

    def _parse(self, payload: Any) -> list[RecommendRequest]:
        now = int(self._now())
        if isinstance(payload, InferRequest):
            return [parse_v2(codec.tensors_of(payload), self._limits, now)]
        if isinstance(payload, bytes):  # KServe decodes only the plainest content type
            try:
                payload = orjson.loads(payload)
            except orjson.JSONDecodeError as error:
                raise InvalidRequest(f"the body is not valid JSON: {error}") from error
        return parse_v1(payload, self._limits, now)

    def _prediction(self, answer: Answer) -> dict[str, object]:
        return {
            "items": codec.ids_of(answer, self._texts),
            "scores": list(answer.scores),
            "source": answer.source.value,
            "version": self._version,
        }
