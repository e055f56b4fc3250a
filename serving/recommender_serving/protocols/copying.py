"""Send the copies of answered calls, in the form of each protocol."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial

from recommender_serving.inference import inference_pb2 as pb
from recommender_serving.protocols import v2_json
from recommender_serving.protocols.asked import Given
from recommender_serving.protocols.passing import INFER, JSON, PREDICT, RAW, id_header
from recommender_serving.protocols.service import Service


@contextlib.contextmanager
def keeping(service: Service, given: Given) -> Iterator[Callable[[bytes], bytes]]:
    """Yield what returns a body, and keeps it if there will be a copy of it, and room.

    It is dropped if the call fails, or its client leaves.
    """
    copies, copy = service.copies, given.copy
    if copies is None or copy is None:
        yield bytes  # the same object
        return
    try:
        yield partial(copies.keep, copy)
    except BaseException:
        copies.drop(copy)
        raise


def after_v1(service: Service, given: Given, instances: int) -> None:
    """Send the copy of an answered v1 call, if there is one."""
    if given.copy is not None and service.copies is not None:
        headers = {"content-type": JSON} | id_header(given.id)
        service.copies.post(given.copy, PREDICT.format(service.name), headers, instances)


def after_v2(service: Service, given: Given, length: str | None) -> None:
    """Send the copy of an answered v2 call; `length` is the header of its binary form."""
    if given.copy is not None and service.copies is not None:
        form = {"content-type": JSON}
        if length is not None:
            form = {"content-type": RAW, v2_json.LENGTH_HEADER: length}
        path = INFER.format(service.name)
        service.copies.post(given.copy, path, form | id_header(given.id))


def after_grpc(service: Service, given: Given, request: pb.ModelInferRequest) -> None:
    """Send the copy of an answered call, if there is one."""
    if given.copy is not None and service.copies is not None:
        service.copies.infer(given.copy, request)
