"""Both clients send events until each is durable or rejected, and say what is not."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest

from recommender_client import (
    AsyncEventClient,
    BadAnswer,
    BadReceipt,
    EventClient,
    InvalidEvents,
    Receipt,
    Retries,
    Undelivered,
    UserEvent,
    events,
)

SOON = Retries(count=2, first=0.001, most=0.001)
ONE = events.click("ada", "tea")
#: Status, body and headers; or a failure of the connection.
Step = tuple[int, Any, dict[str, str]] | Exception
BUSY: Step = (429, {"error": "the store's memory is full"}, {"retry-after": "1"})
GONE: Step = (503, {"error": "the store does not answer"}, {})

kinds = pytest.mark.parametrize("kind", ["blocking", "async"])


def taken(accepted: int = 1, repeated: int = 0, *rejected: int) -> Step:
    told = [
        {"index": index, "id": "e", "field": "item", "error": "item: wrong"} for index in rejected
    ]
    status = 207 if rejected and accepted + repeated else 400 if rejected else 200
    return status, {"accepted": accepted, "repeated": repeated, "rejected": told}, {}


def collector(*steps: Step) -> tuple[Callable[[httpx.Request], httpx.Response], list[Any]]:
    """A collector that takes these steps, and the bodies that it got."""
    got: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url == "http://collector/v1/events"
        assert request.headers["content-type"] == "application/json"
        step = steps[len(got)]
        got.append(json.loads(request.content))
        if isinstance(step, Exception):
            raise step
        status, body, headers = step
        return httpx.Response(status, json=body, headers=headers)

    return answer, got


async def send(
    kind: str,
    answer: Callable[[httpx.Request], httpx.Response],
    sent: Sequence[UserEvent] = (ONE,),
    deadline: float = 20.0,
) -> Receipt:
    url, transport = "http://collector", httpx.MockTransport(answer)
    if kind == "async":
        async with AsyncEventClient(
            url, deadline=deadline, retries=SOON, transport=transport
        ) as client:
            return await client.send(*sent)
    with EventClient(url, deadline=deadline, retries=SOON, transport=transport) as blocking:
        return await asyncio.to_thread(blocking.send, *sent)


@kinds
async def test_events_are_sent_in_one_request(kind: str) -> None:
    answer, got = collector(taken(1, 1))
    two = [ONE, events.search("ada", "tea")]
    assert await send(kind, answer, two) == Receipt(accepted=1, repeated=1)
    assert got == [[each.body() for each in two]]


@kinds
async def test_many_events_are_sent_in_several_requests_and_told_together(kind: str) -> None:
    many = [events.click("ada", number) for number in range(2_001)]
    answer, got = collector(taken(999, 0, 7), taken(1000), taken(0, 1))
    found = await send(kind, answer, many)
    assert (found.accepted, found.repeated) == (1999, 1)
    assert [each.event for each in found.rejected] == [many[7]]
    assert [len(body) for body in got] == [1000, 1000, 1]


@kinds
@pytest.mark.parametrize("accepted", [0, 1])
async def test_rejected_events_are_returned_and_not_sent_again(kind: str, accepted: int) -> None:
    both = [ONE, events.click("ada", "cup")]
    answer, got = collector(taken(accepted, 0, *range(accepted, 2)))
    found = await send(kind, answer, both)
    assert [each.event for each in found.rejected] == both[accepted:]
    assert {(each.field, each.error) for each in found.rejected} == {("item", "item: wrong")}
    assert len(got) == 1


@kinds
@pytest.mark.parametrize("failure", [GONE, httpx.ReadError("reset"), (500, {}, {}), (502, {}, {})])
async def test_what_may_not_be_durable_is_sent_again_with_the_same_ids(
    kind: str, failure: Step
) -> None:
    answer, got = collector(failure, failure, taken(0, 1))
    assert await send(kind, answer) == Receipt(repeated=1)
    assert got == [[ONE.body()]] * 3


@kinds
async def test_a_busy_collector_gets_the_time_that_it_asks_for(kind: str) -> None:
    answer, got = collector(BUSY, taken())
    start = time.monotonic()
    assert await send(kind, answer) == Receipt(accepted=1)
    assert time.monotonic() - start >= 1
    assert len(got) == 2


@kinds
async def test_what_is_not_acknowledged_comes_back_to_be_sent_again(kind: str) -> None:
    many = [events.click("ada", number) for number in range(1_500)]
    answer, _ = collector(taken(1000), GONE, GONE, GONE)
    with pytest.raises(Undelivered, match=r"3 attempts; .* 503: the store does not") as raised:
        await send(kind, answer, many)
    assert raised.value.events == tuple(many[1000:])
    assert raised.value.receipt == Receipt(accepted=1000)


@kinds
async def test_a_wait_beyond_the_deadline_is_not_waited_for(kind: str) -> None:
    answer, got = collector((429, {"error": "full"}, {"retry-after": "600"}))
    start = time.monotonic()
    with pytest.raises(Undelivered):
        await send(kind, answer, deadline=60)
    assert time.monotonic() - start < 60
    assert len(got) == 1


@kinds
@pytest.mark.parametrize(
    ("step", "error"),
    [
        ((400, {"error": "the body is not JSON"}, {}), InvalidEvents),
        ((413, {"error": "too large"}, {}), InvalidEvents),
        ((404, {"error": "not here"}, {}), BadAnswer),
        ((200, {"accepted": 2, "repeated": 0, "rejected": []}, {}), BadAnswer),
        ((200, [], {}), BadAnswer),
        ((207, {"accepted": 0, "repeated": 0, "rejected": [{"index": 5}]}, {}), BadAnswer),
        ((400, [], {}), BadAnswer),
    ],
)
async def test_refusals_and_strange_answers_are_errors(
    kind: str, step: Step, error: type[Exception]
) -> None:
    answer, got = collector(step)
    with pytest.raises(error):
        await send(kind, answer)
    assert len(got) == 1


@kinds
@pytest.mark.parametrize(
    ("step", "error"),
    [((413, {"error": "too large"}, {}), InvalidEvents), ((404, {"error": "?"}, {}), BadReceipt)],
)
async def test_an_error_has_the_receipt_so_far_and_the_events_that_are_left(
    kind: str, step: Step, error: type[InvalidEvents] | type[BadReceipt]
) -> None:
    many = [events.click("ada", number) for number in range(2_001)]
    answer, _ = collector(taken(999, 0, 7), step)
    with pytest.raises(error) as raised:
        await send(kind, answer, many)
    assert raised.value.events == tuple(many[1000:])
    assert raised.value.receipt.accepted == 999
    assert [each.event for each in raised.value.receipt.rejected] == [many[7]]


@kinds
async def test_nothing_to_send_needs_no_collector(kind: str) -> None:
    answer, got = collector()
    assert await send(kind, answer, []) == Receipt()
    assert got == []
