"""Which lines of a metrics page count, and which pages are refused."""

from __future__ import annotations

import contextlib
import tracemalloc

import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from recommender_contract.metrics import CREATED
from recommender_operator.adapters.counters import metrics_page
from recommender_operator.adapters.counters.metrics_page import parse_page, product_lines
from recommender_operator.analysis import window_filling
from recommender_operator.analysis.counter_window import window_stats
from recommender_operator.analysis.series_text import PREFIX, canonical
from tests.unit.recommender_operator.adapters.podserver import OK, page


def test_only_the_products_series_are_kept_without_whose_they_are() -> None:
    counters = parse_page(page())
    assert all(key.startswith("recommender_") for key in counters)
    assert not any("films" in key for key in counters)
    assert counters['recommender_request_duration_seconds_bucket{le="0.05"}'] == 3
    assert counters['recommender_request_duration_seconds_bucket{le="+Inf"}'] == 3
    assert [key for key in counters if "_created" in key] == [CREATED]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no series"),
        ("other 1\n", "no series"),
        ("recommender_x NaN\n", "line 1 of the page has the value nan"),
        ("recommender_x +Inf\n", "has the value inf"),
        ('recommender_x{version="a"} 1\nrecommender_x{version="b"} 2\n', "repeats a series"),
        ('recommender_x{le="a', "is not in the Prometheus text format"),
        ("recommender_SECRET SECRET\n", "is not in the Prometheus text format"),
        ('recommender_x{bin="SECRET"} NaN\n', "line 1 of the page has the value nan"),
        (
            'recommender_x{le="SECRET"} 1\n',
            "is not in the Prometheus text format",
        ),
        ("recommender_x\n", "is not in the Prometheus text format"),
        ("<html><body>proxy</body></html>", "no series"),
        ("recommender_x 1_0\n", "is not in the Prometheus text format"),
        ("recommender_x 1 2 3\n", "is not in the Prometheus text format"),
        (
            'recommender_x{le="1"} 0 } 5\n',
            "is not in the Prometheus text format",
        ),
        (
            'recommender_x{le="1"} 7 } 5\n',
            "is not in the Prometheus text format",
        ),
        ("recommender_x} 5\n", "is not in the Prometheus text format"),
        ('recommender_x{bin="' + "x" * 500 + '"} 5\n', "more than 512 characters"),
        ("".join(f'recommender_x{{bin="{i}"}} 5\n' for i in range(8_193)), "more than 8192 ser"),
    ],
)
def test_an_invalid_page_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as failure:
        parse_page(text)
    assert "SECRET" not in str(failure.value)


@given(st.text() | st.text('recommender_x{bin="1}, \\\\\n').map("recommender_x".__add__))
def test_any_text_is_counters_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_page(text)


@given(st.integers(0, 10**12), st.data())
def test_a_page_cut_off_anywhere_never_gives_a_wrong_key(ok: int, data: st.DataObject) -> None:
    kind = "# TYPE recommender_requests_total counter\n"
    whole = f"# HELP recommender_requests_total n\n{kind}{OK} {ok}\n"
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    with contextlib.suppress(ValueError):
        assert set(parse_page(cut)) <= {OK}


@given(st.lists(st.sampled_from(["recommender_", "recommender_x 1", "x", "", "\r", "\x0b"])))
def test_the_lines_of_the_product_are_those_of_a_split_page(lines: list[str]) -> None:
    page = "\n".join(lines)
    expected = [line for line in page.split("\n") if line.startswith("recommender_")]
    found = list(product_lines(page))
    assert [line for _, line in found] == expected
    assert all(page[:at].endswith("\n") or at == 0 for at, _ in found)


@pytest.mark.parametrize("only", [(), (CREATED,)])
def test_a_page_of_two_million_lines_takes_no_memory_of_its_own(only: tuple[str, ...]) -> None:
    page = "\n" * metrics_page.PAGE_LIMIT
    tracemalloc.start()
    with pytest.raises(ValueError, match="no series"):
        parse_page(page, only)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 100_000


def test_the_names_that_fill_a_window_are_those_of_the_product() -> None:
    """`only` selects among the product's lines."""
    assert all(name.startswith(PREFIX) for name in window_filling.NAMES)


def test_with_only_some_names_the_other_lines_are_not_even_parsed() -> None:
    text = f"recommender_x broken\n{CREATED} 5\n"
    assert parse_page(text, (CREATED,)) == {CREATED: 5}


LABEL = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.dictionaries(st.tuples(LABEL, LABEL), st.integers(0, 2**53), min_size=1, max_size=8))
def test_what_the_client_library_writes_is_read_back(
    counts: dict[tuple[str, str], int],
) -> None:
    registry = prometheus_client.CollectorRegistry()
    counter = prometheus_client.Counter(
        "recommender_feature_values", "n", ["version", "feature", "bin"], registry=registry
    )
    for (feature, bin_), n in counts.items():
        counter.labels("v", feature, bin_).inc(n)
    page = prometheus_client.generate_latest(registry).decode()
    stats = window_stats({}, {"pod": parse_page(page)})
    read = {(f, b): n for f, bins in stats.features.items() for b, n in bins.items()}
    assert read == counts


@given(st.dictionaries(st.tuples(LABEL, LABEL), st.integers(0, 2**53), min_size=1, max_size=8))
def test_a_page_reads_as_the_library_alone_reads_it(counts: dict[tuple[str, str], int]) -> None:
    registry = prometheus_client.CollectorRegistry()
    names = ["model", "feature", "bin"]
    gauge = prometheus_client.Gauge("recommender_x", "n", names, registry=registry)
    for (feature, bin_), n in counts.items():
        gauge.labels("films", feature, bin_).set(n)
    text = prometheus_client.generate_latest(registry).decode()
    (family,) = text_string_to_metric_families(text)
    read = {canonical(s.name, s.labels): s.value for s in family.samples}
    assert parse_page(text) == read


def test_the_library_parses_a_series_once_for_all_versions_and_looks() -> None:
    metrics_page._key.cache_clear()
    for version in range(5):
        for ok in range(3):
            parse_page(page(ok).replace("films-1", f"films-{version}"))
    assert metrics_page._key.cache_info().misses == metrics_page._key.cache_info().currsize


def test_a_timestamp_after_the_value_is_left_out() -> None:
    assert parse_page("recommender_x 3 1700000000000\n") == {"recommender_x": 3}
