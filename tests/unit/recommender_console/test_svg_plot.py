"""The figures hold every number, say it in words, and stand any number."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_console import svg_plot
from recommender_console.object_details import Effect
from recommender_console.svg_plot import Reading
from tests.unit.recommender_console.test_markup import elements

NUMBERS = st.none() | st.floats(-1e12, 1e12) | st.floats(0, 1e-9)
READINGS = st.builds(
    Reading, name=st.just("auc"), value=NUMBERS, low=NUMBERS, high=NUMBERS, minimum=NUMBERS,
    maximum=NUMBERS, stable=NUMBERS,
)  # fmt: skip
POSITIONS = re.compile(r'\b(?:x|x1|x2|cx)="([^"]*)"')


@given(READINGS)
def test_a_strip_stays_inside_its_figure(reading: Reading) -> None:
    drawn = svg_plot.strip(reading, "pass")
    assert (drawn is None) == (reading.value is None)
    if drawn is not None:
        assert all(0 <= float(x) <= 220 for x in POSITIONS.findall(drawn.source))


@given(st.lists(READINGS, min_size=1, max_size=10))
def test_a_course_has_a_place_for_every_step(readings: list[Reading]) -> None:
    drawn = svg_plot.course("auc", [(f"{n} %", one) for n, one in enumerate(readings)])
    assert (drawn is None) == (not any(one.numbers() for one in readings))
    if drawn is not None:
        assert drawn.source.count(" %</text>") == len(readings)


def test_a_strip_says_its_numbers_in_words_and_shades_what_is_allowed() -> None:
    reading = Reading(name="auc", value=0.71, low=0.7, high=0.72, minimum=0.65)
    drawn = svg_plot.strip(reading, "pass")
    assert drawn is not None
    assert 'aria-label="auc: 0.71, interval 0.7..0.72, at least 0.65"' in drawn.source
    band = re.search(r'<rect x="([\d.]+)"[^>]*width="([\d.]+)"', drawn.source)
    assert band
    assert float(band[1]) + float(band[2]) == pytest.approx(220, abs=0.02)


def test_the_split_is_as_wide_as_the_weights() -> None:
    drawn = svg_plot.split([("champion", "a", 75), ("candidate", "b", 25)]).source
    assert re.findall(r'<rect x="(\d+)" y="0" width="(\d+)"', drawn) == [
        ("0", "255"),
        ("255", "85"),
    ]
    assert 'aria-label="Split: a 75 %, b 25 %"' in drawn


@given(st.lists(st.builds(Effect, feature=st.text(), effect=st.floats(0, 1e9),
                          limit=st.floats(0, 1e9)), max_size=20))  # fmt: skip
def test_every_feature_has_its_bar(rows: list[Effect]) -> None:
    drawn = svg_plot.effects(rows)
    assert (drawn is None) == (not rows)
    if drawn is not None:
        kinds = [name for name, _ in elements(drawn.source).found]
        assert kinds.count("rect") == len(rows)


def test_a_feature_over_its_limit_stands_out() -> None:
    rows = [Effect(feature="a", effect=0.2, limit=0.1), Effect(feature="b", effect=0, limit=0.1)]
    drawn = svg_plot.effects(rows)
    assert drawn is not None
    assert re.findall(r'class="bar (\w+)"', drawn.source) == ["over", "under"]
