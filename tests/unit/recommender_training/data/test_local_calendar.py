"""A time has one hour, weekday and month of its zone, in training and in the transformer."""

from __future__ import annotations

import dataclasses
import datetime
import zoneinfo
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.local_calendar import NAMES, Calendar
from recommender_serving.artifact import vocabulary as serving
from recommender_serving.artifact.vocabulary_file import VocabularyFile
from recommender_training.artifact import reference, vocabulary
from recommender_training.config.feature import Feature
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data.dataset import Dataset
from recommender_training.data.local_calendar import LocalCalendar
from recommender_training.export import tensors
from tests import small_data

#: Zones with summer time in both hemispheres, with an offset of half an hour, without any change,
#: with a jump over a day (2011-12-30), and with a winter time that is the exception.
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata",
     "Pacific/Apia", "Europe/Dublin", "America/Sao_Paulo"]
)  # fmt: skip
PARTS = st.sampled_from(Calendar)
#: 1970 to 2099, on which all time zone databases agree.
RECENT = st.integers(0, 4_102_444_799)
#: The years 1 to 9999.
EVER = st.integers(-62_135_596_800, 253_402_300_799)


def calendar(part: str, zone: str) -> LocalCalendar:
    settings = {"name": "it", "kind": "Timestamp", "calendar": part, "timeZone": zone}
    found = LocalCalendar.of(Feature.model_validate(settings))
    assert found is not None
    return found


@given(PARTS, ZONES, RECENT)
def test_a_category_is_what_a_clock_of_the_zone_shows(
    part: Calendar, zone: str, seconds: int
) -> None:
    there = datetime.datetime.fromtimestamp(seconds, zoneinfo.ZoneInfo(zone))
    shown = {
        Calendar.HOUR_OF_DAY: f"{there:%H}",
        Calendar.DAY_OF_WEEK: f"{there:%A}",
        Calendar.MONTH: f"{there:%B}",
    }
    own = calendar(part, zone)
    assert own.names[own.code(seconds)] == shown[part]


@pytest.mark.parametrize(
    ("moment", "hour"),
    [
        ("2026-03-29T00:59:59+00:00", "01"),  # the last second before summer time
        ("2026-03-29T01:00:00+00:00", "03"),
        ("2026-10-25T00:59:59+00:00", "02"),
        ("2026-10-25T01:00:00+00:00", "02"),  # the hour that comes twice
        ("2026-10-25T02:00:00+00:00", "03"),
    ],
)
def test_the_hour_changes_at_the_second_that_summer_time_does(moment: str, hour: str) -> None:
    own = calendar("HourOfDay", "Europe/Berlin")
    assert own.names[own.code(int(datetime.datetime.fromisoformat(moment).timestamp()))] == hour


@given(PARTS, ZONES, EVER)
def test_an_array_of_times_has_the_categories_of_each_time(
    part: Calendar, zone: str, seconds: int
) -> None:
    own = calendar(part, zone)
    assert own.codes(np.array([seconds], dtype=np.int64)).tolist() == [own.code(seconds)]
    assert own.name(seconds) == own.names[own.code(seconds)]


def data(values: list[int | None], settings: dict[str, Any]) -> Dataset:
    """Users, items and context with these times, one event each."""
    feature = {"kind": "Timestamp", **settings}
    declared = FeatureSchema.model_validate(
        {
            "users": [{**feature, "name": "joined", "coldStart": True}],
            "items": [{**feature, "name": "made", "fairness": True}],
            "context": [{**feature, "name": "opened"}],
        }
    )
    users = [{"id": number, "joined": value} for number, value in enumerate(values)]
    items = [{"id": number, "made": value} for number, value in enumerate(values)]
    events = [(n, n, 5.0, 1 + n, {"opened": value}) for n, value in enumerate(values)]
    return small_data.build(events, users, items, declared)


@given(st.lists(st.none() | EVER, min_size=1, max_size=8), PARTS, ZONES)
def test_a_time_has_the_same_category_in_all_places(
    values: list[int | None], part: Calendar, zone: str
) -> None:
    found = data(values, {"calendar": part.value, "timeZone": zone})
    own = calendar(part, zone)
    words = vocabulary.vocabulary(found, 5)
    served = serving.build_vocabulary(VocabularyFile.model_validate(words))
    reader = reference.FeatureReader(words)
    (block,) = found.items.blocks
    names = [block.categories, *(each.categories for each in found.attributes)]
    assert names == [NAMES[part]] * 3
    assert {feature.groups for feature in served.features.values()} == {len(NAMES[part])}
    for row, value in enumerate(values):
        codes = [found.users.side[row, 0], found.events.context_of(np.array([row]))[0, 0]]
        if value is None:
            assert np.isnan(codes).all()
            assert found.items.first[0][row] == -1
            continue
        code = own.code(value)
        assert codes == [code, code]
        assert found.items.first[0][row] == code
        assert served.items.first_categories(row) == {"made": own.names[code]}
        for name, of in (("joined", "user"), ("opened", "context")):
            feature = served.features[name]
            assert list(feature.codes(value)) == [feature.group(value)] == [code]
            assert list(feature.seen(value, 1)) == [own.names[code]]
            request = {"user_id": 0, "session": [], "timestamp": 1, of: {name: value}}
            assert reader.read(request)[name] == code
            place = list(served.features).index(name)
            assert float(tensors.to_tensors([request], words, top_n=1)[1][0, place]) == code


@given(st.lists(st.none() | EVER, min_size=1, max_size=9), PARTS, ZONES)
def test_what_is_stated_of_a_category_is_a_time_of_that_category(
    values: list[int | None], part: Calendar, zone: str
) -> None:
    attribute = data(values, {"calendar": part.value, "timeZone": zone}).attributes[0]
    codes = attribute.codes(pl.DataFrame({"joined": values}, schema={"joined": pl.Int64}))
    again = attribute.codes(pl.DataFrame({"joined": attribute.stated(codes)}))
    assert np.array_equal(codes, again, equal_nan=True)


def test_a_zone_that_never_changed_needs_no_rules_and_utc_is_the_default() -> None:
    assert calendar("Month", "UTC").rules() == {"name": "UTC", "since": [], "offsets": [0]}
    feature = {"name": "it", "kind": "Timestamp", "calendar": "Month"}
    assert LocalCalendar.of(Feature.model_validate(feature)) == calendar("Month", "UTC")
    assert LocalCalendar.of(Feature.model_validate({"name": "it", "kind": "Timestamp"})) is None


HOURS = LocalCalendar(Calendar.HOUR_OF_DAY, (100, 200, 300), (1, 2, 3, 4), "Asia/Almaty")


@pytest.mark.parametrize(
    ("change", "agrees"),
    [
        ({}, True),
        ({"since": (90, 200, 310), "offsets": (9, 2, 3, 9)}, True),
        ({"since": (200,), "offsets": (2, 3)}, True),
        ({"since": (100, 200, 300, 400), "offsets": (1, 2, 3, 4, 5)}, True),
        ({"since": (100, 201, 300)}, False),
        ({"since": (100, 200, 250)}, False),
        ({"since": (120, 200, 300)}, False),
        ({"offsets": (1, 2, 5, 4)}, False),
        ({"zone": "Asia/Tashkent"}, False),
        ({"part": Calendar.MONTH}, False),
    ],
)
def test_rules_of_a_zone_agree_if_they_do_between_two_times(
    change: dict[str, Any], agrees: bool
) -> None:
    other = dataclasses.replace(HOURS, **change)
    assert HOURS.agrees(other, 100, 299) == agrees
    assert other.agrees(HOURS, 100, 299) == agrees


TIME = {"name": "it", "kind": "Timestamp", "calendar": "HourOfDay"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"edges": [3]}, "edges and calendar exclude each other: remove one"),
        ({"bands": 3}, "bands and calendar exclude each other: remove one"),
        ({"unit": "Year"}, "calendar=HourOfDay: the unit Year has no hours"),
        ({"servedAs": "08"}, "servedAs='08': no time fits every request"),
        ({"calendar": "Hour"}, "Input should be 'HourOfDay', 'DayOfWeek' or 'Month'"),
        ({"timeZone": "Europe/Berln"}, "timeZone='Europe/Berln': did you mean Europe/Berlin?"),
        ({"timeZone": "Moon"}, "timeZone='Moon': .*such as Europe/Berlin"),
        ({"calendar": None, "timeZone": "UTC"}, "timeZone='UTC' needs calendar"),
        ({"kind": "Numeric"}, "calendar is a setting of Timestamp, not of Numeric"),
    ],
)
def test_settings_that_a_calendar_cannot_have_are_refused(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Feature.model_validate(TIME | settings)


ZONE: dict[str, Any] = {"name": "UTC", "since": [], "offsets": [0]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"edges": [1.0]}, "a calendar needs its zone, and has no edges"),
        ({"zone": None}, "a calendar needs its zone"),
        ({"categories": ["00"]}, "the categories are not those of HourOfDay"),
        ({"calendar": None}, "without calendar there are edges"),
        ({"zone": {"since": [], "offsets": [0]}}, "zone.name\n  Field required"),
        ({"zone": ZONE | {"since": [5]}}, "1 changes and 1 offsets of a zone"),
        (
            {"zone": ZONE | {"since": [5, 5], "offsets": [0, 1, 2]}},
            "changes of a zone do not increase",
        ),
        ({"zone": ZONE | {"offsets": [10**9]}}, "less than or equal to"),
    ],
)
def test_a_vocabulary_with_another_calendar_is_refused(
    change: dict[str, Any], message: str
) -> None:
    words = vocabulary.vocabulary(data([5], {"calendar": "HourOfDay"}), 5)
    words["features"][0] |= change
    with pytest.raises(ValueError, match=message):
        VocabularyFile.model_validate(words)
