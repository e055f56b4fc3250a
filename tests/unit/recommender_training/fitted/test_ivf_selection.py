"""An index of the items serves where it was shown to find the candidates, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recommender_contract.resource.hyperparameters import ItemIndex, ItemWeights
from recommender_training.config import lists
from recommender_training.config.lists import ListPlan
from recommender_training.fitted import ivf_selection
from recommender_training.fitted.retrieval import RetrievalModels
from recommender_training.models import ivf_index

WANTED = RetrievalModels(ListPlan(None, 100, ItemIndex.APPROXIMATE))


def shop(items: int, spread: float, requests: int = 200) -> ivf_selection.FirstStageSample:
    """Items around few centres; the wider their `spread`, the less cells help."""
    random = np.random.default_rng(1)
    centres = random.normal(size=(40, 6))
    vectors = centres[random.integers(0, 40, items)] + random.normal(0, spread, (items, 6))
    asked = random.normal(size=(requests, 6))
    standing = np.zeros(items, dtype="f4")
    return ivf_selection.FirstStageSample(vectors.astype("f4"), standing, asked.astype("f4")[None])


def test_cells_serve_where_they_find_enough_and_the_report_says_how_much() -> None:
    found = ivf_selection.select_index(WANTED, shop(12_000, 0.02), 3)
    assert found.ivf is not None
    assert found.ivf.probes < found.ivf.cells * ivf_selection.MOST_READ
    facts = found.index
    assert facts["index"] == "Approximate"
    assert ivf_selection.LEAST_RECALL <= facts["candidateRecall"] <= 1  # type: ignore[operator]
    assert facts["recallRequests"] == 100


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        (shop(3_000, 9.0), "98% by reading 25% are wanted"),
        (shop(3_000, 0.02, requests=39), "39 requests are too few"),
    ],
)
def test_cells_that_find_too_little_never_serve(
    sample: ivf_selection.FirstStageSample, words: str
) -> None:
    found = ivf_selection.select_index(WANTED, sample, 3)
    assert found.ivf is None
    assert found.index["index"] == "Exact"
    assert words in str(found.index["indexRefused"])


def test_cells_have_to_find_enough_for_requests_without_a_session_as_well() -> None:
    standing = np.random.default_rng(2).normal(size=12_000).astype("f4")
    asked = replace(shop(12_000, 0.02), standing=standing)
    alone = np.concatenate([asked.requests, np.zeros_like(asked.requests)])
    both = replace(asked, requests=alone)

    def shares(found: RetrievalModels) -> list[float]:
        assert found.ivf is not None
        ranked = both.ranks(found.ivf, both.others, 100)
        return [ivf_index.recall_of(each, found.ivf.probes) for each in ranked]

    assert min(shares(ivf_selection.select_index(WANTED, asked, 3))) < ivf_selection.LEAST_RECALL
    for each in (both, replace(both, requests=both.requests[::-1])):
        found = ivf_selection.select_index(WANTED, each, 3)
        assert min(shares(found)) >= ivf_selection.LEAST_RECALL
        assert found.index["candidateRecall"] == round(min(shares(found)), 4)


def test_cells_that_find_too_little_at_the_export_never_serve_and_the_others_are_not_changed() -> (
    None
):
    sample = shop(12_000, 0.02)
    chosen = ivf_selection.select_index(WANTED, sample, 3)
    random = np.random.default_rng(9)
    moved = random.normal(0, 0.001, sample.vectors.shape).astype("f4")
    again = ivf_selection.verify_index(chosen, replace(sample, vectors=sample.vectors + moved))
    assert again.ivf is chosen.ivf
    other = replace(sample, vectors=random.permutation(sample.vectors))
    refused = ivf_selection.verify_index(chosen, other)
    assert refused.ivf is None
    assert "at the export" in str(refused.index["indexRefused"])


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (lists.plan(5_000, ItemWeights.DENSE, None, ItemIndex.APPROXIMATE), "dense"),
        (lists.plan(1_000, ItemWeights.SPARSE, None, ItemIndex.APPROXIMATE), "response scores"),
        (ListPlan(None, 100, ItemIndex.APPROXIMATE), "towers"),
    ],
)
def test_an_index_that_the_settings_want_and_that_is_not_tried_has_a_reason(
    plan: ListPlan, words: str
) -> None:
    assert words in str(ivf_selection.index_refusal(RetrievalModels(plan)))


def test_an_exact_scan_that_nobody_wanted_otherwise_needs_no_reason() -> None:
    assert (
        ivf_selection.index_refusal(RetrievalModels(lists.plan(1_000, ItemWeights.AUTO, None)))
        is None
    )


def test_an_index_is_tried_only_where_the_plan_wants_it_and_towers_find_candidates() -> None:
    assert not ivf_selection.index_wanted(WANTED), "no towers"
    assert not ivf_selection.index_wanted(RetrievalModels(ListPlan(None, 100)))


def test_sampled_requests_are_distinct_and_the_same_again() -> None:
    drawn = ivf_selection.sample_request_rows(10_000, 4)
    assert len(np.unique(drawn)) == ivf_selection.SAMPLED
    np.testing.assert_array_equal(drawn, ivf_selection.sample_request_rows(10_000, 4))
    assert ivf_selection.sample_request_rows(3, 4).tolist() == [0, 1, 2]
