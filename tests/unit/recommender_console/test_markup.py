"""Text never becomes markup."""

from __future__ import annotations

import html
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from recommender_console.markup import Markup, join, tag


class Elements(HTMLParser):
    """What a parser of HTML makes of a page: its elements with the names of their attributes."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.found.append(("!--", ()))

    def handle_decl(self, decl: str) -> None:
        self.found.append(("!", ()))

    def handle_pi(self, data: str) -> None:
        self.found.append(("?", ()))


def elements(source: str) -> Elements:
    parser = Elements()
    parser.feed(source)
    parser.close()
    return parser


HOSTILE = st.one_of(
    st.text(),
    st.sampled_from([
        "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onclick='x", "<!--",
        "</main>", "&lt;b&gt;", "javascript:alert(1)", "]]>", "\x00\x0b<b>", "<svg/onload=x>",
    ]),
)  # fmt: skip


@given(HOSTILE, HOSTILE)
def test_no_text_adds_an_element_or_an_attribute(words: str, value: str) -> None:
    source = tag("p", words, tag("b", "x"), title=value).source
    assert elements(source).found == [("p", ("title",)), ("b", ())]


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_a_browser_reads_the_text_that_was_given(words: str) -> None:
    source = tag("p", words).source
    assert html.unescape(source[3:-4]) == words


def test_finished_markup_stays_as_it_is() -> None:
    assert tag("p", Markup("<b>x</b>"), None).source == "<p><b>x</b></p>"
    assert join(["<", None, tag("br")]).source == "&lt;<br>"


def test_attributes_have_the_names_of_html() -> None:
    made = tag("label", for_="a", aria_label="b", data_live="", title=None, width=2.5).source
    assert made == '<label for="a" aria-label="b" data-live="" width="2.5"></label>'
