"""KServe's own clients get answers, metadata and readiness, over REST and gRPC.

They run in a process of their own, since KServe's SDK and tritonclient, which other tests import,
cannot share one.
"""

from __future__ import annotations

import asyncio
import json
import sys

from recommender_runtime.connections import Connections
from tests.unit.recommender_serving.serving_rpc import calling
from tests.unit.recommender_serving.serving_served import Served
from tests.unit.recommender_serving.serving_sockets import running

SCRIPT = """
import asyncio, json, sys
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig

NAME = "recommender"
http, grpc = sys.argv[1:]
request = InferRequest(NAME, [InferInput("user_id", [1], "INT64", [5])], request_id="7")

async def v1():
    client = InferenceRESTClient(RESTConfig(protocol="v1", retries=0))
    body = {"instances": [{"user_id": 5}]}
    answer = await client.infer(http, body, model_name=NAME)
    assert await client.is_model_ready(http, NAME)
    assert await client.is_server_live(http)
    return answer["predictions"][0]["items"]

async def v2():
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
    answer = await client.infer(http, request, model_name=NAME)
    assert await client.is_model_ready(http, NAME)
    assert await client.is_server_ready(http) and await client.is_server_live(http)
    assert answer.id == "7"
    return answer.outputs[0].data

async def rpc():
    client = InferenceGRPCClient(grpc, retries=0)
    answer = await client.infer(request)
    assert await client.is_model_ready(NAME)
    assert await client.is_server_ready() and await client.is_server_live()
    assert answer.id == "7"
    return answer.outputs[0].as_numpy().tolist()

async def main():
    print(json.dumps([await v1(), await v2(), await rpc()]))

asyncio.run(main())
"""


async def test_kserves_clients_get_answers(served: Served) -> None:
    async with running(served, Connections()) as site, calling(served.service) as (_, port):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "ignore", "-c", SCRIPT,
            f"http://127.0.0.1:{site.port}", f"127.0.0.1:{port}",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert json.loads(out) == [[1, 2, 3, 4]] * 3
