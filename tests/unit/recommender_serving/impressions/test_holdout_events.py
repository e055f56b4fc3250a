"""The collector reads of an impression which group its user is in."""

from __future__ import annotations

import json

import pytest

from recommender_collector.domain import cloud_events
from recommender_collector.domain.batch_validation import validate_batch
from recommender_collector.domain.events import Event, Exposure
from recommender_collector.domain.lines import entry_of
from recommender_contract.events import HELD, OTHERS, Source
from recommender_serving.domain.types import Answer
from recommender_serving.experiments.assignment import Assignment
from recommender_serving.experiments.holdout import Member
from recommender_serving.impressions.impression_events import (
    AnsweredRequest,
    Origin,
    bodies,
    shown,
)
from tests.unit.recommender_collector.collector_samples import rules
from tests.unit.recommender_serving.serving_samples import SHOP, request, vocabulary_of

AT = 1_795_000_000.25
ASSIGNED = Assignment("0a1b2c3d", 3, 250.0, "shop-1")


@pytest.mark.parametrize("items", [(1, 2), ()], ids=["items", "no items"])
@pytest.mark.parametrize(
    ("group", "assignment"), [(HELD, None), (OTHERS, None), (OTHERS, ASSIGNED)]
)
def test_the_collector_reads_the_group_of_a_user(
    group: str, assignment: Assignment | None, items: tuple[int, ...]
) -> None:
    answer = Answer(items, tuple(0.5 for _ in items), Source.BASELINE)
    found = shown(
        AnsweredRequest(
            request(user_text="ada"),
            answer,
            [str(item) for item in items],
            "r-1",
            AT,
            assignment=assignment,
            mark=None,
            pool=(),
            member=Member("5c0ffee5", group, 500.0),
        ),
        vocabulary_of(SHOP).features,
    )
    assert found is not None
    ((_, body),) = bodies([(7, found)], Origin("shop", "shop-1", "shop-1/0f"), 10_000)
    batch = validate_batch(json.loads(body), {"shop": rules()}, AT + 1, cloud_events.unwrap)
    assert batch.rejected == []
    event = entry_of(batch.events["shop"].lines.text)
    assert isinstance(event, Event)
    assert event.holdout == Exposure("5c0ffee5", 0, group, 500.0)
    assert (event.exposure is None) is (assignment is None)
    assert event.path == "baseline"
