"""Lists keep the limits of the resource, and change no more than these need."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.events import Source
from recommender_serving.domain.selection import Selection
from recommender_serving.domain.types import FallReason, Limit, RankerError, Ranking
from recommender_serving.ranking.list_composition import (
    Composer,
    Diversity,
    Exposure,
    ListLimits,
    Pair,
)
from recommender_serving.ranking.selection_rules import depth_of
from tests.unit.recommender_serving.serving_fakes import PLAIN, Parts, Watching, failing, giving
from tests.unit.recommender_serving.serving_samples import (
    CATALOGUE,
    VOCABULARY,
    further,
    request,
    vocabulary_of,
)

GENRES = ["action", "comedy", "drama"]
#: Categories of each item; an item may have none or several.
catalogues = st.lists(
    st.lists(st.sampled_from(range(3)), max_size=3, unique=True), min_size=1, max_size=25
)
diversities = st.builds(Diversity, st.just("genre"), st.integers(1, 4))
exposures = st.builds(
    Exposure,
    st.just("genre"),
    st.frozensets(st.sampled_from(GENRES), min_size=1, max_size=2),
    st.sampled_from([0.1, 0.2, 1 / 3, 0.5, 0.9]),
)
limits = st.builds(
    ListLimits,
    st.lists(diversities, max_size=1).map(tuple),
    st.lists(exposures, max_size=2).map(tuple),
)


def composed(
    catalogue: list[list[int]], given_limits: ListLimits, top_n: int
) -> tuple[list[int], set[Limit]]:
    """The places of the items 0, 1, 2, ... that are ranked in this order, and unmet limits."""
    unmet: set[Limit] = set()
    items = vocabulary_of(VOCABULARY | {"items": further({"genre": (GENRES, catalogue)})}).items
    ranked: list[Pair] = [(item, -float(item)) for item in range(len(catalogue))]
    found = Composer(items, given_limits, unmet.add).compose(ranked, top_n)
    assert all(score == -item for item, score in found)  # scores stay with their items
    return [item for item, _ in found], unmet


def naive(catalogue: list[list[int]], given_limits: ListLimits, top_n: int) -> list[int]:
    """The same by the definition, in quadratic time."""
    chosen: list[int] = []
    names = [{GENRES[code] for code in codes} for codes in catalogue]
    while len(chosen) < min(top_n, len(catalogue)):
        counts = Counter(name for item in chosen for name in names[item])
        left = [item for item in range(len(catalogue)) if item not in chosen]
        fits = [
            item
            for item in left
            if all(
                counts[name] < each.max_per_category
                for each in given_limits.diversity
                for name in names[item]
            )
        ]
        if not fits:
            return chosen + left[: min(top_n, len(catalogue)) - len(chosen)]
        pool = [
            [item for item in fits if each.categories & names[item]]
            for each in _lacking(chosen, names, given_limits, min(top_n, len(catalogue)))
        ]
        chosen.append(next((own[0] for own in pool if own), fits[0]))
    return chosen


def _lacking(
    chosen: list[int], names: list[set[str]], given_limits: ListLimits, length: int
) -> list[Exposure]:
    """The groups that need the next place, the one that lacks most first; often none."""
    every = list(range(len(names)))
    for k in range(len(chosen) + 1, length + 1):
        lacks = [
            (min(_floor(k * each.min_share), _of(each, every, names)) - _of(each, chosen, names))
            for each in given_limits.exposure
        ]
        if sum(lack for lack in lacks if lack > 0) >= k - len(chosen):
            order = sorted(range(len(lacks)), key=lambda index: -lacks[index])
            return [given_limits.exposure[index] for index in order if lacks[index] > 0]
    return []


def _floor(number: float) -> int:
    return math.floor(number + 1e-9)


def _of(limit: Exposure, chosen: list[int], names: list[set[str]]) -> int:
    return sum(bool(limit.categories & names[item]) for item in chosen)


@given(catalogues, limits, st.integers(1, 12))
def test_a_list_is_what_the_definition_says(
    catalogue: list[list[int]], given_limits: ListLimits, top_n: int
) -> None:
    found, _ = composed(catalogue, given_limits, top_n)
    assert found == naive(catalogue, given_limits, top_n)


@given(catalogues, limits, st.integers(1, 12))
def test_a_limit_that_is_not_kept_is_reported(
    catalogue: list[list[int]], given_limits: ListLimits, top_n: int
) -> None:
    found, unmet = composed(catalogue, given_limits, top_n)
    names = [{GENRES[code] for code in codes} for codes in catalogue]
    counts = Counter(name for item in found for name in names[item])
    for each in given_limits.diversity:
        if Limit.DIVERSITY not in unmet:
            assert max(counts.values(), default=0) <= each.max_per_category
    assert (Limit.EXPOSURE in unmet) is any(
        _of(share, found[:length], names) < _floor(length * share.min_share)
        for share in given_limits.exposure
        for length in range(1, len(found) + 1)
    )


def test_groups_that_are_due_at_the_same_place_get_theirs_before() -> None:
    halves = tuple(Exposure("genre", frozenset({name}), 0.5) for name in ("action", "comedy"))
    assert composed([[2], [0], [1]], ListLimits((), halves), 2) == ([1, 2], set())


@given(
    st.lists(st.integers(1, 3), min_size=3, max_size=3),
    st.sampled_from([0.9, 1.0]),
    st.lists(st.sampled_from([3, 3, 3, 0, 1, 2]), min_size=10, max_size=60),
    st.integers(1, 30),
)
def test_disjoint_groups_of_enough_items_are_kept_in_every_beginning(
    weights: list[int], whole: float, first: list[int], top_n: int
) -> None:
    shares = [whole * weight / sum(weights) for weight in weights]
    groups = tuple(
        Exposure("genre", frozenset({name}), share)
        for name, share in zip(GENRES, shares, strict=True)
    )
    catalogue = [[code] if code < 3 else [] for code in first]
    catalogue += [[code] for code in range(3)] * top_n
    _, unmet = composed(catalogue, ListLimits((), groups), top_n)
    assert not unmet


@given(catalogues, limits, st.integers(1, 12))
def test_no_limit_makes_a_list_shorter_or_repeats_an_item(
    catalogue: list[list[int]], given_limits: ListLimits, top_n: int
) -> None:
    found, _ = composed(catalogue, given_limits, top_n)
    assert len(found) == len(set(found)) == min(top_n, len(catalogue))


@given(catalogues, st.integers(1, 12))
def test_a_list_that_keeps_the_limits_stays_as_it_is(
    catalogue: list[list[int]], top_n: int
) -> None:
    loose = ListLimits((Diversity("genre", len(catalogue)),), ())
    assert composed(catalogue, loose, top_n) == (list(range(len(catalogue)))[:top_n], set())


def test_limits_of_a_feature_that_the_version_lacks_are_named_and_ignored() -> None:
    items = vocabulary_of(VOCABULARY).items
    unknown = ListLimits((Diversity("brand", 1),), (Exposure("aisle", frozenset({"a"}), 0.5),))
    composer = Composer(items, unknown, lambda _: pytest.fail("nothing is unmet"))
    assert composer.absent == ["aisle", "brand"]
    assert composer.compose([(3, 0.5), (0, 0.4)], 2) == [(3, 0.5), (0, 0.4)]


ONE_OF_EACH = ListLimits((Diversity("genre", 1),))
RANKED = Ranking((*range(0, CATALOGUE, 3), 1, 2), tuple([0.5] * 19))  # dramas come last


@pytest.mark.parametrize("models", [0, 1, 2])
async def test_limits_hold_whatever_answers(tmp_path: Path, models: int) -> None:
    broken = failing(RankerError(FallReason.ERROR))
    rankers = [*([broken] * (2 - models)), *([giving(RANKED)] * models)]
    parts = Parts(tmp_path, *rankers, list_limits=ONE_OF_EACH)
    found = await parts.chain.answer(request(top_n=3))
    assert found.source is [Source.POPULARITY, Source.BASELINE, Source.MODEL][models]
    assert found.items == ((0, 1, 2) if models else (7, 8, 9))
    assert parts.value("transformer_list_limits_unmet_total", limit="diversity") == 0
    await parts.chain.answer(request(top_n=4))
    assert parts.value("transformer_list_limits_unmet_total", limit="diversity") == 1


async def test_wishes_of_the_request_go_before_limits(tmp_path: Path) -> None:
    parts = Parts(tmp_path, giving(RANKED), giving(PLAIN), list_limits=ONE_OF_EACH)
    wish = Selection(allow={"genre": frozenset({"action"})})
    found = await parts.chain.answer(request(selection=wish, top_n=3))
    assert found.items == (0, 3, 6)


async def test_with_limits_a_model_is_asked_for_items_to_choose_from(tmp_path: Path) -> None:
    asked = request(top_n=3)
    limits_of_all = Parts(tmp_path, giving(RANKED), giving(PLAIN), list_limits=ONE_OF_EACH)
    vocabulary = limits_of_all.artifact.vocabulary
    assert depth_of(asked, vocabulary) == 3
    assert depth_of(asked, vocabulary, limited=True) == CATALOGUE
    # The graph returns what it is asked for: the 3rd genre is beyond the first three items.
    watching = Watching()
    parts = Parts(tmp_path, watching, giving(PLAIN), list_limits=ONE_OF_EACH)
    await parts.chain.answer(asked)
    assert watching.wanted == CATALOGUE
