"""The user whom the Gateway has verified takes the place of the one that a caller names."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import grpc
import pytest

from recommender_contract.ids import IdKind, IdKinds, hashed
from recommender_serving.domain.callers import Verified
from recommender_serving.protocols.errors import InvalidRequest
from recommender_serving.protocols.v1 import parse_v1
from tests.unit.recommender_serving.serving_asking import infer, message, predict, v2
from tests.unit.recommender_serving.serving_callers import HEADER, serving, tensor, to_message
from tests.unit.recommender_serving.serving_parsing import LIMITS
from tests.unit.recommender_serving.serving_samples import (
    NOW,
)
from tests.unit.recommender_serving.serving_versions import HEADERS, INFER, PREDICT, THEIRS, pair


async def test_the_gateways_user_replaces_a_missing_one_in_each_protocol(tmp_path: Path) -> None:
    async with serving(tmp_path, header=HEADER) as (served, rpc):
        headers = {HEADER: "7"}
        noted: list[int] = []
        recommend = served.parts.recommender.recommend

        async def watched(requests: Any, deadline: float | None = None) -> Any:
            noted.extend(each.user_id for each in requests)
            return await recommend(requests, deadline)

        served.parts.recommender.recommend = watched  # type: ignore[method-assign]
        body = {"instances": [{}, {"user_id": 7}]}
        assert (await served.http.post(PREDICT, json=body, headers=headers)).status_code == 200
        inputs = [tensor("top_n", [3])]
        infer_body = {"inputs": inputs}
        assert (await served.http.post(INFER, json=infer_body, headers=headers)).is_success
        await rpc.ModelInfer(to_message(inputs), metadata=((HEADER, "7"),))
        assert noted == [7, 7, 7, 7]


@pytest.mark.parametrize(
    ("told", "user", "said"),
    [
        ("8", 7, f"user_id: got 7; {HEADER} names another user: leave user_id out"),
        (None, 7, "user_id: got 7; no user is verified: send a token"),
        ("7,8", None, f"{HEADER}: got '7,8'; let the Gateway set it once"),
        ("", None, f"{HEADER}: got ''; let the Gateway set it once"),
        ("mallory", None, f"{HEADER}: got 'mallory'; give a whole number"),
        ("9" * 19, None, f"{HEADER}: got 9999999999999999999; give a whole number"),
    ],
)
async def test_another_user_than_the_gateways_is_refused_in_each_protocol(
    tmp_path: Path, told: str | None, user: int | None, said: str
) -> None:
    headers = {} if told is None else {HEADER: told}
    wish = {} if user is None else {"user_id": user}
    async with serving(tmp_path, header=HEADER) as (served, rpc):
        body = {"instances": [{**wish, "seed_items": [1]}]}
        inputs = [tensor(name, [value]) for name, value in wish.items()]
        inputs.append(tensor("seed_items", [1]))
        for path, sent in ((PREDICT, body), (INFER, {"inputs": inputs})):
            answer = await served.http.post(path, json=sent, headers=headers)
            assert answer.status_code == 400
            assert said in answer.json()["error"]
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await rpc.ModelInfer(to_message(inputs), metadata=tuple(headers.items()))
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert said in str(refused.value.details())


async def test_a_second_header_of_the_name_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, header=HEADER) as (served, rpc):
        twice = [(HEADER, "7"), (HEADER, "8")]
        answer = await served.http.post(PREDICT, json={"instances": [{}]}, headers=twice)
        assert answer.status_code == 400
        assert "'7,8'" in answer.json()["error"]
        with pytest.raises(grpc.aio.AioRpcError, match="7,8"):
            await rpc.ModelInfer(message(7), metadata=tuple(twice))


async def test_a_caller_without_a_user_may_ask_by_a_session(tmp_path: Path) -> None:
    async with serving(tmp_path, header=HEADER) as (served, _):
        body = {"instances": [{"session": [{"item": 1}]}]}
        assert (await served.http.post(PREDICT, json=body)).status_code == 200


def test_the_users_of_a_version_with_text_ids_are_texts() -> None:
    limits = dataclasses.replace(LIMITS, ids=IdKinds(IdKind.TEXT, IdKind.INTEGER))
    user = Verified(HEADER, "42")
    for given_id in (None, "42"):
        (found,) = parse_v1({"instances": [{"user_id": given_id}]}, limits, NOW, user)
        assert (found.user_id, found.user_text) == (hashed("42"), "42")
    with pytest.raises(InvalidRequest, match="names another user"):
        parse_v1({"instances": [{"user_id": "042"}]}, limits, NOW, user)


async def test_the_version_of_the_user_in_an_experiment_is_told_the_verified_user(
    tmp_path: Path,
) -> None:
    async with pair(tmp_path) as both:
        for version in (both.receiver, both.candidate):
            service = version.served.service
            service.limits = dataclasses.replace(service.limits, user_header=HEADER)
        user = THEIRS[0]
        headers = HEADERS | {HEADER: str(user)}
        body = {"instances": [{"top_n": 2}]}
        http = both.receiver.served.http
        by_v1 = await http.post(PREDICT, json=body, headers=headers)
        assert by_v1.json()["predictions"][0]["items"] == [21, 22]
        by_v2 = await http.post(INFER, json=v2(user), headers=headers)
        assert by_v2.status_code == 200
        await infer(both, user, headers)
        assert both.receiver.forwarded() == {"answered": 3}
        refused = await predict(both, THEIRS[1], headers=headers)
        assert refused.status_code == 400
