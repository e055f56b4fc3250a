"""A bug that one instance meets costs no answer: neither its own nor those of its call."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

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
    EXPERIMENT,
    HEADERS,
    INFER,
    OURS,
    RECEIVER,
    THEIRS,
    Version,
    pair,
)

WATCHED = {"x-recommender-experiment": f"{EXPERIMENT};requests=200"}


def popular(version: Version, count: int = 2) -> list[int]:
    """The best items of all users' popularity list."""
    listed = version.served.parts.artifact.popularity.overall
    return [item for item, _ in listed[:count]]


def requests_of(version: Version) -> dict[str, float | None]:
    return {name: version.served.count(name) for name in ("ok", "error")}


async def test_a_v1_call_with_users_of_both_versions_gets_all_answers_if_this_version_has_a_bug(
    tmp_path: Path,
) -> None:
    async with pair(tmp_path) as both:
        both.receiver.served.break_for(OURS[0])
        answer = await predict(both, THEIRS[0], OURS[0], OURS[1], headers=WATCHED)
        assert answer.status_code == 200
        theirs, broken, ours = answer.json()["predictions"]
        assert (theirs["items"], theirs["version"]) == (THEIRS_BEST, CANDIDATE)
        assert (ours["items"], ours["source"]) == (OURS_BEST, "model")
        assert (broken["items"], broken["source"]) == (popular(both.receiver), "popularity")
        assert (broken["version"], broken["arm"]) == (RECEIVER, RECEIVER)
        # What judges the version knows of the bug all the same.
        assert requests_of(both.receiver) == {"ok": 1, "error": 1}
        reported = await both.receiver.desk.reported()
    assert {each["user"]: each["served"]["failed"] for each in reported} == {
        OURS[0]: True, OURS[1]: False,
    }  # fmt: skip


async def test_a_candidate_with_a_bug_answers_its_part_as_this_version_does(
    tmp_path: Path,
) -> None:
    async with pair(tmp_path) as both:
        both.candidate.served.break_for(THEIRS[0])
        answer = await predict(both, THEIRS[0], OURS[0], THEIRS[1], headers=WATCHED)
        broken, ours, theirs = answer.json()["predictions"]
        assert (broken["items"], broken["source"]) == (popular(both.candidate), "popularity")
        assert (broken["version"], theirs["version"]) == (CANDIDATE, CANDIDATE)
        assert (ours["items"], theirs["items"]) == (OURS_BEST, THEIRS_BEST)
        assert both.receiver.forwarded() == {"answered": 2}
        assert both.receiver.disagreed == 0
        assert requests_of(both.candidate) == {"ok": 1, "error": 1}
        reported = await both.candidate.desk.reported()
    assert {each["user"]: each["served"]["failed"] for each in reported} == {
        THEIRS[0]: True, THEIRS[1]: False,
    }  # fmt: skip


async def test_v2_and_grpc_are_answered_despite_a_bug(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        both.receiver.served.break_for(OURS[0])
        rest = await both.receiver.served.http.post(INFER, json=v2(OURS[0]), headers=HEADERS)
        assert rest.status_code == 200
        assert rest.headers["x-recommender-source"] == "popularity"
        found = outputs(await infer(both, OURS[0]))
        assert (found["item_ids"], found["source"]) == (popular(both.receiver), [b"popularity"])
        assert requests_of(both.receiver) == {"ok": 0, "error": 2}


async def test_the_selection_still_holds(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        both.receiver.served.break_for(OURS[0])
        best, *others = popular(both.receiver, 3)
        answer = await predict(both, OURS[0], excluded_items=[best])
        assert answer.json()["predictions"][0]["items"] == others


async def test_an_answer_that_cannot_be_reported_arrives(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with pair(tmp_path) as both:

        def fail(*_: Any) -> Any:
            raise ZeroDivisionError

        both.receiver.desk.impressions.add = fail  # type: ignore[method-assign, assignment]
        with caplog.at_level(logging.ERROR):
            answer = await predict(both, OURS[0], THEIRS[0])
        assert [each["items"] for each in answer.json()["predictions"]] == [OURS_BEST, THEIRS_BEST]
    assert "an answer is not reported" in caplog.text


async def test_the_log_names_the_bug_and_shows_nothing_of_it_to_clients(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with pair(tmp_path) as both:
        both.receiver.served.break_for(OURS[0])
        with caplog.at_level(logging.ERROR):
            answer = await predict(both, OURS[0], OURS[1], headers={"x-request-id": "page-7"})
        assert "secret" not in answer.text
    traced, line = caplog.records
    assert traced.exc_info is not None
    assert line.getMessage() == "answered despite a bug"
    fields = line.__dict__["fields"]
    assert (fields["error"], fields["request_id"]) == ("ZeroDivisionError", "page-7")
