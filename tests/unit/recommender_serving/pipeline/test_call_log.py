"""The line of a call: who reads the log finds the call, and nobody finds its user."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recommender_contract.events import Source
from recommender_runtime.log_lines import JsonFormatter
from recommender_serving.domain.types import NOBODY, FallReason, Forwarded, RankerError, Waited
from recommender_serving.monitoring import call_record, tracing
from recommender_serving.pipeline import call_log
from recommender_serving.pipeline.call_log import CallLog, UserNames
from recommender_serving.protocols import errors
from tests.unit.recommender_serving.serving_fakes import GOOD, PLAIN, Parts, failing, giving
from tests.unit.recommender_serving.serving_served import Served

PREDICT = "/v1/models/recommender:predict"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
USER = 987_654_321


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter({}))
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))

    @property
    def read(self) -> list[dict[str, Any]]:
        return list(map(json.loads, self.texts))


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler = Lines()
    call_log.logger.addHandler(handler)
    level = call_log.logger.level
    yield handler
    call_log.logger.removeHandler(handler)
    call_log.logger.setLevel(level)


def at(level: int) -> None:
    call_log.logger.setLevel(level)


async def test_a_fallback_has_a_line_with_request_trace_user_and_reason(
    tmp_path: Path, lines: Lines
) -> None:
    at(logging.INFO)
    parts = Parts(tmp_path, failing(RankerError(FallReason.EMPTY)), giving(PLAIN))
    parts.chain._on_fall = call_record.noting(parts.metrics.fell, call_record.Call.fell)
    served = await Served.opened(tmp_path, parts)
    body = {"instances": [{"user_id": USER}, {"user_id": 2}]}
    headers = {"x-request-id": "page-7", "traceparent": TRACEPARENT}
    answer = await served.http.post(PREDICT, json=body, headers=headers)
    assert answer.status_code == 200
    (line,) = lines.read
    names = UserNames("salt")
    assert line["level"] == "WARNING"
    assert line["message"] == "fallback answered"
    assert (line["request_id"], line["trace_id"]) == ("page-7", TRACE)
    assert (line["protocol"], line["instances"]) == ("v1", 2)
    assert line["sources"] == ["baseline"]
    assert line["falls"] == ["model: empty"]
    assert len(set(line["users"])) == 2
    assert len(line["users"][0]) == len(names(USER)) == 16


async def test_usual_answers_and_refusals_have_lines_only_at_debug(
    tmp_path: Path, lines: Lines
) -> None:
    served = await Served.opened(tmp_path)
    sent = (
        (PREDICT, {"instances": [{"user_id": USER}]}),
        ("/v2/models/recommender/infer", {"id": "v2-id", "inputs": [
            {"name": "user_id", "datatype": "INT64", "shape": [1], "data": [USER]}]}),
        (PREDICT, {"instances": [{"user_id": f"{USER}"}]}),
    )  # fmt: skip
    for level, count in ((logging.INFO, 0), (logging.DEBUG, 3)):
        at(level)
        for path, body in sent:
            await served.http.post(path, json=body)
        assert len(lines.texts) == count
    assert [line["message"] for line in lines.read] == ["answered", "answered", "request refused"]
    assert lines.read[1]["request_id"] == "v2-id"
    assert lines.read[2]["error"] == "InvalidRequest"
    # Neither as a number nor within the text of an error.
    assert not any(str(USER) in text for text in lines.texts)


async def test_a_bug_has_a_line_of_an_error(tmp_path: Path, lines: Lines) -> None:
    at(logging.INFO)
    served = await Served.opened(tmp_path)
    served.break_down()
    await served.http.post(PREDICT, json={"instances": [{"user_id": USER}]})
    (line,) = lines.read
    assert (line["level"], line["message"]) == ("ERROR", "request failed")
    assert line["error"] == "ZeroDivisionError"


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (errors.Busy("full"), logging.WARNING),
        (errors.TooLarge("large"), logging.DEBUG),
        (asyncio.CancelledError(), logging.DEBUG),
        (KeyError("x"), logging.ERROR),
    ],
)
def test_what_the_server_did_wrong_is_louder_than_what_a_client_did(
    error: BaseException, level: int
) -> None:
    assert call_log.outcome(call_record.Call("v1"), error)[0] == level


def test_the_slowest_call_of_each_stage_is_in_the_line(lines: Lines) -> None:
    at(logging.DEBUG)
    ticks = iter((10.0, 10.5))
    waited = call_record.noting(lambda stage, seconds: None, call_record.Call.waited)
    with CallLog(clock=lambda: next(ticks)).call("grpc") as call:
        call.answered(Source.MODEL)
        waited(Waited.MODEL, 0.2)
        waited(Waited.MODEL, 0.1)
        waited(Waited.STORE, 0.001)
    waited(Waited.STORE, 9.0)  # of no call
    (line,) = lines.read
    assert line["stages"] == {"model": 0.2, "store": 0.001}
    assert line["seconds"] == 0.5


@pytest.mark.parametrize(
    ("outcome", "level", "message"),
    [
        (Forwarded.ANSWERED, "DEBUG", "answered"),
        (Forwarded.FAILED, "WARNING", "forward failed"),
        (Forwarded.OPEN, "WARNING", "forward failed"),
    ],
)
def test_a_call_says_what_became_of_its_forward(
    lines: Lines, outcome: Forwarded, level: str, message: str
) -> None:
    at(logging.DEBUG)
    with CallLog().call("grpc") as call:
        call.sent("movies-11111111", outcome)
    (line,) = lines.read
    assert (line["level"], line["message"]) == (level, message)
    assert line["forwards"] == [f"movies-11111111: {outcome}"]


def test_a_user_has_another_name_with_another_salt_and_without_one_at_each_start() -> None:
    assert UserNames("a")(USER) == UserNames("a")(USER)
    assert UserNames("a")(USER) != UserNames("b")(USER)
    assert UserNames()(USER) != UserNames()(USER)
    assert UserNames("a")(NOBODY) == "nobody"


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "x" * 100_000,
        TRACEPARENT.upper(),
        TRACEPARENT + "\n",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
    ],
)
def test_what_is_no_traceparent_is_left_out(given: str | None) -> None:
    assert tracing.traceparent_of(given) is None


async def test_calls_that_run_together_are_told_apart(tmp_path: Path, lines: Lines) -> None:
    at(logging.DEBUG)
    served = await Served.opened(tmp_path, Parts(tmp_path, giving(GOOD), giving(PLAIN)))
    await asyncio.gather(
        *(
            served.http.post(
                PREDICT,
                json={"instances": [{"user_id": 1}] * count},
                headers={"x-request-id": f"with-{count}"},
            )
            for count in range(1, 9)
        )
    )
    assert {line["request_id"]: line["instances"] for line in lines.read} == {
        f"with-{count}": count for count in range(1, 9)
    }
