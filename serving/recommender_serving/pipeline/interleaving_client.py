"""Ask the candidate for its lists, to mix them with the own ones (docs/interleaving.md).

The own answer is made meanwhile, so a user waits for the candidate only if it is slower, and not
for long (`list_assembly.with_candidate_lists`). Whatever becomes of the candidate, the own answer
remains.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import TypeVar

from recommender_contract.events import Source
from recommender_serving.experiments.forwarder import WAY_BACK, ForwardedCall, Forwarder
from recommender_serving.experiments.http_peer import Response
from recommender_serving.inference import inference_pb2 as pb
from recommender_serving.pipeline.forwarded_payloads import (
    JSON,
    PREDICT,
    id_header,
    part_of,
    predictions_of,
)
from recommender_serving.pipeline.list_assembly import Lists, Ranked
from recommender_serving.pipeline.request_context import CallContext, RequestContext
from recommender_serving.pipeline.service import Service
from recommender_serving.protocols import v2_proto
from recommender_serving.protocols.v2_messages import InferCall

Found = TypeVar("Found")


def candidate_lists_v1(
    service: Service, contexts: Sequence[RequestContext], call: CallContext, body: object
) -> Lists | None:
    """Return a request for the lists of a valid v1 body; None if none are mixed."""
    places = [place for place, each in enumerate(contexts) if each.mixes]
    if not places or service.candidate_forwarder is None:
        return None
    return _posted(
        service, service.candidate_forwarder, call, len(contexts), places, part_of(body, places)
    )


def candidate_lists_v2(
    service: Service, context: RequestContext, call: CallContext, message: InferCall
) -> Lists | None:
    """Return a request for the list of a valid v2 call; None if none is mixed."""
    if not context.mixes or service.candidate_forwarder is None:
        return None
    return _inferred(service, service.candidate_forwarder, call, message)


async def _posted(
    service: Service,
    candidate_forwarder: Forwarder,
    call: CallContext,
    instances: int,
    places: Sequence[int],
    body: bytes,
) -> Sequence[Ranked]:
    headers = {"content-type": JSON} | id_header(call.id)
    read = partial(_lists_of, len(places), service.ids.type)
    path = PREDICT.format(service.name)
    asked = candidate_forwarder.post(
        _forwarded_call(service, call, len(places)), path, headers, body, read
    )
    found = await _awaited(candidate_forwarder, len(places), asked)
    by_place = dict(zip(places, found or (), strict=bool(found)))
    return [by_place.get(place) for place in range(instances)]


async def _inferred(
    service: Service, candidate_forwarder: Forwarder, call: CallContext, decoded: InferCall
) -> Sequence[Ranked]:
    message = v2_proto.message_of(decoded, service.name)
    if message is None:
        return [None]
    response = await _awaited(
        candidate_forwarder,
        1,
        candidate_forwarder.infer(_forwarded_call(service, call, 1), message),
    )
    try:
        return [None if response is None else _list_of(response, service.ids.type)]
    except ValueError:
        return [None]


async def _awaited(
    candidate_forwarder: Forwarder, instances: int, asked: Awaitable[Found]
) -> Found:
    try:
        return await asked
    except asyncio.CancelledError:
        candidate_forwarder.left(instances)
        raise


def _forwarded_call(service: Service, call: CallContext, instances: int) -> ForwardedCall:
    assert call.interleaving is not None
    deadline = None if call.deadline is None else call.deadline - WAY_BACK
    candidate, asker = call.interleaving.candidate, service.version
    return ForwardedCall(candidate, None, deadline, instances, asker=asker, caller=call.caller)


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
