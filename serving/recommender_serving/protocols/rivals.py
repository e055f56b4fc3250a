"""Ask the candidate for its lists, to mix them with the own ones (docs/experiments.md).

The own answer is made meanwhile, so a user waits for the candidate only if it is slower, and not
for long (`lists.beside`). Whatever becomes of the candidate, the own answer remains.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import TypeVar

from recommender_contract.events import Source
from recommender_serving.forwarding.forwarder import WAY_BACK, Errand, Forwarder
from recommender_serving.forwarding.http_peer import Response
from recommender_serving.inference import inference_pb2 as pb
from recommender_serving.protocols import v2_proto
from recommender_serving.protocols.asked import Asked, Given
from recommender_serving.protocols.calls import InferCall
from recommender_serving.protocols.lists import Lists, Ranked
from recommender_serving.protocols.passing import JSON, PREDICT, id_header, part_of, predictions_of
from recommender_serving.protocols.service import Service

Found = TypeVar("Found")


def of_v1(service: Service, asked: Sequence[Asked], given: Given, body: object) -> Lists | None:
    """Return what asks for the lists of a valid v1 body; None if none are mixed."""
    places = [place for place, each in enumerate(asked) if each.mixes]
    if not places or service.rivals is None:
        return None
    return _posted(service, service.rivals, given, len(asked), places, part_of(body, places))


def of_v2(service: Service, asked: Asked, given: Given, call: InferCall) -> Lists | None:
    """Return what asks for the list of a valid v2 call; None if none is mixed."""
    if not asked.mixes or service.rivals is None:
        return None
    return _inferred(service, service.rivals, given, call)


async def _posted(
    service: Service,
    rivals: Forwarder,
    given: Given,
    instances: int,
    places: Sequence[int],
    body: bytes,
) -> Sequence[Ranked]:
    headers = {"content-type": JSON} | id_header(given.id)
    read = partial(_lists_of, len(places), service.item_type)
    path = PREDICT.format(service.name)
    asked = rivals.post(_errand(service, given, len(places)), path, headers, body, read)
    found = await _awaited(rivals, len(places), asked)
    by_place = dict(zip(places, found or (), strict=bool(found)))
    return [by_place.get(place) for place in range(instances)]


async def _inferred(
    service: Service, rivals: Forwarder, given: Given, call: InferCall
) -> Sequence[Ranked]:
    message = v2_proto.message_of(call, service.name)
    if message is None:
        return [None]
    response = await _awaited(rivals, 1, rivals.infer(_errand(service, given, 1), message))
    try:
        return [None if response is None else _list_of(response, service.item_type)]
    except ValueError:
        return [None]


async def _awaited(rivals: Forwarder, instances: int, asked: Awaitable[Found]) -> Found:
    try:
        return await asked
    except asyncio.CancelledError:
        rivals.left(instances)
        raise


def _errand(service: Service, given: Given, instances: int) -> Errand:
    assert given.interleaving is not None
    deadline = None if given.deadline is None else given.deadline - WAY_BACK
    candidate, asker = given.interleaving.candidate, service.version
    return Errand(candidate, None, deadline, instances, asker=asker, caller=given.caller)


def _lists_of(count: int, item_type: type, response: Response) -> list[Ranked]:
    """Return the lists of a v1 answer.

    Raises:
        ValueError: it has none, or not so many.
    """
    return [
        _ranked(each.get("items"), each.get("scores"), each["source"], item_type)
        for each in predictions_of(count, response)
    ]


def _list_of(response: pb.ModelInferResponse, item_type: type) -> Ranked:
    found = {each.name: each.contents for each in response.outputs}
    if not {"item_ids", "scores", "source"} <= found.keys():
        raise ValueError("no list")
    ids = found["item_ids"]
    items = list(ids.int64_contents) or [each.decode() for each in ids.bytes_contents]
    source = b"".join(found["source"].bytes_contents).decode()
    return _ranked(items, list(found["scores"].fp32_contents), source, item_type)


def _ranked(items: object, scores: object, source: object, item_type: type) -> Ranked:
    """Return a list; None if a fallback answered: it would not tell the versions apart.

    Raises:
        ValueError: it is no list of different items with their scores.
    """
    if source != Source.MODEL:
        return None
    if not isinstance(items, list) or not isinstance(scores, list) or len(items) != len(scores):
        raise ValueError("no list with scores")
    if not all(type(each) is item_type for each in items) or len(set(items)) < len(items):
        raise ValueError("items are of another type, or twice in the list")
    if not all(type(each) in (int, float) and math.isfinite(each) for each in scores):
        raise ValueError("a score is no number")
    return list(zip(items, map(float, scores), strict=True))
