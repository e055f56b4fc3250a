"""The message of a training names what its lists are made of."""

from __future__ import annotations

import pytest

from recommender_contract.resource.hyperparameters import ItemWeights
from recommender_training.cli.train import lists_of
from recommender_training.config.lists import ListPlan


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        (ListPlan(), "lists of every item, dense item weights"),
        (ListPlan(ItemWeights.SPARSE, 500), "lists of 500 candidates, sparse item weights"),
        (ListPlan(None, 300), "lists of 300 candidates"),
    ],
)
def test_the_message_names_candidates_and_form_of_the_weights(plan: ListPlan, text: str) -> None:
    assert lists_of(plan.facts) == text


def test_the_message_names_the_candidates_that_are_kept_for_new_items() -> None:
    section = {**ListPlan(None, 500).facts, "newItems": 70, "newItemCandidates": 100}
    assert lists_of(section) == "lists of 500 candidates (400 by score, 100 new)"


def test_the_message_names_the_recall_of_an_index() -> None:
    section = {**ListPlan(None, 500).facts, "index": "Approximate", "candidateRecall": 0.9912}
    expected = "lists of 500 candidates, found by an index with recall 0.9912"
    assert lists_of(section) == expected


def test_the_message_says_why_there_is_no_index() -> None:
    section = {**ListPlan(None, 500).facts, "index": "Exact", "indexRefused": "it finds 12%"}
    assert lists_of(section) == "lists of 500 candidates, no index of items: it finds 12%"
