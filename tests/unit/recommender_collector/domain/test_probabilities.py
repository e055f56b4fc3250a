"""What a model predicted for the items of an impression, and when the label is an outcome."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_collector.domain.checks import InvalidEvent
from recommender_collector.domain.declaration import Outcome
from recommender_collector.domain.validation import Rules, event_of
from recommender_contract.events import Kind
from tests.unit.recommender_collector.collector_samples import MAPPING, NOW, click, model, rules

LABEL = {
    "positiveTypes": [{"type": "purchase", "weight": 5}],
    "attribution": {"impressions": ["impression"], "hours": 24},
}
SHOWN = {"id": "e1", "kind": "impression", "user": "ada", "items": ["tea", "oil"]}


def labelled(**label: Any) -> Rules:
    return rules({**MAPPING, "label": {**LABEL, **label}})


def test_the_probabilities_of_the_first_items_are_kept() -> None:
    event = event_of({**SHOWN, "probabilities": [1, 0.25]}, labelled(), NOW)
    assert event.probabilities == (1.0, 0.25)
    assert event_of({**SHOWN, "probabilities": [0.5]}, labelled(), NOW).probabilities == (0.5,)


def test_they_are_dropped_where_nothing_is_compared_with_them() -> None:
    given = {**SHOWN, "probabilities": [1, 0.25]}
    assert event_of(given, rules(), NOW).probabilities is None
    assert event_of({**SHOWN, "probabilities": []}, labelled(), NOW).probabilities is None


@pytest.mark.parametrize("of", [labelled(), rules()], ids=["label", "none"])
@pytest.mark.parametrize("wrong", [0.5, "1", [1.5], [-0.1], [True], ["1"], [0.1] * 3, [None]])
def test_wrong_probabilities_are_refused_by_name(wrong: object, of: Rules) -> None:
    with pytest.raises(InvalidEvent, match=r"probabilities: got .*first 2 items"):
        event_of({**SHOWN, "probabilities": wrong}, of, NOW)


def test_only_an_impression_has_probabilities() -> None:
    with pytest.raises(InvalidEvent, match="leave them out of a click"):
        event_of(click(probabilities=[0.5]), labelled(), NOW)


def test_a_label_of_impressions_is_an_outcome() -> None:
    of = model({**MAPPING, "label": LABEL})
    assert of.outcome == Outcome(frozenset({Kind.PURCHASE}), 86_400)


@pytest.mark.parametrize(
    "label",
    [
        {"attribution": None},
        {"positiveTypes": None},
        {"positiveTypes": [{"type": "purchase"}, {"type": "subscription"}]},
        {"positiveTypes": [{"type": "impression"}]},
        {"attribution": {"impressions": ["view"], "hours": 24}},
        {"attribution": {"impressions": ["impression"], "hours": 24 * 15}},
    ],
    ids=["no impressions", "values", "of no event", "itself", "of views", "late"],
)
def test_a_label_that_events_do_not_show_is_none(label: dict[str, Any]) -> None:
    assert labelled(**label).model.outcome is None
    assert model().outcome is None
