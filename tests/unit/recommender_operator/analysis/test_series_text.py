from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.analysis.series_text import canonical, format_series, parse_series

NAMES = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]*", fullmatch=True)
LABELS = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]*", fullmatch=True)


@given(NAMES, st.dictionaries(LABELS, st.text()))
def test_any_series_survives_formatting_and_parsing(name: str, labels: dict[str, str]) -> None:
    assert parse_series(format_series(name, labels)) == (name, labels)


@given(NAMES, st.dictionaries(LABELS, st.text(), min_size=2), st.randoms())
def test_the_order_of_labels_does_not_matter(
    name: str, labels: dict[str, str], random: Random
) -> None:
    items = list(labels.items())
    random.shuffle(items)
    assert format_series(name, dict(items)) == format_series(name, labels)


@given(st.text())
def test_any_other_text_is_rejected_with_a_message(text: str) -> None:
    try:
        name, labels = parse_series(text)
    except ValueError as error:
        shown = str(error)
    else:
        shown = "not a series"
        assert parse_series(format_series(name, labels)) == (name, labels)
    assert "not a series" in shown


@pytest.mark.parametrize("text", ["", "1a", "a{", 'a{b="c}', 'a{b="c" d="e"}', "a{b=c}", "a b"])
def test_broken_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a series"):
        parse_series(text)


def test_the_key_has_what_is_counted_but_not_its_source() -> None:
    labels = {"model": "m", "version": "v", "pod": "p", "instance": "i", "outcome": "ok"}
    assert canonical("recommender_requests_total", labels) == (
        'recommender_requests_total{outcome="ok"}'
    )


@pytest.mark.parametrize(("one", "other"), [("1", "1.0"), ("0.050", "0.05"), ("+Inf", "inf")])
def test_two_spellings_of_a_bucket_bound_are_one_key(one: str, other: str) -> None:
    assert canonical("b", {"le": one}) == canonical("b", {"le": other})
