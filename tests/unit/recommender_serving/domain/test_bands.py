"""Numbers divide users by few bands, which every version names alike."""

from __future__ import annotations

import dataclasses
import math
from bisect import bisect_right

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from recommender_contract.bands import name_of
from recommender_contract.events import MAX_SEGMENT, MAX_SEGMENTS
from recommender_contract.features import Kind
from recommender_contract.local_calendar import Calendar, LocalCalendar
from recommender_serving.domain import bands
from recommender_serving.domain.bands import MOST_BANDS
from recommender_serving.domain.features import MAX_NUMBER, Feature, Place

NUMBERS = st.floats(-MAX_NUMBER, MAX_NUMBER, allow_nan=False)
EDGES = st.lists(NUMBERS, min_size=1, max_size=100, unique=True).map(sorted).map(tuple)
WHOLE = st.lists(st.integers(-99, 99).map(float), min_size=1, max_size=8, unique=True)
DAY = 86_400


def feature(edges: tuple[float, ...], kind: Kind = Kind.NUMERIC) -> Feature:
    return Feature("age", Place.USER, kind, edges=edges)


@given(EDGES, NUMBERS)
def test_few_bands_are_unions_of_those_of_the_models(
    edges: tuple[float, ...], number: float
) -> None:
    few = bands.edges_of(feature(edges))
    assert 0 < len(few) + 1 <= MOST_BANDS or not few
    assert set(few) <= set(edges)
    assert len(edges) >= MOST_BANDS or few == edges, "few bands stay as they are"
    # Numbers in one band of the models are in one of these.
    place = bisect_right(edges, number)
    low = edges[place - 1] if place else -math.inf
    assume(math.isfinite(low))
    assert name_of(low, few) == name_of(number, few) if few else True


@given(EDGES)
def test_quantiles_stay_about_equal(edges: tuple[float, ...]) -> None:
    few = bands.edges_of(feature(edges))
    sizes = [
        sum(1 for edge in (-math.inf, *edges) if name_of(edge, few) == name)
        for name in {name_of(edge, few) for edge in (-math.inf, *edges)}
    ]
    assert max(sizes) == -(-(len(edges) + 1) // MOST_BANDS)
    assert sum(size < max(sizes) for size in sizes) <= 1


@given(st.one_of(EDGES, WHOLE.map(sorted).map(tuple)))
def test_each_band_has_a_name_of_its_own_that_a_segment_may_have(edges: tuple[float, ...]) -> None:
    few = bands.edges_of(feature(edges))
    names = [name_of(edge, few) for edge in (-math.inf, *few)]
    assert len(set(names)) == len(few) + 1
    assert all(0 < len(name) <= MAX_SEGMENT and name.isprintable() for name in names)


@given(st.lists(EDGES, min_size=1, max_size=MAX_SEGMENTS))
def test_a_header_says_the_bands_exactly(of: list[tuple[float, ...]]) -> None:
    given_ = {f"f{n}": bands.edges_of(feature(edges)) for n, edges in enumerate(of)}
    assert bands.parse(bands.header_of(given_)) == given_


@pytest.mark.parametrize(
    "text",
    [
        "", "age", "age=", "age=x", "age=18,", "age=25,18", "age=18,18", "age=1e400", "Age=1",
        "age=" + ",".join(map(str, range(MOST_BANDS))), "a=1;b=1;c=1;d=1", "age=1;" * 300,
        "age=nan",
    ],
)  # fmt: skip
def test_another_header_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"<feature>=<edge>|do not increase"):
        bands.parse(text)


@pytest.mark.parametrize(
    ("value", "name"), [(17.9, "<18"), (18.0, "18-24"), (24.5, "18-24"), (25.0, "25+")]
)
def test_a_number_is_in_its_band(value: float, name: str) -> None:
    assert bands.value_of(feature((18.0, 25.0)), value, (18.0, 25.0), 0) == name


def test_a_time_is_in_the_band_of_its_age_at_the_request() -> None:
    signup = feature((30.0, 90.0), Kind.TIMESTAMP)
    ages = [10, 30, 100, -5]
    found = [bands.value_of(signup, (1000 - age) * DAY, (30.0, 90.0), 1000 * DAY) for age in ages]
    assert found == ["<30", "30-89", "90+", "<30"]


def test_a_version_with_a_calendar_puts_a_time_in_the_band_of_a_receiver_that_reads_its_age() -> (
    None
):
    calendar = LocalCalendar(Calendar.MONTH, (), (0,))
    signup = dataclasses.replace(feature((), Kind.TIMESTAMP), calendar=calendar)
    assert bands.value_of(signup, 900 * DAY, (30.0, 90.0), 1000 * DAY) == "90+"
    # The other way round, the receiver sends no edges, and both say unknown.
    assert bands.of_features({"age": signup}, ["age"]) == {}
    assert bands.value_of(signup, 900 * DAY, (), 1000 * DAY) is None


def test_what_is_no_number_or_has_no_bands_is_in_none() -> None:
    edges = (18.0,)
    assert bands.value_of(None, 20.0, edges, 0) is None
    assert bands.value_of(feature(edges), None, edges, 0) is None
    assert bands.value_of(feature(edges), 20.0, (), 0) is None
    device = Feature("device", Place.CONTEXT, Kind.CATEGORICAL, {"phone": 0})
    assert bands.value_of(device, "phone", edges, 0) is None
    assert bands.edges_of(device) == ()


def test_only_features_with_bands_are_said() -> None:
    known = {"age": feature((18.0,)), "income": feature(())}
    assert bands.of_features(known, ["income", "age", "gone"]) == {"age": (18.0,)}
    assert bands.header_of({}) == ""
