"""Counters survive packing and fit an object with a hundred pods per arm."""

from __future__ import annotations

import base64
import datetime
import random
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.events import Source
from recommender_operator.adapters.counters import metrics_page
from recommender_operator.api.baseline import PACKED_LIMIT
from recommender_operator.observed import Baseline
from recommender_operator.resources import counter_baselines
from recommender_serving.artifact.file_schemas import MAX_ALL_BINS, MAX_BINS
from recommender_serving.domain.types import FallReason, Outcome
from recommender_serving.monitoring.version_metrics import Metrics
from recommender_training.artifact import reference
from tests.unit.recommender_operator.resources.builder_inputs import model, version

Golden = Callable[[str, Any], None]
AT = datetime.datetime(2026, 1, 1, 12, 0, 0, 5, tzinfo=datetime.UTC)
#: Features of docs/contracts.md: the maximum number in an artifact, with the longest names.
NUMBERS = ("session_length", "mean_value", "top_score")
OF_NUMBERS = len(NUMBERS) * (reference.MAX_BINS + 2)
CATEGORIES = tuple(
    f"last_{'f' * 37}{i:03}" for i in range((MAX_ALL_BINS - OF_NUMBERS) // (MAX_BINS + 3))
)
#: Pods of each arm that must fit a baseline.
PODS = 100


def baseline(key: str = "step/movies-0123abcd", samples: Any = None) -> Baseline:
    counted = {"movies-0123abcd": {"pod-a": {"s": 3.0, "t": 0.5}, "pod-b": {"s": 4.0}}}
    return Baseline(key=key, taken_at=AT, samples=counted if samples is None else samples)


def test_the_object_of_a_baseline_is_as_expected(golden: Golden) -> None:
    golden("counter_baseline", counter_baselines.counter_baseline(model(), version(), baseline()))


def test_a_baseline_without_a_version_goes_with_the_model() -> None:
    thing = counter_baselines.counter_baseline(model(), None, baseline())
    (owner,) = thing["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("RecommenderModel", model().uid)
    assert counter_baselines.version_of(baseline().key) == version().name


SERIES = st.dictionaries(
    st.text('abc{}="_é', min_size=1, max_size=12),
    st.floats(0, 1e12) | st.integers(0, 2**53).map(float),
    max_size=5,
)
SAMPLES = st.dictionaries(
    st.text("ab-", min_size=1, max_size=5),
    st.dictionaries(st.text("pod-", min_size=1, max_size=5), SERIES, max_size=3),
    max_size=3,
)


@given(st.text(min_size=1, max_size=40), SAMPLES)
def test_a_baseline_survives_its_object(key: str, samples: Any) -> None:
    kept = baseline(key, samples)
    assert (
        counter_baselines.parse_baseline(counter_baselines.counter_baseline(model(), None, kept))
        == kept
    )


@given(st.lists(st.text(min_size=1, max_size=250), unique=True, min_size=2, max_size=5))
def test_different_windows_have_different_valid_names(keys: list[str]) -> None:
    names = {counter_baselines.name("m" * 40, key) for key in keys}
    assert len(names) == len(keys)
    assert all(len(name) <= 63 and name.isascii() for name in names)


class Fleet:
    """The pods of a version with the most categories that an artifact may have."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._random = random.Random(seed)
        self._registry = prometheus_client.CollectorRegistry()
        self._reference = list(self._bins())
        Metrics(
            self._registry,
            "m" * 40,
            "m" * 40 + "-0123abcd",
            self._reference,
            *(
                {name: self._random.uniform(1, 3) for name in (*CATEGORIES, *NUMBERS)}
                for _ in ("values", "missing")
            ),
        )
        self.page = prometheus_client.generate_latest(self._registry).decode()
        self._counters = metrics_page.parse_page(self.page)

    def _bins(self) -> Iterator[tuple[str, str, int]]:
        for name, size, others in (
            *((name, MAX_BINS, ["other"]) for name in CATEGORIES),
            *((name, reference.MAX_BINS, []) for name in NUMBERS),
        ):
            for place in (*(str(i) for i in range(size)), *others, "null", "unknown"):
                yield name, place, self._random.randrange(100_000)

    def pods(self, count: int) -> dict[str, Mapping[str, float]]:
        """Return counters after about a million sessions, with more of common categories."""
        chance = np.random.default_rng(self._seed)
        own = list(self._counters)
        ranks = np.array([rank for one in own if (rank := _rank(one)) is not None])
        shares = 1 / (ranks + 1) / 7.5
        result: dict[str, Mapping[str, float]] = {}
        for i in range(count):
            sessions = 1_000_000 * chance.uniform(0.3, 1.7)
            counted = iter(chance.poisson(sessions * shares).astype(float).tolist())
            result[f"pod-{i:05}"] = {
                one: self._counters[one] if _rank(one) is None else next(counted) for one in own
            }
        return result


def _rank(series: str) -> int | None:
    """Return the place of a counted category, the most common first; None for other series."""
    if not series.startswith("recommender_feature_values_total"):
        return None
    place = series.partition('bin="')[2].partition('"')[0]
    return int(place) if place.isdigit() else None


def test_two_arms_of_a_hundred_pods_with_the_largest_page_fit_an_object() -> None:
    fleets = {f"v-{seed}": Fleet(seed) for seed in range(2)}
    for fleet in fleets.values():
        assert len(fleet.page) <= metrics_page.PAGE_LIMIT
        assert len(fleet._counters) <= metrics_page.SERIES_LIMIT
        assert len(fleet._counters) > 2 * len(CATEGORIES) * MAX_BINS
    samples = {name: fleet.pods(PODS) for name, fleet in fleets.items()}
    text = counter_baselines.pack(samples)
    assert len(text) < 0.85 * PACKED_LIMIT
    assert counter_baselines.unpack(text) == samples


def test_the_usual_page_of_a_hundred_pods_takes_a_twentieth_of_an_object() -> None:
    own = [f'recommender_x{{bin="{i}"}}' for i in range(250)]
    pods = {f"p{i}": {one: float(i * j % 9_973) for j, one in enumerate(own)} for i in range(PODS)}
    assert len(counter_baselines.pack({"a": pods, "b": pods})) < PACKED_LIMIT / 13


def test_counters_that_do_not_fit_are_refused_with_a_remedy() -> None:
    chance = random.Random(1)
    pods = {
        f"pod-{i}": {f"s-{j}": float(chance.getrandbits(53)) for j in range(2_000)}
        for i in range(PODS)
    }
    with pytest.raises(
        counter_baselines.BaselineTooLargeError, match=r"100 pods.*reduce serving.replicas"
    ):
        counter_baselines.pack({"v": pods})


def packed(head: bytes, numbers: bytes = b"") -> str:
    content = len(head).to_bytes(4, "little") + head + numbers
    return base64.b64encode(zlib.compress(content)).decode()


ARM = b'[{"version":"v","pods":["p"],"series":["s"],"kinds":"q"}]'
GARBAGE = [
    "", "!!", "aGVsbG8=", packed(b""), packed(b"{"), packed(b"null"), packed(b"[7]"),
    packed(b"[{}]"), packed(ARM), packed(ARM, b"1234567"), packed(ARM, b"1" * 16),
    packed(ARM.replace(b'"q"', b'"x"'), b"1" * 8), packed(ARM.replace(b'"q"', b'"qq"'), b"1" * 16),
    packed(b"[" * 5_000), base64.b64encode(zlib.compress(b"0" * (33 * 2**20))).decode(),
    counter_baselines.pack(baseline().samples)[:-8],
    # All numbers, without their checksum.
    base64.b64encode(base64.b64decode(counter_baselines.pack(baseline().samples))[:-4]).decode(),
]  # fmt: skip


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_an_invalid_text_is_not_a_baseline(garbage: str) -> None:
    thing = counter_baselines.counter_baseline(model(), None, baseline())
    thing["spec"]["counters"] = garbage
    assert counter_baselines.parse_baseline(thing) is None


@pytest.mark.parametrize(
    "change", [{"key": ""}, {"takenAt": "2026-01-01T00:00:00"}, {"takenAt": 7e99}]
)
def test_an_object_that_violates_its_schema_is_not_a_baseline(change: dict[str, Any]) -> None:
    thing = counter_baselines.counter_baseline(model(), None, baseline())
    assert counter_baselines.parse_baseline(thing) is not None
    assert counter_baselines.parse_baseline({**thing, "spec": thing["spec"] | change}) is None
    assert counter_baselines.parse_baseline({"metadata": {}}) is None


@given(st.binary(max_size=200))
def test_no_text_can_break_the_look(content: bytes) -> None:
    thing = counter_baselines.counter_baseline(model(), None, baseline())
    for text in (content.decode("latin1"), base64.b64encode(zlib.compress(content)).decode()):
        thing["spec"]["counters"] = text
        counter_baselines.parse_baseline(thing)


def test_the_series_of_the_contract_are_those_of_the_transformer() -> None:
    counters = Fleet(0)._counters
    outcomes = [series for series in counters if series.startswith("recommender_requests_total")]
    assert len(outcomes) == len(Outcome)
    falls = [series for series in counters if series.startswith("recommender_fallbacks_total")]
    answers = [series for series in counters if series.startswith("recommender_answers_total")]
    assert (len(falls), len(answers)) == (len(FallReason), len(Source))
