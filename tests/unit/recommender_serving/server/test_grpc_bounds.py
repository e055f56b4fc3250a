"""gRPC clients that stall or flood hold neither memory nor calls for long."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path
from typing import Any

import grpc
import pytest

from recommender_serving.inference import inference_pb2 as pb
from recommender_serving.server.grpc_server import NAME, Bounds
from tests.unit.recommender_serving.serving_fakes import PLAIN, HangingRanker, Parts, giving
from tests.unit.recommender_serving.serving_rpc import calling
from tests.unit.recommender_serving.serving_served import Served

SETTINGS, HEADERS, DATA = 4, 1, 0
ASKED = pb.ModelInferRequest(
    model_name="recommender",
    inputs=[{"name": "user_id", "datatype": "INT64", "shape": [1]}],
    raw_input_contents=[struct.pack("<q", 5)],
)


def frame(kind: int, payload: bytes, stream: int, flags: int = 0) -> bytes:
    """A frame of HTTP/2 (RFC 9113, section 4.1)."""
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags])
    return head + stream.to_bytes(4, "big") + payload


def stalled_call(size: int, sent: int) -> bytes:
    """A call whose message has `size` bytes, of which `sent` follow."""
    fields = {
        ":method": "POST", ":scheme": "http", ":path": f"/{NAME}/ModelInfer", ":authority": "x",
        "te": "trailers", "content-type": "application/grpc",
    }  # fmt: skip
    # Literal fields without indexing and without Huffman code (RFC 7541, section 6.2.2).
    block = b"".join(
        b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in fields.items()
    )
    message = b"\x00" + size.to_bytes(4, "big") + b" " * sent
    return (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        + frame(SETTINGS, b"", 0)
        + frame(HEADERS, block, 1, flags=4)  # the end of the headers, not of the stream
        + frame(DATA, message, 1)
    )


async def test_a_stalled_message_ends_with_a_status(served: Served) -> None:
    async with calling(served.service, Bounds(read_seconds=0.1)) as (stub, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(stalled_call(1000, 10))
        received = b""
        async with asyncio.timeout(60):
            while b"not complete after 0.1 s" not in received:
                part = await reader.read(4096)
                assert part, received
                received += part
        writer.close()
        assert (await stub.ModelInfer(ASKED)).id


async def test_a_message_beyond_the_bound_is_refused(served: Served) -> None:
    async with calling(served.service, Bounds(message_bytes=1000)) as (stub, _):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.ModelInfer(pb.ModelInferRequest(raw_input_contents=[b" " * 2000]))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (await stub.ModelInfer(ASKED)).id


async def test_a_call_without_a_message_is_an_invalid_argument(served: Served) -> None:
    async def nothing() -> Any:
        if NAME == "":
            yield b""

    async with (
        calling(served.service) as (_, port),
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        empty = channel.stream_unary(f"/{NAME}/ModelInfer")
        with pytest.raises(grpc.aio.AioRpcError, match="no message: send one") as refused:
            await empty(nothing())
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_calls_beyond_the_bound_are_refused_and_the_others_answered(
    tmp_path: Path,
) -> None:
    hanging = HangingRanker()
    served = await Served.opened(tmp_path, Parts(tmp_path, hanging, giving(PLAIN), timeout=0.5))
    async with calling(served.service, Bounds(calls=1)) as (stub, _):
        first = asyncio.ensure_future(stub.ModelInfer(ASKED))
        await asyncio.wait_for(hanging.started.wait(), 60)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.ModelInfer(ASKED)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (await first).outputs[0].name == "item_ids"


async def in_time(stub: Any) -> Any:
    """The answer within a short deadline; on a machine that stands still, within a longer one."""
    for seconds in (1.5, 15):
        try:
            return await stub.ModelInfer(ASKED, timeout=seconds)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                raise
    return await stub.ModelInfer(ASKED, timeout=60)


async def test_the_deadline_of_a_call_is_kept_by_a_fallback(tmp_path: Path) -> None:
    parts = Parts(tmp_path, HangingRanker(), giving(PLAIN), timeout=600)
    served = await Served.opened(tmp_path, parts)
    async with calling(served.service) as (stub, _):
        answer = await in_time(stub)
    assert struct.unpack("<3q", answer.raw_output_contents[0]) == PLAIN.items
    assert answer.raw_output_contents[2][4:] == b"baseline"


async def test_a_connection_that_never_speaks_is_closed(served: Served) -> None:
    async with calling(served.service, Bounds(handshake_seconds=0.2)) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(60):
            while await reader.read(4096):
                pass
        writer.close()


async def test_connections_beyond_the_bound_are_closed(served: Served) -> None:
    async with calling(served.service, Bounds(connections=2)) as (stub, port):
        assert (await stub.ModelInfer(ASKED)).id
        greeting = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, b"", 0)
        writers = []
        closed = 0
        for _ in range(4):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(writer)
            writer.write(greeting)
            async with asyncio.timeout(60):
                try:
                    closed += await reader.read(9) == b""
                except ConnectionResetError:
                    closed += 1
        assert closed == 3
        assert (await stub.ModelInfer(ASKED)).id
        for writer in writers:
            writer.close()
