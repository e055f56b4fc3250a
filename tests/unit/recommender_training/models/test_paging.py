"""An index of the items serves where it was shown to find the candidates, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from recommender_training.config.lists import ItemIndex, ListPlan
from recommender_training.fitted import paging
from recommender_training.fitted.retrieval import RetrievalModels

WANTED = RetrievalModels(ListPlan(None, 100, ItemIndex.APPROXIMATE))


def shop(items: int, spread: float, requests: int = 200) -> paging.Sample:
    """Items around few centres; the wider their `spread`, the less pages help."""
    random = np.random.default_rng(1)
    centres = random.normal(size=(40, 6))
    vectors = centres[random.integers(0, 40, items)] + random.normal(0, spread, (items, 6))
    asked = random.normal(size=(requests, 6))
    return paging.Sample(vectors.astype("f4"), np.zeros(items, dtype="f4"), asked.astype("f4"))


def test_pages_serve_where_they_find_enough_and_the_report_says_how_much() -> None:
    found = paging.paged(WANTED, shop(12_000, 0.02), 3)
    assert found.pages is not None
    assert found.pages.read < found.pages.count * paging.MOST_READ
    facts = found.index
    assert facts["index"] == "Approximate"
    assert paging.LEAST_RECALL <= facts["candidateRecall"] <= 1  # type: ignore[operator]
    assert facts["recallRequests"] == 100


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        (shop(3_000, 9.0), "98% by reading 25% are wanted"),
        (shop(3_000, 0.02, requests=39), "39 requests are too few"),
    ],
)
def test_pages_that_find_too_little_never_serve(sample: paging.Sample, words: str) -> None:
    found = paging.paged(WANTED, sample, 3)
    assert found.pages is None
    assert found.index["index"] == "Exact"
    assert words in str(found.index["indexRefused"])


def test_an_index_is_tried_only_where_the_plan_wants_it_and_towers_find_candidates() -> None:
    assert not paging.wanted(WANTED), "no towers"
    assert not paging.wanted(RetrievalModels(ListPlan(None, 100)))


def test_sampled_requests_are_distinct_and_the_same_again() -> None:
    drawn = paging.drawn(10_000, 4)
    assert len(np.unique(drawn)) == paging.SAMPLED
    np.testing.assert_array_equal(drawn, paging.drawn(10_000, 4))
    assert paging.drawn(3, 4).tolist() == [0, 1, 2]
