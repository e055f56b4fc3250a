"""What callers of gRPC see: answers, and statuses that say what to do."""

from __future__ import annotations

import collections
import contextlib
import random
import struct
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from recommender_serving.inference import inference_pb2 as pb
from recommender_serving.server import grpc_server
from tests.unit.recommender_serving.serving_rpc import calling
from tests.unit.recommender_serving.serving_served import Served


@pytest.fixture
async def stub(served: Served) -> AsyncIterator[Any]:
    async with calling(served.service) as (stub, _):
        yield stub


def infer_request(**inputs: tuple[str, bytes]) -> Any:
    return pb.ModelInferRequest(
        model_name="recommender",
        inputs=[
            {"name": name, "datatype": datatype, "shape": [1]}
            for name, (datatype, _) in inputs.items()
        ],
        raw_input_contents=[raw for _, raw in inputs.values()],
    )


async def test_grpc_answers_raw_to_raw(stub: Any) -> None:
    asked = infer_request(
        user_id=("INT64", struct.pack("<q", 5)), top_n=("INT64", struct.pack("<q", 2))
    )
    answer = await stub.ModelInfer(asked)
    raw = dict(
        zip([each.name for each in answer.outputs], answer.raw_output_contents, strict=True)
    )
    assert struct.unpack("<2q", raw["item_ids"]) == (1, 2)
    assert struct.unpack("<2f", raw["scores"]) == pytest.approx((0.9, 0.8))
    assert raw["source"] == struct.pack("<I", 5) + b"model"
    assert raw["version"] == struct.pack("<I", 8) + b"movies-1"


async def test_grpc_answers_typed_contents_too(stub: Any) -> None:
    asked = pb.ModelInferRequest(
        model_name="recommender",
        inputs=[
            {
                "name": "user_id",
                "datatype": "INT64",
                "shape": [1],
                "contents": {"int64_contents": [5]},
            }
        ],
    )
    answer = await stub.ModelInfer(asked)
    assert list(answer.outputs[0].contents.int64_contents) == [1, 2, 3, 4]


async def test_grpc_takes_the_declared_features_and_describes_them(
    served: Served, stub: Any
) -> None:
    asked = infer_request(
        user_id=("INT64", struct.pack("<q", 5)),
        age=("INT32", struct.pack("<i", 24)),
        gender=("BYTES", struct.pack("<I", 1) + b"M"),
    )
    await stub.ModelInfer(asked)
    counted = served.parts.value("recommender_feature_values_total", feature="gender", bin="1")
    assert counted == 1
    told = await stub.ModelMetadata(pb.ModelMetadataRequest(name="recommender"))
    datatypes = {each.name: each.datatype for each in told.inputs}
    assert (datatypes["age"], datatypes["gender"]) == ("FP64", "BYTES")


@pytest.mark.parametrize(
    ("asked", "remedy"),
    [
        (infer_request(user_id=("INT64", b"short")), "user_id: got 5 bytes of raw contents"),
        (infer_request(user_id=("FP32", b"1234")), "send it as INT64"),
        (infer_request(gender=("BYTES", b"\xff\xff\xff\xff")), "gender"),
        (infer_request(user_id=("NONSENSE", b"1")), "user_id: got 1 bytes of raw contents"),
        (infer_request(), "user_id: got None; give the user id"),
    ],
)
async def test_a_bad_grpc_request_is_an_invalid_argument_and_counts(
    served: Served, stub: Any, asked: Any, remedy: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.ModelInfer(asked)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert remedy in (refused.value.details() or "")
    assert (served.count("invalid"), served.count("error")) == (1, 0)


def damaged(message: bytes, chance: random.Random) -> bytes:
    """Return a message with bytes changed, left out, repeated or added."""
    found = bytearray(message)
    for _ in range(chance.randint(1, 4)):
        start, end = sorted(chance.randint(0, len(found)) for _ in range(2))
        found[start:end] = chance.choice(
            (b"", found[start:end] * 2, chance.randbytes(end - start), chance.randbytes(8))
        )
    return bytes(found)


async def test_whatever_bytes_are_sent_a_client_learns_that_its_request_is_wrong(
    served: Served,
) -> None:
    good = infer_request(
        user_id=("INT64", struct.pack("<q", 5)),
        top_n=("INT64", struct.pack("<q", 2)),
        gender=("BYTES", struct.pack("<I", 1) + b"M"),
    ).SerializeToString()
    chance, codes = random.Random(11), collections.Counter[grpc.StatusCode]()
    async with (
        calling(served.service) as (_, port),
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        infer = channel.unary_unary(f"/{grpc_server.NAME}/ModelInfer")  # without a serializer
        for _ in range(500):
            call = infer(damaged(good, chance))
            with contextlib.suppress(grpc.aio.AioRpcError):
                await call
            codes[await call.code()] += 1
    allowed = {
        grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND,
    }  # fmt: skip
    assert set(codes) == allowed, codes
    assert served.count("error") == 0


async def test_grpc_readiness_of_the_model_follows_triton(served: Served, stub: Any) -> None:
    asked = pb.ModelReadyRequest(name="recommender")
    assert (await stub.ModelReady(asked)).ready
    assert (await stub.ServerReady(pb.ServerReadyRequest())).ready
    served.triton_ready = False
    assert not (await stub.ModelReady(asked)).ready
    assert (await stub.ServerReady(pb.ServerReadyRequest())).ready


async def test_grpc_errors_have_their_status(served: Served, stub: Any) -> None:
    async def status(call: Any) -> Any:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call
        return failed.value

    other = await status(stub.ModelReady(pb.ModelReadyRequest(name="other")))
    assert other.code() is grpc.StatusCode.NOT_FOUND
    served.break_down()
    user = infer_request(user_id=("INT64", struct.pack("<q", 5)))
    bug = await status(stub.ModelInfer(user))
    assert bug.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in bug.details()
