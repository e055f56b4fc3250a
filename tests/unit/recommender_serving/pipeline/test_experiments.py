"""While an experiment runs, each user is answered by the version that the header says."""

from __future__ import annotations

import struct
from pathlib import Path

import httpx
import jsonschema

from recommender_serving.ranking.answer_cache import Bounds
from tests.unit.recommender_serving.serving_asking import (
    OURS_BEST,
    THEIRS_BEST,
    infer,
    outputs,
    predict,
    v2,
)
from tests.unit.recommender_serving.serving_versions import (
    CANDIDATE,
    HEADERS,
    INFER,
    OURS,
    PREDICT,
    RECEIVER,
    STAMP,
    THEIRS,
    pair,
)


async def test_v1_users_get_the_answer_of_their_version(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        for user, version, items in (
            (OURS[0], RECEIVER, OURS_BEST),
            (THEIRS[0], CANDIDATE, THEIRS_BEST),
        ):
            answer = await predict(both, user)
            assert answer.status_code == 200
            (found,) = answer.json()["predictions"]
            assert (found["items"], found["version"], found["arm"]) == (items, version, version)
            assert answer.headers["x-recommender-version"] == version
            assert answer.headers["x-recommender-source"] == "model"
            assert found["request_id"] == answer.headers["x-request-id"]
            assert "server-timing" not in answer.headers
        assert both.receiver.forwarded() == {"answered": 1}
        assert both.receiver.disagreed == both.candidate.disagreed == 0


async def test_a_v1_call_with_users_of_both_versions_is_answered_in_order(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        users = [THEIRS[0], OURS[0], THEIRS[1], THEIRS[2], OURS[1], THEIRS[3]]
        answer = await predict(both, *users, headers=HEADERS | {"x-request-id": "page-7"})
        found = answer.json()["predictions"]
        assert [each["arm"] for each in found] == [
            CANDIDATE if user in THEIRS else RECEIVER for user in users
        ]
        assert [each["version"] for each in found] == [each["arm"] for each in found]
        assert [each["items"] for each in found] == [
            THEIRS_BEST if user in THEIRS else OURS_BEST for user in users
        ]
        assert [each["request_id"] for each in found] == [f"page-7-{at}" for at in range(6)]
        assert answer.headers["x-recommender-version"] == f"{CANDIDATE},{RECEIVER}"
        assert both.receiver.forwarded() == {"answered": 4}
        # The reports have the ids that the client got, whoever answered.
        shown = {
            each["request"]: (each["user"], each["version"])
            for version in (both.receiver, both.candidate)
            for each in await version.desk.reported()
        }
    assert shown == {
        each["request_id"]: (user, each["version"])
        for user, each in zip(users, found, strict=True)
    }


async def test_a_part_with_one_instance_keeps_its_place(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        answer = await predict(both, OURS[0], THEIRS[0], headers=HEADERS | {"x-request-id": "p"})
        assert [each["request_id"] for each in answer.json()["predictions"]] == ["p-0", "p-1"]
        (shown,) = await both.candidate.desk.reported()
        assert shown["request"] == "p-1"


async def test_v2_json_is_answered_by_the_version_of_the_user(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        for user, version, items in (
            (OURS[0], RECEIVER, OURS_BEST),
            (THEIRS[0], CANDIDATE, THEIRS_BEST),
        ):
            answer = await both.receiver.served.http.post(
                INFER, json=v2(user, id="a-7"), headers=HEADERS
            )
            body = answer.json()
            found = {each["name"]: each["data"] for each in body["outputs"]}
            assert (found["item_ids"], found["version"], found["arm"]) == (
                items, [version], [version],
            )  # fmt: skip
            assert (body["id"], body["model_version"]) == ("a-7", version)
            assert answer.headers["x-recommender-version"] == version
            assert answer.headers["x-request-id"] == "a-7"
            assert answer.headers["content-type"] == "application/json"
        assert both.receiver.forwarded() == {"answered": 1}


async def test_v2_with_raw_contents_is_answered_by_the_version_of_the_user(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        for user, version, items in (
            (OURS[0], RECEIVER, OURS_BEST),
            (THEIRS[0], CANDIDATE, THEIRS_BEST),
        ):
            names = {"user_id": user, "top_n": 2}
            head = httpx.Request(
                "POST",
                "http://x",
                json={
                    "inputs": [
                        {"name": name, "datatype": "INT64", "shape": [1],
                         "parameters": {"binary_data_size": 8}}
                        for name in names
                    ],
                    "outputs": [
                        {"name": "item_ids", "parameters": {"binary_data": True}},
                        {"name": "arm"},
                    ],
                },
            ).content  # fmt: skip
            answer = await both.receiver.served.http.post(
                INFER,
                content=head + struct.pack("<2q", *names.values()),
                headers=HEADERS | {"inference-header-content-length": str(len(head))},
            )
            assert answer.status_code == 200, answer.content
            size = int(answer.headers["inference-header-content-length"])
            assert struct.unpack("<2q", answer.content[size:]) == tuple(items)
            assert version.encode() in answer.content[:size]
            assert answer.headers["content-type"] == "application/octet-stream"
        assert both.receiver.forwarded() == {"answered": 1}


async def test_grpc_is_answered_by_the_version_of_the_user(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        for user, version, items in (
            (OURS[0], RECEIVER, OURS_BEST),
            (THEIRS[0], CANDIDATE, THEIRS_BEST),
        ):
            answer = await infer(both, user, id="a-7")
            found = outputs(answer)
            assert (found["item_ids"], found["arm"]) == (items, [version.encode()])
            assert (answer.id, answer.model_version) == ("a-7", version)
            assert not answer.parameters  # which are between the versions
        assert both.receiver.forwarded() == {"answered": 1}


async def test_forwarded_requests_count_for_the_version_that_answers_alone(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        await predict(both, THEIRS[0], session_id="s")
        await both.receiver.served.http.post(INFER, json=v2(THEIRS[1]), headers=HEADERS)
        await infer(both, THEIRS[2])
        for name, labels in (
            ("recommender_requests_total", {"outcome": "ok"}),
            ("recommender_answers_total", {"source": "model"}),
            ("recommender_request_duration_seconds_count", {}),
            ("recommender_sessions_total", {}),
        ):
            assert both.candidate.value(name, **labels) == 3, name
            assert both.receiver.value(name, **labels) == 0, name
        count = both.receiver.value("transformer_forward_extra_seconds_count")
        assert (both.receiver.forwarded(), count) == ({"answered": 3}, 3)


async def test_reports_say_the_experiment_whoever_answers(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        await predict(both, OURS[0], THEIRS[0])
        await infer(both, THEIRS[1])
        (ours,) = await both.receiver.desk.reported()
        first, second = await both.candidate.desk.reported()
    for each, arm in ((ours, RECEIVER), (first, CANDIDATE), (second, CANDIDATE)):
        assert each | STAMP | {"arm": arm, "version": arm} == each


async def test_answers_of_an_experiment_fit_the_description(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        http = both.receiver.served.http
        document = (await http.get("/openapi.json")).json()
        for path, name, body in (
            (PREDICT, "PredictAnswer", {"instances": [{"user_id": OURS[0]}]}),
            (INFER, "InferAnswer", v2(OURS[0])),
        ):
            answer = (await http.post(path, json=body, headers=HEADERS)).json()
            schema = {"$ref": f"#/components/schemas/{name}", **document}
            jsonschema.validate(answer, schema)


async def test_sessions_without_a_user_are_assigned_by_their_id(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        versions = set()
        for session in map(str, range(40)):
            body = {"instances": [{"seed_items": [3], "session_id": session}]}
            answer = await both.receiver.served.http.post(PREDICT, json=body, headers=HEADERS)
            (found,) = answer.json()["predictions"]
            assert found["version"] == found["arm"]
            versions.add(found["arm"])
        assert versions == {RECEIVER, CANDIDATE}
        anonymous = {"instances": [{"seed_items": [3]}]}
        answer = await both.receiver.served.http.post(PREDICT, json=anonymous, headers=HEADERS)
        (found,) = answer.json()["predictions"]
        assert (found["version"], "arm" in found) == (RECEIVER, False)


async def test_a_cached_answer_gets_the_arm_of_the_request_and_never_crosses_versions(
    tmp_path: Path,
) -> None:
    async with pair(tmp_path, cache=Bounds(seconds=3600, entries=10, bytes=2**20)) as both:
        narrow = {name: text.replace("0-5000", "0-0") for name, text in HEADERS.items()}

        async def told(headers: dict[str, str]) -> tuple[str, str, list[int]]:
            answer = await predict(both, THEIRS[0], headers=headers)
            (found,) = answer.json()["predictions"]
            return found["version"], found["arm"], found["items"]

        before, after = (RECEIVER, RECEIVER, OURS_BEST), (CANDIDATE, CANDIDATE, THEIRS_BEST)
        assert await told(narrow) == before
        assert await told(HEADERS) == after
        assert await told(narrow) == before
        both.candidate.served.break_down()
        assert await told(HEADERS) == (RECEIVER, CANDIDATE, OURS_BEST)
        hits = both.receiver.value("transformer_cache_lookups_total", outcome="hit")
        assert hits == 2
