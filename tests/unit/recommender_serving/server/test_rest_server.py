"""What callers of REST see: answers, and errors that say what to do."""

from __future__ import annotations

import asyncio
import json
import math
import struct
from pathlib import Path
from typing import Any

import pytest

from recommender_serving.domain.types import Ranking
from tests.unit.recommender_serving.serving_fakes import PLAIN, HangingRanker, Parts, giving
from tests.unit.recommender_serving.serving_served import Served

PREDICT = "/v1/models/recommender:predict"
INFER = "/v2/models/recommender/infer"


def v2(**tensors: Any) -> dict[str, Any]:
    """A v2 body of name=(datatype, values)."""
    inputs = [
        {"name": name, "datatype": datatype, "shape": [len(values)], "data": values}
        for name, (datatype, values) in tensors.items()
    ]
    return {"id": "7", "inputs": inputs}


async def test_v1_answers_every_instance(served: Served) -> None:
    body = {"instances": [{"user_id": 1, "top_n": 2}, {"user_id": 2, "top_n": 1}]}
    answer = await served.http.post(PREDICT, json=body, headers={"x-request-id": "page-7"})
    assert answer.status_code == 200
    shared = {"score_kind": "probability", "source": "model", "version": "movies-1"}
    assert answer.json() == {
        "predictions": [
            {"items": [1, 2], "scores": [0.9, 0.8], "request_id": "page-7-0", **shared},
            {"items": [1], "scores": [0.9], "request_id": "page-7-1", **shared},
        ]
    }
    assert answer.headers["x-recommender-version"] == "movies-1"
    assert answer.headers["x-recommender-source"] == "model"
    assert answer.headers["x-request-id"] == "page-7"
    assert served.count("ok") == 2


async def test_a_deadline_is_kept_by_a_fallback(tmp_path: Path) -> None:
    slow = Parts(tmp_path, HangingRanker(), giving(PLAIN), timeout=600)
    served = await Served.opened(tmp_path, slow)
    async with served.http:
        for path, body in (
            (PREDICT, {"instances": [{"user_id": 1}]}),
            (INFER, v2(user_id=("INT64", [1]))),
        ):
            async with asyncio.timeout(60):
                answer = await served.http.post(path, json=body, headers={"x-deadline-ms": "200"})
            assert answer.headers["x-recommender-source"] == "baseline"
    assert served.count("ok") == 2


@pytest.mark.parametrize("given", ["0", "60001", "-1", "1.5", "", "soon", "1" * 20, "٣"])
async def test_a_deadline_that_is_none_is_refused(served: Served, given: str) -> None:
    headers = [(b"x-deadline-ms", given.encode())]
    answer = await served.http.post(PREDICT, json={"instances": [{"user_id": 1}]}, headers=headers)
    assert answer.status_code == 400
    assert "x-deadline-ms: got " in answer.json()["error"]
    assert "give whole milliseconds from 1 to 60000" in answer.json()["error"]
    assert served.count("invalid") == 1


async def test_an_answer_by_popularity_says_what_its_scores_are(tmp_path: Path) -> None:
    nothing = giving(Ranking((), ()))
    served = await Served.opened(tmp_path, Parts(tmp_path, nothing, nothing))
    async with served.http:
        answer = await served.http.post(PREDICT, json={"instances": [{"user_id": 1}]})
    (prediction,) = answer.json()["predictions"]
    assert (prediction["source"], prediction["score_kind"]) == ("popularity", "popularity")


@pytest.mark.parametrize("given", [None, "", "two words", "x" * 129, "é"])
async def test_a_request_without_an_id_of_use_gets_one(served: Served, given: str | None) -> None:
    headers = [] if given is None else [(b"x-request-id", given.encode("latin-1"))]
    ids = set()
    for _ in range(2):
        answer = await served.http.post(
            PREDICT, json={"instances": [{"user_id": 1}]}, headers=headers
        )
        (prediction,) = answer.json()["predictions"]
        assert answer.headers["x-request-id"] == prediction["request_id"] != given
        ids.add(prediction["request_id"])
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("own", "header", "expected"),
    [("7", "8", "7"), (None, "8", "8"), ("", "8", "8"), ("日本\n", "8", "日本\n")],
)
async def test_the_id_of_a_v2_body_comes_before_that_of_the_header(
    served: Served, own: str | None, header: str, expected: str
) -> None:
    body = v2(user_id=("INT64", [1])) | {"id": own}
    answer = await served.http.post(INFER, json=body, headers={"x-request-id": header})
    assert answer.json()["id"] == expected
    told = answer.headers.get("x-request-id")
    assert told == (expected if expected.isascii() else None)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "text/plain", "", "x"])
async def test_v1_takes_json_under_any_content_type(served: Served, kind: str) -> None:
    answer = await served.http.post(
        PREDICT, content=b'{"instances": [{"user_id": 1}]}', headers={"content-type": kind}
    )
    assert answer.status_code == 200


async def test_v2_answers_with_the_tensors_of_the_contract(served: Served) -> None:
    answer = await served.http.post(INFER, json=v2(user_id=("INT64", [1]), top_n=("INT64", [2])))
    assert answer.status_code == 200
    body = answer.json()
    assert (body["id"], body["model_name"], body["model_version"]) == (
        "7",
        "recommender",
        "movies-1",
    )
    outputs = {each["name"]: each for each in body["outputs"]}
    found = {
        name: (each["datatype"], each["shape"], each["data"]) for name, each in outputs.items()
    }
    assert found.pop("scores") == ("FP32", [2], pytest.approx([0.9, 0.8]))
    assert found == {
        "item_ids": ("INT64", [2], [1, 2]),
        "source": ("BYTES", [1], ["model"]),
        "version": ("BYTES", [1], ["movies-1"]),
        "score_kind": ("BYTES", [1], ["probability"]),
    }


async def test_v2_takes_features_and_counts_them(served: Served) -> None:
    body = v2(user_id=("INT64", [1]), age=("FP64", [24.5]), gender=("BYTES", ["M"]))
    assert (await served.http.post(INFER, json=body)).status_code == 200
    for feature, place in (("age", "1"), ("gender", "1"), ("occupation", "null")):
        counted = served.parts.value(
            "recommender_feature_values_total", feature=feature, bin=place
        )
        assert counted == 1


async def test_v2_gives_the_outputs_that_are_wanted(served: Served) -> None:
    body = v2(user_id=("INT64", [1])) | {"outputs": [{"name": "scores"}]}
    answer = await served.http.post(INFER, json=body)
    assert [each["name"] for each in answer.json()["outputs"]] == ["scores"]


async def test_v2_describes_its_tensors(served: Served) -> None:
    body = (await served.http.get("/v2/models/recommender")).json()
    assert {"name": "session_values", "datatype": "FP32", "shape": [-1]} in body["inputs"]
    declared = [(each["name"], each["datatype"], each["shape"]) for each in body["inputs"][-3:]]
    assert declared == [
        ("age", "FP64", [1]),
        ("gender", "BYTES", [1]),
        ("occupation", "BYTES", [1]),
    ]
    assert [each["name"] for each in body["outputs"]] == [
        "item_ids",
        "scores",
        "source",
        "version",
        "score_kind",
    ]


BAD_BODIES: list[tuple[str, bytes, str]] = [
    (PREDICT, b"", "the body is not valid JSON: Input is a zero-length, empty document"),
    (PREDICT, b"{", "unexpected"),
    (PREDICT, b"[]", '{"instances"'),
    (PREDICT, b'{"instances": [{"user_id": "x"}]}', "instances[0].user_id: got 'x'; give"),
    (PREDICT, b'{"instances": [{"user_id": 1, "top_n": 99}]}', "from 1 to 20"),
    (PREDICT, b'{"instances": [{"user_id": NaN}]}', "unexpected"),
    (PREDICT, b'{"instances": [{"user_id": 1, "age": 24}]}', "did you mean user.age?"),
    (PREDICT, b'{"instances": [{"user_id": 1, "user": {"age": -1}}]}', "from 0 to 120"),
    (INFER, b"", "body"),
    (INFER, b"{", "body"),
    (INFER, b"[]", "body"),
    (INFER, b'{"inputs": []}', "user_id: got None; give the user id"),
    (INFER, b'{"inputs": [{"name": "user_id"}]}', "body"),
    (INFER, json.dumps(v2(user_id=("INT64", [True]))).encode(), "user_id: got True"),
    (INFER, json.dumps(v2(user_id=("INT32", [1]))).encode(), "send it as INT64"),
    (
        INFER,
        json.dumps(v2(user_id=("INT64", [1])) | {"outputs": [{"name": "ids"}]}).encode(),
        "outputs: got 'ids'; give item_ids",
    ),
    (INFER, json.dumps(v2(user_id=("nonsense", [1]))).encode(), "send it as INT64"),
    (
        INFER,
        json.dumps(
            v2(
                user_id=("INT64", [1]),
                session_items=("INT64", [1]),
                session_values=("FP32", [math.nan]),
            )
        ).encode(),
        "the body is not valid JSON: unexpected character",
    ),
]


@pytest.mark.parametrize(("path", "body", "remedy"), BAD_BODIES)
async def test_a_bad_body_gets_400_with_the_remedy_and_counts_as_invalid(
    served: Served, path: str, body: bytes, remedy: str
) -> None:
    headers = {"content-type": "application/json"}
    answer = await served.http.post(path, content=body, headers=headers)
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]
    assert remedy in answer.json()["error"]
    assert "Traceback" not in answer.text
    assert (served.count("invalid"), served.count("error")) == (1, 0)


async def test_each_instance_of_a_refused_call_counts(served: Served) -> None:
    body = {"instances": [{"user_id": 1}, {"user_id": "x"}]}
    assert (await served.http.post(PREDICT, json=body)).status_code == 400
    assert (served.count("ok"), served.count("invalid")) == (0, 2)


@pytest.mark.parametrize("path", [PREDICT, INFER])
async def test_a_body_beyond_the_bound_is_refused_and_counts_as_invalid(
    served: Served, path: str
) -> None:
    answer = await served.http.post(path, content=b" " * (served.bodies.max_bytes + 1))
    assert answer.status_code == 413
    assert "send a smaller one" in answer.json()["error"]
    assert served.count("invalid") == 1


@pytest.mark.parametrize(
    ("length", "inputs"),
    [("x", b"{}"), ("2", b"{}"), ("9999", b'{"inputs": 1}'), ("2", b"[]"), ("2", b'""')],
)
async def test_a_malformed_binary_v2_body_gets_400(
    served: Served, length: str, inputs: bytes
) -> None:
    headers = {
        "content-type": "application/octet-stream",
        "inference-header-content-length": length,
    }
    answer = await served.http.post(INFER, content=inputs, headers=headers)
    assert answer.status_code == 400
    assert served.count("invalid") == 1


async def test_a_binary_v2_body_is_answered(served: Served) -> None:
    header = json.dumps(
        {
            "inputs": [
                {
                    "name": "user_id",
                    "shape": [1],
                    "datatype": "INT64",
                    "parameters": {"binary_data_size": 8},
                }
            ]
        }
    ).encode()
    headers = {
        "content-type": "application/octet-stream",
        "inference-header-content-length": str(len(header)),
    }
    answer = await served.http.post(INFER, content=header + struct.pack("<q", 5), headers=headers)
    assert answer.status_code == 200
    assert served.count("ok") == 1


@pytest.mark.parametrize("path", [PREDICT, INFER])
async def test_a_bug_gets_500_and_shows_nothing_of_the_inside(served: Served, path: str) -> None:
    served.break_down()
    body = v2(user_id=("INT64", [1])) if path == INFER else {"instances": [{"user_id": 1}]}
    answer = await served.http.post(path, json=body)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "ZeroDivisionError" in answer.json()["error"]


@pytest.mark.parametrize("path", ["/v2/models/recommender/ready", "/v1/models/recommender"])
async def test_the_models_probes_follow_triton_while_requests_are_answered(
    served: Served, path: str
) -> None:
    assert (await served.http.get(path)).status_code == 200
    served.triton_ready = False
    assert (await served.http.get(path)).status_code == 503
    for health in ("/v2/health/live", "/v2/health/ready"):
        assert (await served.http.get(health)).status_code == 200
    for target, body in (
        (PREDICT, {"instances": [{"user_id": 1}]}),
        (INFER, v2(user_id=("INT64", [1]))),
    ):
        assert (await served.http.post(target, json=body)).status_code == 200


async def test_while_draining_probes_fail_and_answers_ask_to_reconnect(served: Served) -> None:
    body = {"instances": [{"user_id": 1}]}
    assert "connection" not in (await served.http.post(PREDICT, json=body)).headers
    served.readiness.drain()
    assert (await served.http.get("/v2/health/ready")).status_code == 503
    answer = await served.http.post(PREDICT, json=body)
    assert answer.status_code == 200
    assert answer.headers["connection"] == "close"


async def test_a_caller_who_leaves_in_the_middle_of_a_body_breaks_nothing(served: Served) -> None:
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: Any) -> None:
        return None

    scope = {
        "type": "http",
        "method": "POST",
        "path": PREDICT,
        "raw_path": PREDICT.encode(),
        "query_string": b"",
        "headers": [],
    }
    await served.app(scope, receive, send)
    assert (served.count("invalid"), served.count("error")) == (0, 0)


@pytest.mark.parametrize("action", ["load", "unload"])
async def test_nobody_can_unload_the_model(served: Served, action: str) -> None:
    answer = await served.http.post(f"/v2/repository/models/recommender/{action}")
    assert answer.status_code == 404
    assert (await served.http.get("/v2/models/recommender/ready")).status_code == 200


async def test_another_model_is_not_found(served: Served) -> None:
    for path in ("/v1/models/other", "/v2/models/other/ready"):
        answer = await served.http.get(path)
        assert answer.status_code == 404
        assert "other" in answer.json()["error"]


@pytest.mark.parametrize("header", ["x-forwarded-for", "Forwarded", "via", "K-Proxy-Request"])
async def test_metrics_are_for_those_who_ask_the_pod_itself(served: Served, header: str) -> None:
    direct = await served.http.get("/metrics")
    assert (direct.status_code, "recommender_requests_total" in direct.text) == (200, True)
    proxied = await served.http.get("/metrics", headers={header: "10.0.0.7"})
    assert (proxied.status_code, "recommender" in proxied.text) == (404, False)
