"""A Triton whose models rank a list of items, on a real port."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from recommender_serving.inference import inference_pb2 as pb
from tests.fakes.inference import service


def _ranked(items: Sequence[int], request: Any) -> Any:
    """The best items that the session has not, as an exported graph answers."""
    raw = dict(
        zip((each.name for each in request.inputs), request.raw_input_contents, strict=True)
    )
    seen = {number for (number,) in struct.iter_unpack("<q", raw["session_items"])}
    (top_n,) = struct.unpack("<q", raw["top_n"])
    left = [item for item in items if item not in seen][:top_n]
    count = len(left)
    return pb.ModelInferResponse(
        outputs=[
            {"name": "item_ids__0", "datatype": "INT64", "shape": [1, count]},
            {"name": "scores__1", "datatype": "FP32", "shape": [1, count]},
        ],
        raw_output_contents=[
            struct.pack(f"<{count}q", *left),
            struct.pack(f"<{count}f", *(1 / (2 + place) for place in range(count))),
        ],
    )


@contextlib.contextmanager
def ranking_triton(items: Sequence[int]) -> Iterator[str]:
    """Serve for the duration of the context, at the address that it gives."""
    handler = service(
        ModelReady=lambda *_: pb.ModelReadyResponse(ready=True),
        ModelInfer=lambda request, _: _ranked(items, request),
    )
    server = grpc.server(ThreadPoolExecutor(4), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
