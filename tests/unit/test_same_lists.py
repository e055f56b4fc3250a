"""Files, requests and events have the same categories of a list, or none of them is taken."""

from __future__ import annotations

import re
from typing import Any

import polars as pl
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from recommender_collector.domain.checks import InvalidEvent
from recommender_collector.domain.validation import event_of
from recommender_contract.categories import longest_entry
from recommender_contract.features import Kind
from recommender_serving.domain.features import Feature as Served
from recommender_serving.domain.features import Place
from recommender_serving.protocols.feature_validation import value_of
from recommender_serving.protocols.validation import Problems
from recommender_training.config.feature import Feature
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.ingestion import feature_values, readers
from tests.unit.recommender_collector.collector_samples import mapping, rules

NOW = 1_795_000_000.0
MOST = 3


def of_file(entries: list[Any], separator: str | None) -> list[str] | str:
    """The categories of a row, or why it is quarantined."""
    feature = Feature.model_validate(
        {"name": "tags", "kind": "MultiCategorical", "separator": separator, "maxPerRow": MOST}
    )
    # as of every column, without whitespace at the ends, and null for an empty text
    text = str(readers._joined(entries)).strip(" ") or None
    frame = pl.DataFrame(
        {"raw_features.tags": [text], "reason": [None]},
        schema={"raw_features.tags": pl.String, "reason": pl.String},
    )
    found = feature_values.read_feature(frame, [feature])
    value = found.select(feature_values.columns([feature])).item()
    reason: str | None = found["reason"].item()
    return reason or (value.split(" ") if value else [])


def of_request(entries: list[Any], separator: str | None) -> list[str] | str:
    """The categories of a request, or the problem."""
    feature = Served(
        "tags", Place.CONTEXT, Kind.MULTI_CATEGORICAL, width=MOST, separator=separator
    )
    problems = Problems()
    value = value_of("context.tags", entries, feature, problems)
    assert value is None or isinstance(value, tuple)
    return "; ".join(problems.found) or [str(each) for each in value or ()]


def of_event(entries: list[Any], separator: str | None) -> list[str] | str:
    """The categories of an event, or why it is rejected."""
    declared = {"name": "tags", "kind": "MultiCategorical", "maxPerRow": MOST}
    if separator is not None:
        declared["separator"] = separator
    raw = {"id": "e1", "user": "ada", "kind": "click", "item": "tea", "context": {"tags": entries}}
    try:
        found = event_of(raw, rules(mapping(features=[declared])), NOW)
    except InvalidEvent as error:
        return str(error)
    return [str(each) for each in (found.context or {}).get("tags", ())]  # type: ignore[union-attr]


#: At most three long pieces: a request has room for as many categories in an entry.
LONG = st.lists(st.sampled_from(["x" * 63, "y" * 64, "z" * 65, "|", " ", "::"]), max_size=3)
ENTRIES = st.lists(
    st.text("ab|- :\u3000é\x1e\x1f", max_size=6) | LONG.map("".join), max_size=6
)  # fmt: skip


@example(["garden|" * 20 + "music"], "|")
@example(["x" * 64 + " "], None)
@example(["x" * 65], "|")
@example(["a", ""], None)
@example(["red|blue", "red", "light  green"], "|")
@example(["a|b", "c|d"], "|")
@example(["a", "a", "a", "a", "b"], None)
@example(["|", " "], "|")
@example(["a b"], " ")
@example(["\x1e"], None)
@example(["a", " \x1e "], None)
@example(["a|\x1e"], "|")
@example(["a\x1e"], None)
@example(["\x1e"], "\x1e")
@example(["a\x1eb"], "\x1e")
@given(ENTRIES, st.sampled_from([None, "|", " ", "::", "\x1e"]))
def test_a_list_means_the_same_in_files_requests_and_events(
    entries: list[str], separator: str | None
) -> None:
    filed, asked, sent = (of(entries, separator) for of in (of_file, of_request, of_event))
    if isinstance(filed, str):
        # A row with several problems has the first of these; a request the first that it meets.
        problems = {
            "TextTooLong:tags": "categories of 1 to 64",
            "TooManyCategories:tags": f"at most {MOST} different categories",
            "NullInList:tags": "a list has no nulls",
        }
        assert filed in problems
        told = list(problems.values())[list(problems).index(filed) :]
        assert any(each in asked for each in told)
        assert isinstance(sent, str)
        return
    assert asked == filed
    if all(entry.isprintable() for entry in entries):  # of which the collector keeps no other
        assert sent == filed


@example(["light green"], "|")
@given(ENTRIES, st.sampled_from([None, "|", " ", "::"]))
def test_categories_that_are_read_again_stay_as_they_are(
    entries: list[str], separator: str | None
) -> None:
    for of in (of_file, of_request, of_event):
        if isinstance(once := of(entries, separator), list):
            assert of(once, separator) == once, of.__name__


@pytest.mark.parametrize("separator", ["-", "--", " - "])
@pytest.mark.parametrize("place", ["users", "context"])
def test_no_separator_of_requests_is_what_whitespace_becomes(place: str, separator: str) -> None:
    tags = {"name": "tags", "kind": "MultiCategorical", "separator": separator}
    told = re.escape(f"{place}.tags: separator={separator!r} contains '-'")
    with pytest.raises(ValueError, match=told):
        FeatureSchema.model_validate({place: [tags]})
    FeatureSchema.model_validate({"items": [tags]})


@pytest.mark.parametrize("separator", [None, "|", "::"])
def test_an_entry_is_no_longer_than_all_categories_together(separator: str | None) -> None:
    longest = longest_entry(separator, MOST)
    for of in (of_request, of_event):
        assert of([" " * longest], separator) == [], of.__name__
        told = f"give a string of at most {longest} characters"
        assert told in of([" " * (longest + 1)], separator), of.__name__


def test_a_separator_within_an_entry_of_a_list_separates_everywhere() -> None:
    for of in (of_file, of_request, of_event):
        assert of(["red|blue", "red"], "|") == ["red", "blue"], of.__name__
        assert of(["red|blue", "red"], None) == ["red|blue", "red"], of.__name__


def test_a_repeated_category_counts_once_everywhere() -> None:
    for of in (of_file, of_request, of_event):
        assert of(["b", "a", "b", "c", "a"], None) == ["b", "a", "c"], of.__name__
        assert isinstance(of(["b", "a", "c", "d"], None), str), of.__name__


@pytest.mark.parametrize("entries", [["a", None], [None], [None, "a"]])
def test_a_null_in_a_list_is_refused_everywhere(entries: list[Any]) -> None:
    assert of_file(entries, None) == "NullInList:tags"
    place = entries.index(None)
    for of in (of_request, of_event):
        told = of(entries, None)
        assert f"context.tags[{place}]: got None; a list has no nulls" in told, of.__name__


@given(ENTRIES.filter(any))
def test_a_category_is_no_longer_than_in_files(entries: list[str]) -> None:
    assume(not any("|" in entry for entry in entries))
    long = [*entries[: MOST - 1], "x" * 65]
    assert of_file(long, None) == "TextTooLong:tags" or "TooMany" in str(of_file(long, None))
    for of in (of_request, of_event):
        assert isinstance(of(long, None), str), of.__name__
