"""Impressions say of numbers and users what the collector cannot see, and nothing else."""

from __future__ import annotations

import json
from typing import Any

from recommender_collector.domain.batch_validation import validate_batch
from recommender_collector.domain.cloud_events import unwrap
from recommender_collector.domain.events import Event
from recommender_collector.domain.lines import entry_of
from recommender_contract.events import Source
from recommender_contract.features import Kind
from recommender_contract.local_calendar import Calendar, LocalCalendar
from recommender_serving.domain.features import Feature, Place
from recommender_serving.domain.types import Answer
from recommender_serving.impressions.impression_events import (
    AnsweredRequest,
    Origin,
    Shown,
    bodies,
    shown,
)
from tests.unit.recommender_collector.collector_samples import MAPPING, rules
from tests.unit.recommender_serving.serving_samples import SHOP, request, vocabulary_of

AT = 1_795_000_000.25
FEATURES = vocabulary_of(SHOP).features
ANSWER = Answer((1,), (0.5,), Source.MODEL)
NAMES = ("spend", "plan", "hour")
ORIGIN = Origin("shop", "shop-1", "shop-1/0f", predicts=True, divided=NAMES)
FAIR = [{"name": name, "kind": "Numeric", "fairness": True} for name in ("spend", "plan")]
OURS = rules(
    {
        **MAPPING,
        "users": {**MAPPING["users"], "features": FAIR},
        "label": {
            "positiveTypes": [{"type": "purchase"}],
            "attribution": {"impressions": ["impression"], "hours": 24},
        },
    }
)


def impression(answer: Answer = ANSWER, **features: Any) -> Shown:
    asked = request(user_text="ada", features=features)
    found = shown(AnsweredRequest(asked, answer, ["tea"], "r-1", AT), FEATURES, NAMES)
    assert found is not None
    return found


def said(found: Shown, origin: Origin = ORIGIN) -> dict[str, str] | None:
    ((_, body),) = bodies([(7, found)], origin, 10_000)
    told: dict[str, str] | None = json.loads(body)[0]["data"].get("labelSegments")
    return told


def test_a_number_is_said_by_its_band_and_a_text_as_it_came() -> None:
    found = impression(spend=20.5, plan="a plan that the version does not know")
    assert said(found) == {
        "spend": "-10.5 to 100", "plan": "a plan that the version does not know",
        "hour": "unknown",
    }  # fmt: skip


def test_a_feature_without_a_value_or_without_bands_is_unknown() -> None:
    assert said(impression(hour=3.0)) == dict.fromkeys(NAMES, "unknown")


def test_a_time_with_a_calendar_has_its_category_as_the_label_segment() -> None:
    month = LocalCalendar(Calendar.MONTH, (), (0,))
    signup = Feature("joined", Place.USER, Kind.TIMESTAMP, calendar=month)
    asked = request(features={"joined": 40.0 * 86_400})
    found = shown(
        AnsweredRequest(asked, ANSWER, ["tea"], "r-1", AT), {"joined": signup}, ("joined",)
    )
    assert found is not None
    assert said(found) == {"joined": "February"}


def test_a_feature_of_a_later_spec_that_the_version_lacks_is_left_out() -> None:
    asked = request(user_text="ada")
    found = shown(AnsweredRequest(asked, ANSWER, ["tea"], "r-1", AT), FEATURES, ("tenure",))
    assert found is not None
    assert said(found) is None


def test_nothing_is_said_where_no_prediction_is() -> None:
    assert said(impression(Answer((1,), (0.5,), Source.POPULARITY), spend=1.0)) is None
    assert said(impression(spend=1.0), ORIGIN._replace(predicts=False)) is None
    asked = request(user_text="ada", features={"spend": 1.0})
    plain = shown(AnsweredRequest(asked, ANSWER, ["tea"], "r-1", AT), FEATURES)
    assert plain is not None
    assert said(plain) is None


def test_the_collector_reads_it() -> None:
    ((_, body),) = bodies([(7, impression(spend=200.0, plan="gold"))], ORIGIN, 10_000)
    batch = validate_batch(json.loads(body), {"shop": OURS}, AT + 1, unwrap)
    assert batch.rejected == []
    event = entry_of(batch.events["shop"].lines.text)
    assert isinstance(event, Event)
    assert event.label_segments == (("plan", "gold"), ("spend", "100+"))
