"""How lists are made: which item-to-item weights, and how many items the models score.

The response model scores every item of a small catalogue. Of a large one it scores the candidates
alone: the items that come first by all that is cheap for every item (item-to-item weights,
popularity, towers, the bonus of item groups). So the cost of an answer hardly depends on the size
of the catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass

from recommender_contract.resource.hyperparameters import ItemIndex, ItemWeights
from recommender_training.common.errors import InputError

#: Items up to which every one is scored, and candidates beyond, unless the settings say otherwise.
ALL_ITEMS, CANDIDATES = 2_000, 500
#: One candidate in so many is kept for a new item, where there are any (`fitted.new_items`).
ONE_NEW_IN = 5
#: Items up to which item-to-item weights are dense by default, and at most: [I, I] float32 are
#: 16 MB at the first and 400 MB at the second. Sparse ones rank as well (ADR 0029).
DENSE_ITEMS, MAX_DENSE_ITEMS = 2_000, 10_000
#: Items up to which the first stage scores every item by default (ADR 0072).
EXACT_ITEMS = 1_000_000


@dataclass(frozen=True)
class ListPlan:
    """How the lists of one catalogue are made."""

    #: Dense or Sparse; None where lists are not ordered by item-to-item weights.
    weights: ItemWeights | None = ItemWeights.DENSE
    #: Items that the models score for a request; None for every item.
    candidates: int | None = None
    #: Exact, or Approximate: an index is tried, and serves if it finds enough
    #: (`fitted.ivf_selection`).
    index: ItemIndex = ItemIndex.EXACT
    #: Why it is Exact although the settings want it Approximate.
    index_refused: str | None = None
    #: Candidates that are kept for new items, if there are so many.
    for_new: int = 0

    @property
    def facts(self) -> dict[str, object]:
        """Facts for the report."""
        weights = {} if self.weights is None else {"itemWeights": self.weights.value}
        return {**weights, "candidates": "All" if self.candidates is None else self.candidates}


def plan(
    items: int,
    weights: ItemWeights | None,
    candidates: int | None,
    index: ItemIndex = ItemIndex.AUTO,
) -> ListPlan:
    """The plan for a catalogue of so many items; None for `candidates` chooses by its size.

    Where every item is scored anyway, by the response or by dense weights, no index is tried.

    Raises InputError `CatalogueTooLarge` where the settings want dense weights of too many items.
    """
    if weights is ItemWeights.AUTO:
        weights = ItemWeights.DENSE if items <= DENSE_ITEMS else ItemWeights.SPARSE
    if weights is ItemWeights.DENSE and items > MAX_DENSE_ITEMS:
        raise InputError(
            "CatalogueTooLarge",
            f"training.hyperparameters.itemWeights=Dense takes {MAX_DENSE_ITEMS} items at most, "
            f"and the items table has {items}: set it to Sparse or Auto, or leave out items that "
            "can no longer be recommended",
        )
    if candidates is None:
        candidates = CANDIDATES if items > ALL_ITEMS else None
    every = candidates is None or candidates >= items
    if index is ItemIndex.AUTO:
        index = ItemIndex.APPROXIMATE if items > EXACT_ITEMS else ItemIndex.EXACT
    refused = None
    if index is ItemIndex.APPROXIMATE and (every or weights is ItemWeights.DENSE):
        what = "the response scores" if every else "dense item-to-item weights are of"
        index, refused = ItemIndex.EXACT, f"{what} every item"
    if candidates is None or every:
        return ListPlan(weights, None, index, refused)
    return ListPlan(weights, candidates, index, refused, candidates // ONE_NEW_IN)
