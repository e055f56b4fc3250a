"""Answer a call: instances of this version here, those of another one over there.

Without an answer of the other version, this one answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from recommender_contract.headers import ID_HEADER, SOURCE_HEADER, VERSION_HEADER
from recommender_serving.experiments.forwarder import ForwardedCall
from recommender_serving.experiments.http_peer import Response
from recommender_serving.inference import inference_pb2 as pb
from recommender_serving.monitoring import call_record
from recommender_serving.pipeline import interleaving_client
from recommender_serving.pipeline.forwarded_payloads import (
    INFER,
    JSON,
    PREDICT,
    RAW,
    id_header,
    part_of,
    predictions_of,
)
from recommender_serving.pipeline.request_context import (
    CallContext,
    RequestContext,
    by_version,
    marked,
    merged,
)
from recommender_serving.pipeline.service import Service
from recommender_serving.protocols import v2_json, v2_proto
from recommender_serving.protocols.v2_messages import InferCall


@dataclass(frozen=True, slots=True)
class Replied:
    """An encoded answer of v2 over REST; `size` is that of the JSON before raw contents."""

    content: bytes
    size: int | None
    id: str
    version: str
    source: str


async def predict(service: Service, body: object, call: CallContext) -> list[dict[str, Any]]:
    """Return the predictions of a v1 body, already decoded from JSON, in order.

    Raises:
        InvalidRequest: the body violates the schema, for this version.
    """
    contexts = service.read_v1(body, call)
    if any(each.away is not None for each in contexts):
        places = by_version(contexts)
        bodies = {each: part_of(body, places[each]) for each in places if each is not None}
        del body  # the models may take a while
        return await _predict_in_parts(service, contexts, call, bodies)
    lists = interleaving_client.candidate_lists_v1(service, contexts, call, body)
    del body  # the models may take a while
    return await service.predictions(contexts, call.deadline, lists)


async def _predict_in_parts(
    service: Service,
    contexts: Sequence[RequestContext],
    call: CallContext,
    bodies: dict[str, bytes],
) -> list[dict[str, Any]]:
    """Ask the other versions for the requests of their users; an experiment mixes no lists."""
    places = by_version(contexts)

    async def part(version: str | None, at: Sequence[int]) -> list[dict[str, Any]]:
        own: Sequence[RequestContext] = [contexts[place] for place in at]
        found = None
        if version is not None:
            # A part has to say which instances of the call it has, for their ids.
            forwarded = _forwarded_call(call, version, len(own), at if len(contexts) > 1 else ())
            own = _marked(own, forwarded)
            found = await _posted_v1(service, forwarded, call.id, bodies.pop(version))
            own = _in_place(own, forwarded)
        if found is not None:
            _note(own)
        return found or await service.predictions(own, call.deadline)

    parts = await asyncio.gather(*(part(version, at) for version, at in places.items()))
    return merged(list(zip(places.values(), parts, strict=True)))


async def infer_rest(
    service: Service, body: bytes, length: str | None, call: CallContext
) -> Replied:
    """Answer a v2 body; `length` is the header of its binary form.

    Raises:
        InvalidRequest: an input violates the schema, for this version.
    """
    message = v2_json.decode(body, length, call.id)
    context = _read_v2(service, message, call)
    if context.away is not None and service.forwarder is not None:
        headers = id_header(message.id) | (
            {"content-type": JSON}
            if length is None
            else {"content-type": RAW, v2_json.LENGTH_HEADER: length}
        )
        forwarded = _forwarded_call(call, context.away)
        (context,) = _marked([context], forwarded)
        path = INFER.format(service.name)
        found = await service.forwarder.post(forwarded, path, headers, body, _reply_of)
        if found is not None:
            _note([context])
            return found
        (context,) = _in_place([context], forwarded)
    del body  # the models may take a while
    lists = interleaving_client.candidate_lists_v2(service, context, call, message)
    reply = await service.reply(message, context, call.deadline, lists)
    return Replied(*v2_json.encode(reply), reply.id, reply.version, reply.source)


async def infer_grpc(
    service: Service, request: pb.ModelInferRequest, call: CallContext
) -> pb.ModelInferResponse:
    """Answer a v2 message.

    Raises:
        InvalidRequest: an input violates the schema, for this version.
    """
    message = v2_proto.decode(request)
    context = _read_v2(service, message, call)
    if context.away is not None and service.forwarder is not None:
        request.id = message.id
        forwarded = _forwarded_call(call, context.away)
        (context,) = _marked([context], forwarded)
        found: pb.ModelInferResponse | None = await service.forwarder.infer(forwarded, request)
        if found is not None:
            _note([context])
            return found
        (context,) = _in_place([context], forwarded)
    lists = interleaving_client.candidate_lists_v2(service, context, call, message)
    return v2_proto.encode(await service.reply(message, context, call.deadline, lists))


def _read_v2(service: Service, message: InferCall, call: CallContext) -> RequestContext:
    current = call_record.current()
    if current is not None:
        current.request_id = message.id
    return service.read_v2(message, call)


def _forwarded_call(
    call: CallContext, version: str, instances: int = 1, places: Sequence[int] = ()
) -> ForwardedCall:
    assert call.trial is not None
    trial, caller = call.trial, call.caller
    return ForwardedCall(version, trial, call.deadline, instances, tuple(places), caller=caller)


def _marked(contexts: Sequence[RequestContext], forwarded: ForwardedCall) -> list[RequestContext]:
    """Mark what this version reports if it answers in place of the other one."""
    assert forwarded.trial is not None
    return marked(contexts, forwarded.trial.own, forwarded.call, forwarded.places)


def _in_place(
    contexts: Sequence[RequestContext], forwarded: ForwardedCall
) -> list[RequestContext]:
    """Note of instances that this version answers why the other one did not."""
    return [
        each._replace(failed=forwarded.failed, unserved=forwarded.unserved) for each in contexts
    ]


def _note(answered: Sequence[RequestContext]) -> None:
    """Note the users whom another version answered; this one notes its own when it answers."""
    current = call_record.current()
    if current is not None:
        for each in answered:
            current.asked(each.request.user_id)


async def _posted_v1(
    service: Service, forwarded: ForwardedCall, id_: str, body: bytes
) -> list[dict[str, Any]] | None:
    if service.forwarder is None:
        return None
    headers = {"content-type": JSON} | id_header(id_)
    path, read = PREDICT.format(service.name), partial(predictions_of, forwarded.instances)
    return await service.forwarder.post(forwarded, path, headers, body, read)


def _reply_of(response: Response) -> Replied:
    """Return an answer as it came; its version is known to be the right one."""
    headers = response.headers
    length = headers.get(v2_json.LENGTH_HEADER)
    size = None if length is None else int(length)
    names = (headers.get(name, "") for name in (ID_HEADER, VERSION_HEADER, SOURCE_HEADER))
    return Replied(response.body, size, *names)
