"""What is not answered by the other version: failures, and calls outside of experiments."""

from __future__ import annotations

import asyncio
from pathlib import Path

from recommender_serving.inference import inference_pb2 as pb
from tests.unit.recommender_serving.serving_asking import (
    OURS_BEST,
    infer,
    message,
    outputs,
    predict,
    v2,
)
from tests.unit.recommender_serving.serving_fakes import HangingRanker
from tests.unit.recommender_serving.serving_versions import (
    CANDIDATE,
    HEADERS,
    INFER,
    OURS,
    RECEIVER,
    THEIRS,
    pair,
)


async def test_if_the_candidate_fails_the_receiver_answers_and_says_so(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        both.candidate.served.break_down()
        answer = await predict(both, THEIRS[0], OURS[0])
        assert answer.status_code == 200
        theirs, ours = answer.json()["predictions"]
        assert (theirs["version"], theirs["arm"], theirs["items"]) == (
            RECEIVER, CANDIDATE, OURS_BEST,
        )  # fmt: skip
        assert ours["arm"] == RECEIVER
        found = outputs(await infer(both, THEIRS[1]))
        assert (found["version"], found["arm"]) == ([RECEIVER.encode()], [CANDIDATE.encode()])
        body = (
            await both.receiver.served.http.post(INFER, json=v2(THEIRS[2]), headers=HEADERS)
        ).json()
        assert body["model_version"] == RECEIVER
        assert both.receiver.forwarded() == {"failed": 3}
        assert both.receiver.disagreed == 3
        assert both.receiver.value("recommender_requests_total", outcome="ok") == 4
        reported = await both.receiver.desk.reported()
    assert sorted(each["arm"] for each in reported) == [RECEIVER, *[CANDIDATE] * 3]
    assert {each["version"] for each in reported} == {RECEIVER}


async def test_a_request_that_is_invalid_gets_its_error_from_the_receiver(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        answer = await predict(both, OURS[0], THEIRS[0], age=3)
        assert answer.status_code == 400
        assert "instances[1].age" in answer.json()["error"]
        assert both.receiver.forwarded() == {}
        assert both.candidate.served.count("invalid") == 0


async def test_what_the_candidate_alone_refuses_is_answered_by_the_receiver(
    tmp_path: Path,
) -> None:
    async with pair(tmp_path) as both:
        both.candidate.served.service.name = "another"
        answer = await predict(both, THEIRS[0])
        assert answer.json()["predictions"][0]["version"] == RECEIVER
        assert outputs(await infer(both, THEIRS[0]))["version"] == [RECEIVER.encode()]
        assert both.receiver.forwarded() == {"refused": 2}


async def test_a_candidate_that_hangs_leaves_time_for_an_answer_within_the_deadline(
    tmp_path: Path,
) -> None:
    async with pair(tmp_path, HangingRanker, seconds=600) as both:
        async with asyncio.timeout(60):
            answer = await predict(both, THEIRS[0], headers=HEADERS | {"x-deadline-ms": "300"})
            rpc = await both.rpc.ModelInfer(
                message(THEIRS[0]), metadata=tuple(HEADERS.items()), timeout=3
            )
        assert answer.json()["predictions"][0]["arm"] == CANDIDATE
        assert rpc.outputs
    # The candidate may have answered by its own fallback, or was too late.
    assert sum(both.receiver.forwarded().values()) == 2


async def test_without_the_header_nothing_changes(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        headers = {"x-recommender-forwarded": CANDIDATE, "x-recommender-places": "5"}
        (found,) = (await predict(both, THEIRS[0], headers=headers)).json()["predictions"]
        assert (found["version"], "arm" in found) == (RECEIVER, False)
        assert not found["request_id"].endswith("-5")
        answer = await infer(both, THEIRS[0], {}, outputs=[{"name": "arm"}, {"name": "source"}])
        assert set(outputs(answer)) == {"source"}
        for each in await both.receiver.desk.reported():
            assert not set(each) & {"experiment", "phase", "cap", "arm"}


async def test_a_header_that_does_not_parse_changes_nothing_and_is_counted(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        bad = {"x-recommender-experiment": "id=0a1b2c3d;arms=evil.example:0-10000"}
        (found,) = (await predict(both, THEIRS[0], headers=bad)).json()["predictions"]
        assert (found["version"], "arm" in found) == (RECEIVER, False)
        await infer(both, THEIRS[0], bad)
        ignored = both.receiver.value("transformer_experiment_headers_ignored_total")
        assert (ignored, both.receiver.forwarded()) == (2, {})


async def test_a_forwarded_request_is_answered_by_whoever_gets_it(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        headers = HEADERS | {"x-recommender-forwarded": "movies-99999999"}
        ours, theirs = (await predict(both, OURS[0], THEIRS[0], headers=headers)).json()[
            "predictions"
        ]
        assert (ours["version"], ours["arm"]) == (RECEIVER, "movies-99999999")
        assert (theirs["version"], theirs["arm"]) == (RECEIVER, CANDIDATE)
        assert both.receiver.forwarded() == {}
        assert both.receiver.disagreed == 2


async def test_a_client_that_names_a_version_gets_no_other(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        path = f"/v2/models/recommender/versions/{RECEIVER}/infer"
        answer = await both.receiver.served.http.post(path, json=v2(THEIRS[0]), headers=HEADERS)
        assert answer.json()["model_version"] == RECEIVER
        assert "arm" not in {each["name"] for each in answer.json()["outputs"]}
        rpc = await infer(both, THEIRS[0], model_version=RECEIVER)
        assert rpc.model_version == RECEIVER
        assert both.receiver.forwarded() == {}


async def test_probes_and_metadata_are_never_forwarded(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        http = both.receiver.served.http
        for path in ("/v2/health/ready", "/v1/models/recommender", "/v2/models/recommender"):
            assert (await http.get(path, headers=HEADERS)).status_code == 200
        described = (await http.get("/v2/models/recommender", headers=HEADERS)).json()
        assert described["versions"] == [RECEIVER]
        metadata = tuple(HEADERS.items())
        assert (await both.rpc.ServerReady(pb.ServerReadyRequest(), metadata=metadata)).ready
        assert both.receiver.forwarded() == {}
