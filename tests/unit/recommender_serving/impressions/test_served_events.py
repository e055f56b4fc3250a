"""The collector reads of an impression how its request was served."""

from __future__ import annotations

import json

import pytest

from recommender_collector.domain import cloud_events, events
from recommender_collector.domain.batch_validation import validate_batch
from recommender_collector.domain.lines import entry_of
from recommender_contract.events import Source
from recommender_serving.domain.types import NOBODY, Answer
from recommender_serving.experiments.assignment import Assignment
from recommender_serving.impressions.impression_events import (
    AnsweredRequest,
    Mark,
    Origin,
    Served,
    Shown,
    bodies,
    failed,
    shown,
)
from tests.unit.recommender_collector.collector_samples import rules
from tests.unit.recommender_serving.serving_samples import request

AT = 1_795_000_000.25
ASSIGNED = Assignment("0a1b2c3d", 3, 250.0, "shop-1")
ORIGIN = Origin("shop", "shop-1", "shop-1/0f")


def read(found: Shown | None) -> events.Event:
    assert found is not None
    ((_, body),) = bodies([(7, found)], ORIGIN, 10_000)
    batch = validate_batch(json.loads(body), {"shop": rules()}, AT + 1, cloud_events.unwrap)
    assert batch.rejected == []
    event = entry_of(batch.events["shop"].lines.text)
    assert isinstance(event, events.Event)
    return event


@pytest.mark.parametrize(
    ("took", "told"), [(12.3456, 12.3), (0.0, 0), (-0.001, 0), (1e9, 3_600_000)]
)
def test_the_collector_reads_what_a_request_took(took: float, told: float) -> None:
    answer = Answer((1, 2), (0.5, 0.4), Source.MODEL)
    served = Served(took, 200, failed=False)
    answered = AnsweredRequest(request(user_text="ada"), answer, ["a", "b"], "r", AT, ASSIGNED)
    event = read(shown(answered._replace(served=served, of_group=1), {}))
    assert event.served == events.Served(told, 200, False)
    assert event.of_group == 1


def test_the_collector_reads_a_request_that_failed() -> None:
    mark, served = Mark("shop-0/0f", 3), Served(7.0, 200, failed=True)
    found = failed(request(user_text="ada"), "r-1", AT, {}, ASSIGNED, mark, served)
    event = read(found)
    assert event.served == events.Served(7, 200, True)
    assert (event.items, event.path, event.request) == ((), None, "r-1")
    assert event.exposure is not None
    assert event.exposure.arm == "shop-1"
    assert "shop-0/0f" in event.id


def test_a_request_without_a_user_of_the_log_is_not_reported() -> None:
    nobody = request(user_id=NOBODY, session_id="s")
    assert failed(nobody, "r", AT, {}, ASSIGNED, None, Served(1.0, 200, failed=True)) is None


def test_items_of_a_list_that_is_not_reported_whole_are_not_counted() -> None:
    answer = Answer((1, 2), (0.5, 0.4), Source.MODEL)
    found = shown(
        AnsweredRequest(
            request(user_text="ada"),
            answer,
            ["a", "b\n"],
            "r",
            AT,
            assignment=ASSIGNED,
            of_group=1,
        ),
        {},
    )
    assert found is not None
    assert (found.items, found.of_group) == (["a"], None)
