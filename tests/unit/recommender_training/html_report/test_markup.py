"""No text becomes markup."""

from __future__ import annotations

import html.parser
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.html_report import chart, figures, words
from recommender_training.html_report.markup import Markup, escape, join, tag

#: Text as users of the web send it, with much of what breaks pages.
hostile = st.one_of(
    st.text(),
    st.lists(
        st.sampled_from(
            ["<script>alert(1)</script>", "</title>", "</style>", "'", '"', "&", "&lt;", "<!--",
             "-->", "]]>", "onload=", " ", "\x00", "\ud800", "\u2028", "<svg onload=x>", "=", ">"]
        )
    ).map("".join),
)  # fmt: skip


class Parsed(html.parser.HTMLParser):
    """What a reader of HTML sees: the elements with their attributes, and the text."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.other: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.other.append(data)

    def handle_decl(self, decl: str) -> None:
        self.other.append(decl)

    def unknown_decl(self, data: str) -> None:
        self.other.append(data)

    def handle_pi(self, data: str) -> None:
        self.other.append(data)


def shown(text: str) -> str:
    """The text with a replacement for each character that no page may hold."""
    return re.sub(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]", "\ufffd", text
    )


@given(text=hostile, attribute=hostile)
def test_text_comes_back_as_text_and_an_attribute_as_its_value(text: str, attribute: str) -> None:
    written = tag("p", text, title=attribute).source
    assert written.encode(), "no half characters are left"
    parsed = Parsed(written)
    assert parsed.elements == [("p", {"title": shown(attribute)})]
    assert parsed.text == shown(text)
    assert parsed.other == []


@given(texts=st.lists(hostile))
def test_only_elements_that_were_made_go_in_unescaped(texts: list[str]) -> None:
    parsed = Parsed(tag("div", *[tag("b", text) for text in texts], *texts).source)
    assert [name for name, _ in parsed.elements] == ["div"] + ["b"] * len(texts)
    assert parsed.text == "".join(map(shown, texts)) * 2


def test_missing_children_and_attributes_are_skipped_and_names_are_html() -> None:
    made = tag("a", None, "x", class_="k", text_anchor="end", href=None)
    assert made == Markup('<a class="k" text-anchor="end">x</a>')
    assert tag("meta", charset="utf-8", name="n").source == '<meta charset="utf-8" name="n">'
    assert join("a", None, Markup("<br>")).source == "a<br>"


@given(value=st.floats(-1e5, 1e5))
def test_a_coordinate_is_a_short_number(value: float) -> None:
    written = re.fullmatch(r'<i x="(-?\d+(\.\d{1,2})?)"></i>', tag("i", x=value).source)
    assert written is not None
    assert float(written[1]) == pytest.approx(value, abs=0.00501)


@given(low=st.floats(-1e4, 1e4), width=st.floats(1e-4, 1e4))
def test_ticks_are_round_inside_and_few_and_their_labels_differ(low: float, width: float) -> None:
    scale = chart.Scale(low, low + width, 0, 100)
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 12
    assert all(low - 1e-6 * width <= tick <= low + width * (1 + 1e-6) for tick in ticks)
    labels = [f"{tick:.{scale.digits}f}" for tick in ticks]
    assert len(set(labels)) == len(labels)


@given(values=st.lists(st.floats(-1e3, 1e3), min_size=1))
def test_a_scale_holds_its_values_with_room(values: list[float]) -> None:
    scale = chart.around(values, 10, 90)
    for value in values:
        assert 10 <= scale(value) <= 90
    assert scale.low < min(values) <= max(values) < scale.high


def test_numbers_are_written_for_people() -> None:
    assert words.number(-0.01234) == "−0.0123"
    assert words.signed(0.5, 2) == "+0.50"
    assert words.share(0.1234) == "12.3 %"
    assert words.count(12345.0) == "12,345"
    assert words.percent(0.1234) == "12.3 %"
    assert words.percent(0.00042) == "0.042 %"
    assert words.percent(0.0) == "0.0 %"
    assert words.number(None) == words.share(None) == words.count(None) == words.ABSENT
    assert words.ends({"low": -0.1, "high": 0.2}, sign=True, digits=1) == "−0.1 to +0.2"
    assert words.ends({"low": None, "high": None}) == words.ABSENT
    assert words.segment("age:45-49") == "age 45–49"
    assert words.segment("gender:F") == "gender F"
    assert words.plain("genre:Sci-Fi") == "Sci-Fi"
    assert escape("<&>") == "&lt;&amp;&gt;"
    assert not math.isnan(chart.Scale(0, 1, 0, 1)(0.5))


@pytest.mark.parametrize("most", [1.0, 0.02, 0.0])
def test_the_axes_of_the_reliability_figure_fit_rare_positives(most: float) -> None:
    points = [
        {"rows": 100.0, "meanProbability": most * part, "positiveShare": most * part}
        for part in (0.1, 0.5, 1.0)
    ]
    drawn = figures.reliability(points, points)
    assert drawn is not None
    dots = [float(x) for x in re.findall(r'<circle cx="([0-9.]+)"', drawn.source)]
    dots = dots[:-2]  # those of the legend
    assert len(dots) == 6
    if most:
        assert max(dots) - min(dots) > 0.6 * (chart.VIEW - 56), "they are apart"
