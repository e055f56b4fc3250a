"""Send the copies of answered calls, in the form of each protocol."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial

from recommender_serving.inference import inference_pb2 as pb
from recommender_serving.pipeline.forwarded_payloads import INFER, JSON, PREDICT, RAW, id_header
from recommender_serving.pipeline.request_context import CallContext
from recommender_serving.pipeline.service import Service
from recommender_serving.protocols import v2_json


@contextlib.contextmanager
def keeping_body(service: Service, call: CallContext) -> Iterator[Callable[[bytes], bytes]]:
    """Yield a function that returns a body, and keeps it if it will be copied and there is room.

    It is dropped if the call fails, or its client leaves.
    """
    mirror, copy = service.mirror, call.copy
    if mirror is None or copy is None:
        yield bytes  # the same object
        return
    try:
        yield partial(mirror.keep, copy)
    except BaseException:
        mirror.drop(copy)
        raise


def mirror_v1(service: Service, call: CallContext, instances: int) -> None:
    """Send the copy of an answered v1 call, if there is one."""
    if call.copy is not None and service.mirror is not None:
        headers = {"content-type": JSON} | id_header(call.id)
        service.mirror.post(call.copy, PREDICT.format(service.name), headers, instances)


def mirror_v2(service: Service, call: CallContext, length: str | None) -> None:
    """Send the copy of an answered v2 call; `length` is the header of its binary form."""
    if call.copy is not None and service.mirror is not None:
        form = {"content-type": JSON}
        if length is not None:
            form = {"content-type": RAW, v2_json.LENGTH_HEADER: length}
        path = INFER.format(service.name)
        service.mirror.post(call.copy, path, form | id_header(call.id))


def mirror_grpc(service: Service, call: CallContext, request: pb.ModelInferRequest) -> None:
    """Send the copy of an answered call, if there is one."""
    if call.copy is not None and service.mirror is not None:
        service.mirror.infer(call.copy, request)
