"""The smoke inference: requests to a pod of a version before users reach it."""

from __future__ import annotations

import asyncio
import datetime
import math
from typing import Any

import aiohttp

from recommender_contract.ids import IdKind
from recommender_contract.resource.mapping import IdKinds
from recommender_operator.adapters.pods.bounded_http import ExchangeError, exchange, pod_url
from recommender_operator.adapters.pods.json_types import json_type, value_of
from recommender_operator.adapters.pods.parsing import parsed
from recommender_operator.adapters.pods.pod_ref import PodRef
from recommender_operator.api.version import Smoke

PORT = 8080
PATH = "/v1/models/recommender:predict"
#: Maximum size of a response in bytes; ten items have less than 1 kB.
LIMIT = 2**16
#: Time limit in seconds. The first inference may be slow, because TorchScript optimizes then.
TIMEOUT = aiohttp.ClientTimeout(total=15, connect=2)
TOP_N = 10
#: Users that no data set has: the model must answer for a cold start.
USERS = {IdKind.INTEGER: -1, IdKind.TEXT: "smoke.recommender.dev"}
#: Types of ids in JSON, and their names in messages.
TYPES = {IdKind.INTEGER: (int, "an integer"), IdKind.TEXT: (str, "a text")}
INTEGERS = IdKinds()
#: Sources of fallbacks (docs/contracts.md).
FALLBACKS = ("baseline", "popularity")
#: A model that is late once, on a busy node right after its start, is not broken: a fallback must
#: answer as often as this, with a pause in seconds between the requests.
ATTEMPTS, PAUSE = 3, 1.0


class FallbackAnsweredError(ValueError):
    """The response is valid, but not from the model."""


class HttpSmokeTester:
    """A `SmokeTester` with the v1 REST protocol of the transformer (docs/contracts.md)."""

    def __init__(
        self, session: aiohttp.ClientSession, *, port: int = PORT, pause: float = PAUSE
    ) -> None:
        self._session = session
        self._port = port
        self._pause = pause

    @classmethod
    def session(cls) -> aiohttp.ClientSession:
        """Return a client session with the time limits of the test; the caller closes it."""
        return aiohttp.ClientSession(timeout=TIMEOUT)

    async def smoke(self, pod: PodRef, now: datetime.datetime, ids: IdKinds = INTEGERS) -> Smoke:
        """Request items for a user without a session, then for a session with the returned items.

        `ids` are the types of ids that the version must accept and return.
        """
        try:
            first = await self._answered(pod, [], ids)
            session: list[dict[str, object]] = [
                {"item": item, "timestamp": int(now.timestamp()) - 60 * (i + 1), "value": 4.0}
                for i, item in enumerate(first[:2])
            ]
            second = await self._answered(pod, session, ids)
        except (ExchangeError, ValueError) as error:
            return Smoke(passed=False, message=f"{pod.name}: {error}"[:2048], at=now)
        message = (
            f"{pod.name} returned {len(first)} items for a user without a session and "
            f"{len(second)} for one with a session of {len(session)}, by the model"
        )
        return Smoke(passed=True, message=message, at=now)

    async def _answered(
        self, pod: PodRef, session: list[dict[str, object]], ids: IdKinds
    ) -> list[int] | list[str]:
        """Return the items of the model; a fallback is asked again."""
        for _ in range(ATTEMPTS - 1):
            try:
                return await self._request(pod, session, ids)
            except FallbackAnsweredError:
                await asyncio.sleep(self._pause)
        return await self._request(pod, session, ids)

    async def _request(
        self, pod: PodRef, session: list[dict[str, object]], ids: IdKinds
    ) -> list[int] | list[str]:
        who = f"with a session of {len(session)}" if session else "without a session"
        instance = {"user_id": USERS[ids.user], "session": session, "top_n": TOP_N}
        try:
            body = await exchange(
                self._session,
                "POST",
                pod_url(pod.ip, self._port, PATH),
                limit=LIMIT,
                json={"instances": [instance]},
            )
            return await parsed(lambda body: check_answer(body, ids.item), body)
        except FallbackAnsweredError as error:
            raise FallbackAnsweredError(
                f"request for a user {who}: {error}, each of {ATTEMPTS} times"
            ) from error
        except ValueError as error:
            raise ValueError(f"request for a user {who}: {error}") from error


def check_answer(body: bytes, kind: IdKind = IdKind.INTEGER) -> list[int] | list[str]:
    """Return the items of a response after checking it against the contract; ids are of `kind`.

    Raises:
        FallbackAnsweredError: the model did not answer.
        ValueError: the response violates the contract. The message names the field, its type and
            the expected one, but quotes nothing: it goes into a status, and the pod's owner
            controls the response.
    """
    prediction = _prediction(body)
    items, scores = prediction.get("items"), prediction.get("scores")
    source = prediction.get("source")
    if source != "model":
        if source in FALLBACKS:
            raise FallbackAnsweredError(f"source is {source}, not model: a fallback answered")
        raise ValueError(f"source is {json_type(source)}, not model")
    if not isinstance(items, list):
        raise ValueError(f"items is {json_type(items)}, not an array")
    if not items:
        raise ValueError("items is empty")
    wanted, expected = TYPES[kind]
    for i, item in enumerate(items):
        if not isinstance(item, wanted) or isinstance(item, bool):
            raise ValueError(f"items[{i}] is {json_type(item)}, not {expected}")
    if len(set(items)) != len(items):
        raise ValueError("items contains an item twice")
    _check_scores(scores, len(items))
    return items


def _check_scores(scores: object, wanted: int) -> None:
    if not isinstance(scores, list):
        raise ValueError(f"scores is {json_type(scores)}, not an array")
    if len(scores) != wanted:
        raise ValueError(f"scores has {len(scores)} values for {wanted} items")
    for i, score in enumerate(scores):
        if isinstance(score, bool) or not isinstance(score, int | float):
            raise ValueError(f"scores[{i}] is {json_type(score)}, not a number")
        if isinstance(score, float) and not math.isfinite(score):
            raise ValueError(f"scores[{i}] is {score}, not finite")
        if not 0 <= score <= 1:
            raise ValueError(f"scores[{i}] is not within 0 and 1")


def _prediction(body: bytes) -> dict[str, Any]:
    answer = value_of(body, "the response is not JSON: invalid")
    predictions = answer.get("predictions") if isinstance(answer, dict) else None
    if not isinstance(predictions, list):
        raise ValueError(f"predictions is {json_type(predictions)}, not an array of one")
    if len(predictions) != 1:
        raise ValueError(f"predictions has {len(predictions)} entries, not one")
    if not isinstance(predictions[0], dict):
        raise ValueError(f"predictions[0] is {json_type(predictions[0])}, not an object")
    return predictions[0]
