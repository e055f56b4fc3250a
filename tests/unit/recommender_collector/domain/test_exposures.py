"""The part of an experiment in which an impression was."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_collector.domain.checks import InvalidEvent
from recommender_collector.domain.events import Exposure
from recommender_collector.domain.validation import event_of
from tests.unit.recommender_collector.collector_samples import NOW, click, rules

GIVEN = {"experiment": "0a1b2c3d", "phase": 3, "arm": "shop-0a1b2c3d", "cap": 1000}


def shown(**fields: Any) -> dict[str, Any]:
    return {"id": "e1", "kind": "impression", "user": "ada", "item": "tea", **fields}


def test_an_impression_says_experiment_phase_arm_and_cap() -> None:
    exposure = event_of(shown(**GIVEN), rules(), NOW).exposure
    assert exposure == Exposure("0a1b2c3d", 3, "shop-0a1b2c3d", 1000.0)


def test_an_impression_may_say_the_segments_of_its_user() -> None:
    given = GIVEN | {"segments": {"device": "phone", "age": "unknown"}}
    exposure = event_of(shown(**given), rules(), NOW).exposure
    assert exposure is not None
    assert exposure.segments == (("age", "unknown"), ("device", "phone"))


def test_an_impression_outside_experiments_says_none_of_them() -> None:
    assert event_of(shown(), rules(), NOW).exposure is None
    assert event_of(shown(**dict.fromkeys(GIVEN)), rules(), NOW).exposure is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("experiment", "0A1B2C3D"),
        ("experiment", "0a1b2c3"),
        ("experiment", "0a1b2c3d\n"),
        ("experiment", 12345678),
        ("phase", -1),
        ("phase", 100),
        ("phase", 1.0),
        ("phase", True),
        ("arm", ""),
        ("arm", "a" * 81),
        ("arm", " "),
        ("arm", "a "),
        ("arm", "a\n"),
        ("arm", "A"),
        ("arm", 7),
        ("arm", "a b"),
        ("arm", "Shop"),
        ("cap", 0),
        ("cap", -1),
        ("cap", 2e12),
        ("cap", float("nan")),
        ("cap", "10"),
        ("cap", True),
        *((name, None) for name in GIVEN),
        ("segments", []),
        ("segments", {"Device": "phone"}),
        ("segments", {"device": ""}),
        ("segments", {"device": "a" * 65}),
        ("segments", {"device": "a\n"}),
        ("segments", {"device": 3}),
        ("segments", {f"f{n}": "a" for n in range(4)}),
    ],
)
def test_a_part_that_is_wrong_or_missing_is_refused_by_its_name(field: str, value: object) -> None:
    with pytest.raises(InvalidEvent) as error:
        event_of(shown(**{**GIVEN, field: value}), rules(), NOW)
    assert error.value.field == field


def test_only_an_impression_has_them() -> None:
    with pytest.raises(InvalidEvent, match="only an impression") as error:
        event_of(click(**GIVEN), rules(), NOW)
    assert error.value.field == "experiment"
