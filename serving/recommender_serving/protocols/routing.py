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
from recommender_serving.forwarding.forwarder import Errand
from recommender_serving.forwarding.http_peer import Response
from recommender_serving.inference import inference_pb2 as pb
from recommender_serving.monitoring import calls
from recommender_serving.protocols import rivals, v2_json, v2_proto
from recommender_serving.protocols.asked import Asked, Given, by_version, marked, merged
from recommender_serving.protocols.calls import InferCall
from recommender_serving.protocols.passing import (
    INFER,
    JSON,
    PREDICT,
    RAW,
    id_header,
    part_of,
    predictions_of,
)
from recommender_serving.protocols.service import Service


@dataclass(frozen=True, slots=True)
class Replied:
    """An encoded answer of v2 over REST; `size` is that of the JSON before raw contents."""

    content: bytes
    size: int | None
    id: str
    version: str
    source: str


async def predict(service: Service, body: object, given: Given) -> list[dict[str, Any]]:
    """Return the predictions of a v1 body, already decoded from JSON, in order.

    Raises:
        InvalidRequest: the body violates the schema, for this version.
    """
    asked = service.ask_v1(body, given)
    places = by_version(asked)
    bodies = {version: part_of(body, places[version]) for version in places if version is not None}
    lists = rivals.of_v1(service, asked, given, body)
    del body  # the models may take a while
    if not bodies:
        return await service.predictions(asked, given.deadline, lists)

    async def part(version: str | None, at: Sequence[int]) -> list[dict[str, Any]]:
        own: Sequence[Asked] = [asked[place] for place in at]
        found = None
        if version is not None:
            # A part has to say which instances of the call it has, for their ids.
            errand = _errand(given, version, len(own), at if len(asked) > 1 else ())
            own = _marked(own, errand)
            found = await _posted_v1(service, errand, given.id, bodies.pop(version))
            own = _in_place(own, errand)
        if found is not None:
            _note(own)
        return found or await service.predictions(own, given.deadline)

    parts = await asyncio.gather(*(part(version, at) for version, at in places.items()))
    return merged(list(zip(places.values(), parts, strict=True)))


async def infer_rest(service: Service, body: bytes, length: str | None, given: Given) -> Replied:
    """Answer a v2 body; `length` is the header of its binary form.

    Raises:
        InvalidRequest: an input violates the schema, for this version.
    """
    call = v2_json.decode(body, length, given.id)
    asked = _asked_v2(service, call, given)
    if asked.away is not None and service.forwarder is not None:
        headers = id_header(call.id) | (
            {"content-type": JSON}
            if length is None
            else {"content-type": RAW, v2_json.LENGTH_HEADER: length}
        )
        errand = _errand(given, asked.away)
        (asked,) = _marked([asked], errand)
        path = INFER.format(service.name)
        found = await service.forwarder.post(errand, path, headers, body, _reply_of)
        if found is not None:
            _note([asked])
            return found
        (asked,) = _in_place([asked], errand)
    del body  # the models may take a while
    lists = rivals.of_v2(service, asked, given, call)
    reply = await service.reply(call, asked, given.deadline, lists)
    return Replied(*v2_json.encode(reply), reply.id, reply.version, reply.source)


async def infer_grpc(
    service: Service, request: pb.ModelInferRequest, given: Given
) -> pb.ModelInferResponse:
    """Answer a v2 message.

    Raises:
        InvalidRequest: an input violates the schema, for this version.
    """
    call = v2_proto.decode(request)
    asked = _asked_v2(service, call, given)
    if asked.away is not None and service.forwarder is not None:
        request.id = call.id
        errand = _errand(given, asked.away)
        (asked,) = _marked([asked], errand)
        found: pb.ModelInferResponse | None = await service.forwarder.infer(errand, request)
        if found is not None:
            _note([asked])
            return found
        (asked,) = _in_place([asked], errand)
    lists = rivals.of_v2(service, asked, given, call)
    return v2_proto.encode(await service.reply(call, asked, given.deadline, lists))


def _asked_v2(service: Service, call: InferCall, given: Given) -> Asked:
    current = calls.current()
    if current is not None:
        current.request_id = call.id
    return service.ask_v2(call, given)


def _errand(given: Given, version: str, instances: int = 1, places: Sequence[int] = ()) -> Errand:
    assert given.trial is not None
    trial, told = given.trial, given.caller
    return Errand(version, trial, given.deadline, instances, tuple(places), caller=told)


def _marked(asked: Sequence[Asked], errand: Errand) -> list[Asked]:
    """Mark what this version reports if it answers in place of the other one."""
    assert errand.trial is not None
    return marked(asked, errand.trial.own, errand.call, errand.places)


def _in_place(asked: Sequence[Asked], errand: Errand) -> list[Asked]:
    """Note of instances that this version answers why the other one did not."""
    return [each._replace(failed=errand.failed, unserved=errand.unserved) for each in asked]


def _note(answered: Sequence[Asked]) -> None:
    """Note the users whom another version answered; this one notes its own when it answers."""
    current = calls.current()
    if current is not None:
        for each in answered:
            current.asked(each.request.user_id)


async def _posted_v1(
    service: Service, errand: Errand, id_: str, body: bytes
) -> list[dict[str, Any]] | None:
    if service.forwarder is None:
        return None
    headers = {"content-type": JSON} | id_header(id_)
    path, read = PREDICT.format(service.name), partial(predictions_of, errand.instances)
    return await service.forwarder.post(errand, path, headers, body, read)


def _reply_of(response: Response) -> Replied:
    """Return an answer as it came; its version is known to be the right one."""
    headers = response.headers
    length = headers.get(v2_json.LENGTH_HEADER)
    size = None if length is None else int(length)
    names = (headers.get(name, "") for name in (ID_HEADER, VERSION_HEADER, SOURCE_HEADER))
    return Replied(response.body, size, *names)
