"""Loss and calibration of single segments: what fires, and what does not."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.analysis import label_drift
from recommender_operator.analysis.label_sums import added, read_days
from recommender_operator.analysis.segment_drift import (
    Segment,
    SegmentVerdict,
    judge,
    read_segments,
)
from recommender_operator.analysis.verdict_outcome import Verdict
from recommender_operator.api.spec import DriftSpec
from tests.unit.recommender_operator.analysis.label_worlds import VERSION, Shop, body
from tests.unit.recommender_operator.analysis.segment_worlds import Crossed, Devices

SPEC = DriftSpec()
PHONE, TABLET, FEW = Shop(users=4500), Shop(users=400), Shop(users=75)
USUAL = Devices({"phone": PHONE, "tablet": TABLET})
#: On tablets, the young now want what the old wanted, and vice versa.
SWAPPED = Devices(
    {"phone": PHONE, "tablet": dataclasses.replace(TABLET, now_young=0.05, now_old=0.2)}
)
DEVICE = Segment("device", "tablet")


def answer(*parts: tuple[Devices, int], seed: int = 1) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return body([day for shops, count in parts for _ in range(count) for day in shops.week(rng)])


def judged(found: dict[str, Any], start: int = 0) -> dict[str, SegmentVerdict]:
    days = read_days(found, VERSION)
    seen = judge(SPEC, days, read_segments(found), start)
    return {str(each.segment): each for each in seen}


def whole(found: dict[str, Any]) -> label_drift.LabelVerdict:
    return label_drift.judge(SPEC, read_days(found, VERSION))


@pytest.mark.parametrize("seed", range(3))
def test_a_drift_in_one_segment_is_seen_there_and_not_over_all_users(seed: int) -> None:
    found = answer((USUAL, 1), (SWAPPED, 3), seed=seed)
    assert (whole(found).verdict, whole(found).breaches_in_a_row) == (Verdict.PASS, 0)
    seen = judged(found)
    assert {name: each.breaches_in_a_row for name, each in seen.items()} == {
        "device=phone": 0, "device=tablet": 3,
    }  # fmt: skip
    tablet = seen["device=tablet"]
    assert tablet.failed
    assert tablet.loss > 1.1 * tablet.reference_loss
    assert tablet.message.startswith(f"device=tablet: log loss {tablet.loss:.4f} against ")
    assert tablet.users == 2800


def test_windows_without_a_drift_hardly_ever_fail() -> None:
    """Ten values of a feature; bench-drift has a thousand windows."""
    shops = Devices({f"d{n}": FEW for n in range(10)})
    seen = [
        judged(answer((shops, 1), (shops, weeks), seed=seed))
        for seed in range(4)
        for weeks in (1, 2, 3)
    ]
    assert all(len(each) == 10 for each in seen)
    assert sum(any(one.failed for one in each.values()) for each in seen) <= 1
    assert all(one.breaches_in_a_row < 3 for each in seen for one in each.values())


def test_users_who_do_the_same_each_day_make_hardly_any_false_alarm_in_many_segments() -> None:
    """Twenty tests of a window; each user counts seven times, so intervals seem much shorter."""
    shops = Devices({f"d{n}": FEW for n in range(10)})
    spec = SPEC.model_copy(update={"alpha": 0.2, "effect_floor": 0.0})
    failed = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        found = body([day for _ in range(2) for day in shops.daily(rng)])
        seen = judge(spec, read_days(found, VERSION), read_segments(found))
        failed += any(each.failed for each in seen)
    assert failed <= 8  # 3 are expected; 26 without a correction, more with shorter intervals


#: Each user is in three of these segments.
ALL = {
    "device": [f"d{n}" for n in range(4)],
    "age": ["<18", *(f"{low}-{low + 9}" for low in range(18, 88, 10)), "88+"],
    "gender": ["F", "M"],
}


def test_bands_and_features_of_users_who_do_the_same_each_day_make_hardly_any_false_alarm() -> (
    None
):
    """Thirty tests of a window; the same users are in a segment of each feature."""
    shops = Crossed(ALL, Shop(users=10))
    spec = SPEC.model_copy(update={"alpha": 0.2, "effect_floor": 0.0})
    failed = 0
    for seed in range(30):
        rng = np.random.default_rng(1000 + seed)
        found = body([day for _ in range(2) for day in shops.daily(rng)])
        seen = judge(spec, read_days(found, VERSION), read_segments(found))
        assert len(seen) == sum(map(len, ALL.values()))
        failed += any(each.failed for each in seen)
    assert failed <= 8  # at most 3 are expected


def test_a_segment_with_too_few_users_is_not_tested() -> None:
    few = Devices({"phone": PHONE, "tablet": dataclasses.replace(TABLET, users=60)})
    assert list(judged(answer((few, 3)))) == ["device=phone"]


def test_a_day_without_a_segment_is_no_missing_day_but_one_without_all_users_is() -> None:
    found = answer((USUAL, 1), (SWAPPED, 4))
    without = copy.deepcopy(found)
    del without["days"][15]["segments"][1]
    assert judged(without)["device=tablet"].breaches_in_a_row == 4
    del found["days"][15]
    assert judged(found)["device=tablet"].breaches_in_a_row == 2


def test_a_segment_that_came_after_the_second_week_has_no_reference() -> None:
    phones = Devices({"phone": PHONE})
    assert "device=tablet" in judged(answer((phones, 1), (USUAL, 2)))
    assert "device=tablet" not in judged(answer((phones, 2), (USUAL, 2)))


def test_a_segment_that_the_last_window_lacks_has_no_row() -> None:
    phones = Devices({"phone": PHONE})
    assert "device=tablet" not in judged(answer((USUAL, 1), (SWAPPED, 3), (phones, 1)))


def test_weeks_before_a_start_are_no_windows() -> None:
    found = answer((USUAL, 1), (SWAPPED, 3))
    assert judged(found, start=20_008)["device=tablet"].breaches_in_a_row == 2
    assert judged(found, start=20_022) == {}


def test_without_days_nothing_is_said() -> None:
    assert judge(SPEC, {}, {}) == ()


@given(st.lists(st.integers(20, 80), min_size=1, max_size=5), st.integers(0, 10))
def test_sums_of_segments_add_up_to_those_of_all(users: list[int], seed: int) -> None:
    shops = {f"d{n}": dataclasses.replace(TABLET, users=many) for n, many in enumerate(users)}
    found = body(Devices(shops).week(np.random.default_rng(seed))[:2])
    all_days = read_days(found, VERSION)
    for day, labels in all_days.items():
        parts = [own[day] for own in read_segments(found).values()]
        together = added(parts)
        assert (together.users, together.bins) == (labels.users, ())
        assert together.sums == pytest.approx(labels.sums)


def test_all_values_but_the_first_ten_are_a_segment() -> None:
    found = answer((Devices({"phone": PHONE, "others": PHONE}), 2))
    assert set(judged(found)) == {"device=phone", "other values of device"}


@pytest.mark.parametrize(
    ("segments", "named"),
    [
        (5, "not a list"),
        ([{}] * 34, "at most 33"),
        ([5], r"segments\[0\]: not an object"),
        ([{"feature": 1}], "short texts"),
        ([{"feature": "device", "value": "x" * 65}], "short texts"),
        ([{"feature": "device", "value": "phone", "users": -1}], "users: not a count"),
        ([{"feature": "device", "value": "phone", "users": 1, "sums": 1}], "not an object"),
    ],
)
def test_an_answer_with_other_segments_names_the_field(segments: object, named: str) -> None:
    found = copy.deepcopy(answer((USUAL, 1)))
    found["days"][0]["segments"] = segments
    with pytest.raises(ValueError, match=named):
        read_segments(found)


def test_more_segments_than_an_answer_may_have_are_refused() -> None:
    found = copy.deepcopy(answer((USUAL, 1)))
    for n, day in enumerate(found["days"]):
        part = day["segments"][0]
        day["segments"] = [{**part, "value": f"{n}-{m}"} for m in range(30)]
    with pytest.raises(ValueError, match="more than 33"):
        read_segments(found)


def test_a_collector_of_an_earlier_release_has_no_segments() -> None:
    assert read_segments(body([Shop(users=20).day(np.random.default_rng(1))[0]])) == {}
