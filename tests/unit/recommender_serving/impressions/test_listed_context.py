"""Lists of a request's context are reported as the collector takes them."""

from __future__ import annotations

from recommender_serving.domain.features import Feature, Kind, Place, Value
from recommender_serving.impressions.events import shown
from tests.unit.recommender_collector.collector_samples import mapping, rules
from tests.unit.recommender_serving.impressions.test_impression_events import ANSWER, AT, read
from tests.unit.recommender_serving.serving_samples import request


def test_the_collector_reads_lists_of_the_context() -> None:
    features = {
        "words": Feature("words", Place.CONTEXT, Kind.MULTI_CATEGORICAL, width=3),
        "query": Feature("query", Place.CONTEXT, Kind.EMBEDDING, width=2),
        "odd": Feature("odd", Place.CONTEXT, Kind.MULTI_CATEGORICAL, width=3),
    }
    said: dict[str, Value] = {
        "words": ("red", "shoes"), "query": (0.5, -2.0), "odd": ("\n", "a"),
    }  # fmt: skip
    found = shown(request(user_text="ada", features=said), ANSWER, ["tea"], "r-1", AT, features)
    declared = [
        {"name": "words", "kind": "MultiCategorical"},
        {"name": "query", "kind": "Embedding", "length": 2},
        {"name": "odd", "kind": "MultiCategorical"},
    ]
    event = read(found, rules(mapping(features=declared)))
    assert event.context == {"words": ["red", "shoes"], "query": [0.5, -2.0]}
