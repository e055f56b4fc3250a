"""What two versions report of one request of an experiment counts once."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from recommender_contract.events import BATCH_CONTENT_TYPE, Source
from recommender_serving.domain.types import Answer
from recommender_serving.experiments.assignment import Assignment
from recommender_serving.impressions.collector_client import Receipt, post
from recommender_serving.impressions.impression_events import (
    AnsweredRequest,
    Mark,
    Origin,
    Served,
    bodies,
    shown,
)
from tests import collector_rig
from tests.collector_experiment import ID, phases
from tests.unit.recommender_serving.serving_samples import request

RECEIVER, CANDIDATE = "shop-00000000", "shop-11111111"
MARK = Mark(f"{RECEIVER}/{'0f' * 16}", 0)


def report(
    url: str, version: str, items: list[str], mark: Mark | None, served: Served | None = None
) -> Receipt:
    """Report an answer of this version to a user of the candidate."""
    answer = Answer(tuple(range(len(items))), (0.5,) * len(items), Source.MODEL)
    assignment = Assignment(ID, 0, 100.0, CANDIDATE)
    asked = request(user_text="ada")
    at, of_group = time.time(), None if served is None else 1
    found = shown(
        AnsweredRequest(
            asked,
            answer,
            items,
            "r-1",
            at,
            assignment=assignment,
            mark=mark,
            served=served,
            of_group=of_group,
        ),
        {},
    )
    assert found is not None
    ((_, body),) = bodies([(0, found)], Origin("shop", version, f"{version}/0a"), 10_000)
    return post(url, BATCH_CONTENT_TYPE, body)


@pytest.mark.parametrize(("mark", "answers"), [(MARK, 1), (None, 2)])
async def test_a_late_answer_and_the_one_in_its_place_count_once(
    tmp_path: Path, mark: Mark | None, answers: int
) -> None:
    with collector_rig.running(tmp_path) as rig:
        assert report(rig.url, CANDIDATE, ["tea"], mark) == Receipt(1, 0)
        assert report(rig.url, RECEIVER, ["cup"], mark) == Receipt(1, 0)
        async with httpx.AsyncClient(timeout=60) as client:
            ((arm,),) = [each["arms"] for each in await phases(rig, client)]
    assert (arm["arm"], arm["users"], arm["sums"]["answers"]) == (CANDIDATE, 1, answers)


async def test_a_request_that_is_reported_twice_fails_or_is_slow_once(tmp_path: Path) -> None:
    failed, slow = Served(3.0, 200, failed=True), Served(250.0, 200, failed=False)
    with collector_rig.running(tmp_path) as rig:
        for _ in range(2):
            report(rig.url, RECEIVER, ["cup"], MARK, failed)
        report(rig.url, CANDIDATE, ["tea"], MARK, slow)
        async with httpx.AsyncClient(timeout=60) as client:
            ((arm,),) = [each["arms"] for each in await phases(rig, client)]
    sums = {name: arm["sums"][name] for name in ("requests", "errors", "slow", "shown", "grouped")}
    assert sums == dict.fromkeys(sums, 1)


async def test_an_answer_without_items_counts(tmp_path: Path) -> None:
    with collector_rig.running(tmp_path) as rig:
        assert report(rig.url, CANDIDATE, [], None) == Receipt(1, 0)
        async with httpx.AsyncClient(timeout=60) as client:
            ((arm,),) = [each["arms"] for each in await phases(rig, client)]
        collector_rig.until(lambda: len(rig.archived()) == 1)
    assert (arm["users"], arm["sums"]["answers"]) == (1, 1)
