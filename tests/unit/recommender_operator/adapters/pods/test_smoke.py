import contextlib
import datetime
import json
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.ids import IdKind
from recommender_contract.resource.mapping import IdKinds
from recommender_operator.adapters.pods.pod_ref import PodRef
from recommender_operator.adapters.pods.smoke import INTEGERS, HttpSmokeTester, check_answer
from recommender_operator.api.version import Smoke
from tests.unit.recommender_operator.adapters.podserver import (
    Handler,
    answering,
    endless,
    hanging,
    serving,
)

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def body(**changes: object) -> str:
    good = {"items": [5, 9, 2], "scores": [0.9, 0.9, 0.1], "source": "model", "version": "v"}
    return json.dumps({"predictions": [good | changes]})


async def smoked(handler: Handler, timeout: float = 5, ids: IdKinds = INTEGERS) -> Smoke:
    limits = aiohttp.ClientTimeout(total=timeout)
    async with serving(handler) as port, aiohttp.ClientSession(timeout=limits) as session:
        pod = PodRef(name="films-1-abc", ip="127.0.0.1", ready=True)
        return await HttpSmokeTester(session, port=port, pause=0).smoke(pod, NOW, ids)


async def test_a_pod_is_tested_without_and_with_a_session_by_the_contract() -> None:
    seen: list[Any] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        assert (request.method, request.path) == ("POST", "/v1/models/recommender:predict")
        seen.append(json.loads(await request.read()))
        return web.Response(text=body())

    smoke = await smoked(handler)
    assert (smoke.passed, smoke.at) == (True, NOW)
    instances = [request["instances"][0] for request in seen]
    assert [i["user_id"] for i in instances] == [-1, -1]
    assert instances[0]["session"] == []
    assert [event["item"] for event in instances[1]["session"]] == [5, 9]
    assert all(event["timestamp"] < NOW.timestamp() for event in instances[1]["session"])


async def test_a_version_with_text_ids_is_tested_with_texts() -> None:
    seen: list[Any] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append(json.loads(await request.read())["instances"][0])
        return web.Response(text=body(items=["a,b", "日本", "c"]))

    texts = IdKinds(user=IdKind.TEXT, item=IdKind.TEXT)
    assert (await smoked(handler, ids=texts)).passed
    assert [instance["user_id"] for instance in seen] == ["smoke.recommender.dev"] * 2
    assert [event["item"] for event in seen[1]["session"]] == ["a,b", "日本"]
    numbers = await smoked(answering(body()), ids=texts)
    assert not numbers.passed
    assert "items[0] is an integer, not a text" in numbers.message
    texts_for_numbers = await smoked(answering(body(items=["a", "b", "c"])))
    assert "items[0] is a string, not an integer" in texts_for_numbers.message


@pytest.mark.parametrize(("late", "passed"), [(2, True), (3, False)])
async def test_a_model_that_is_late_right_after_its_start_is_asked_again(
    late: int, passed: bool
) -> None:
    asked = 0

    async def handler(request: web.BaseRequest) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(text=body(source="baseline") if asked <= late else body())

    smoke = await smoked(handler)
    assert (smoke.passed, asked) == (passed, late + 2 if passed else late)
    assert passed or "a fallback answered, each of 3 times" in smoke.message


async def test_a_wrong_answer_of_the_model_is_not_asked_for_again() -> None:
    asked = 0

    async def handler(request: web.BaseRequest) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(text=body(items=[]))

    assert (await smoked(handler)).passed is False
    assert asked == 1


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (body(source="popularity"), "source is popularity, not model: a fallback answered"),
        (body(source="SECRET"), "source is a string, not model"),
        (body(items=[]), "items is empty"),
        (body(items="SECRET"), "items is a string, not an array"),
        (body(items=None), "items is null"),
        (body(items=[1, 2.5, 3]), r"items\[1\] is a number, not an integer"),
        (body(items=[1, True, 3]), r"items\[1\] is a boolean"),
        (body(items=[1, "SECRET", 3]), r"items\[1\] is a string"),
        (body(items=[1, 1, 3]), "items contains an item twice"),
        (body(scores=[0.9, 0.1]), "scores has 2 values for 3 items"),
        (body(scores=0.9), "scores is a number, not an array"),
        (body(scores=[0.9, None, 0.1]), r"scores\[1\] is null, not a number"),
        (body(scores=[0.9, {"SECRET": 1}, 0.1]), r"scores\[1\] is an object, not a number"),
        (body(scores=[10**400, 0.2, 0.1]), r"scores\[0\] is not within 0 and 1"),
        (body(scores=[float("nan"), 0.2, 0.1]), r"scores\[0\] is nan, not finite"),
        (body(scores=[float("inf"), 0.2, 0.1]), r"scores\[0\] is inf, not finite"),
        (body(scores=[1.5, 0.2, 0.1]), r"scores\[0\] is not within 0 and 1"),
        (body(scores=[0.2, 0.1, -0.1]), r"scores\[2\] is not within"),
        ("<SECRET>", "the response is not JSON: invalid at character 0"),
        ("[" * 60_000, "the response is not JSON"),
        ('{"predictions": []}', "predictions has 0 entries, not one"),
        ('{"predictions": ["SECRET"]}', r"predictions\[0\] is a string, not an object"),
        ('{"error": "SECRET"}', "predictions is null"),
    ],
)
async def test_a_wrong_answer_is_refused_with_the_field_and_without_its_value(
    answer: str, shown: str
) -> None:
    smoke = await smoked(answering(answer))
    assert not smoke.passed
    with pytest.raises(ValueError, match=shown) as failure:
        check_answer(answer.encode())
    assert str(failure.value) in smoke.message
    assert "without a session" in smoke.message
    assert "SECRET" not in smoke.message


async def test_an_error_that_only_a_session_meets_is_found() -> None:
    async def handler(request: web.BaseRequest) -> web.Response:
        session = json.loads(await request.read())["instances"][0]["session"]
        return web.Response(text=body(items=[]) if session else body())

    smoke = await smoked(handler)
    assert not smoke.passed
    assert "with a session of 2: items is empty" in smoke.message


async def test_a_pod_that_fails_hangs_or_floods_is_a_failed_test_and_no_exception() -> None:
    refused = await smoked(answering('{"error": "still loading"}', 503))
    assert "answered 503 with 26 bytes" in refused.message
    assert "still loading" not in refused.message
    assert "did not answer in 0.2 s" in (await smoked(hanging, timeout=0.2)).message
    assert "more than 65536 bytes" in (await smoked(endless, timeout=30)).message
    async with aiohttp.ClientSession() as session:
        pod = PodRef(name="a", ip="127.0.0.1", ready=True)
        dead = await HttpSmokeTester(session, port=1).smoke(pod, NOW)
        nowhere = await HttpSmokeTester(session).smoke(PodRef(name="a", ip="", ready=False), NOW)
    assert not any(s.passed for s in (refused, dead, nowhere))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
)


@given(items=JSON, scores=JSON, source=st.sampled_from(["model", "model", "baseline", None]))
def test_a_response_passes_only_if_it_meets_the_contract(
    items: object, scores: object, source: object
) -> None:
    answer = body(items=items, scores=scores, source=source).encode()
    with contextlib.suppress(ValueError):
        accepted = check_answer(answer)
        assert source == "model"
        assert accepted == items
        assert isinstance(scores, list)
        assert len(scores) == len(accepted) > 0
        assert all(0 <= s <= 1 for s in scores)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.sets(st.integers(), min_size=20))
def test_every_response_that_meets_the_contract_passes(scores: list[float], ids: set[int]) -> None:
    items = list(ids)[: len(scores)]
    answer = body(items=items, scores=scores)
    assert check_answer(answer.encode()) == items
