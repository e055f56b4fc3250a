"""A bad event does not affect the others of its request."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from recommender_collector.domain.batch_validation import FEW, Batch, InvalidBatch, validate_batch
from recommender_collector.domain.cloud_events import unwrap
from recommender_collector.domain.events import Event
from recommender_collector.domain.lines import entry_of
from recommender_contract.events import MAX_EVENTS
from tests.unit.recommender_collector.collector_samples import NOW, click, rules

ONE = {"shop": rules()}
TWO = {"shop": rules(), "news": rules()}


def kept(batch: Batch) -> list[tuple[int, Event]]:
    """The places of the events of the shop, and what a writer reads of them."""
    of = batch.events["shop"]
    found = [(place, entry_of(each.line)) for place, each in zip(of.places, of.lines, strict=True)]
    return [(place, event) for place, event in found if isinstance(event, Event)]


@pytest.mark.parametrize("body", [click(), [click()], {"events": [click()]}])
def test_one_event_a_list_and_an_object_are_accepted(body: object) -> None:
    batch = validate_batch(body, ONE, NOW)
    assert list(batch.events["shop"].places) == [0]
    assert batch.size == 1


def test_a_bad_event_is_rejected_alone_with_its_place_and_id() -> None:
    batch = validate_batch([click(id="a"), click(id="b", user=5), 7, click(id="c")], ONE, NOW)
    assert [(place, event.id) for place, event in kept(batch)] == [(0, "a"), (3, "c")]
    found = [(each.index, each.id, each.field) for each in batch.rejected]
    assert found == [(1, "b", "user"), (2, None, "event")]


def test_events_name_their_model_if_there_are_several() -> None:
    batch = validate_batch(
        [click(model="news"), click(model="shop"), click(), click(model="x")], TWO, NOW
    )
    assert {name: list(found.places) for name, found in batch.events.items()} == {
        "news": [0],
        "shop": [1],
    }
    assert [each.field for each in batch.rejected] == ["model", "model"]
    assert "give one of the declared models: news, shop" in batch.rejected[0].error


@pytest.mark.parametrize("body", [None, "x", 5, [], {"events": 5}, [click()] * (MAX_EVENTS + 1)])
def test_a_body_without_a_usable_list_is_refused(body: Any) -> None:
    with pytest.raises(InvalidBatch, match="event"):
        validate_batch(body, ONE, NOW)


GOOD = {
    "specversion": "1.0", "id": "1", "source": "/web", "type": "dev.recommender.click",
    "data": {"user": "ada", "item": "tea"},
}  # fmt: skip


def test_a_bad_cloud_event_is_rejected_alone() -> None:
    batch = validate_batch([GOOD, {**GOOD, "id": ""}, None], ONE, NOW, unwrap)
    assert [event.id for _, event in kept(batch)] == ["/web 1"]
    assert [each.field for each in batch.rejected] == ["id", "event"]


class Held(dict[str, Any]):
    """An event that can be asked whether it lives."""


@pytest.mark.parametrize("count", [1, 2 * FEW])
@pytest.mark.parametrize("bad", [{"id": ""}, {"type": "dev.recommender.clack"}, {"data": {}}])
def test_nothing_of_a_request_outlives_its_check(bad: dict[str, Any], count: int) -> None:
    gc.disable()  # a cycle would hide until a collection
    try:
        body = [Held({**GOOD, **bad}) for _ in range(count)]
        alive = [weakref.ref(event) for event in body]
        batch = validate_batch(body, ONE, NOW, unwrap)
        del body
        assert len(batch.rejected) == count
        assert [each() for each in alive] == [None] * count
    finally:
        gc.enable()
