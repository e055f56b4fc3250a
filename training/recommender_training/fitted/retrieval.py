"""Sources of a list's order beside the response: item-to-item weights, two towers, or both."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from recommender_contract.resource.hyperparameters import ItemIndex, Retrieval
from recommender_training.common.arrays import Floats
from recommender_training.config.label import Label
from recommender_training.config.lists import ListPlan
from recommender_training.data.dataset import Dataset
from recommender_training.data.row_times import END
from recommender_training.features.assembly import Inputs
from recommender_training.features.event_history import ItemCounts
from recommender_training.models import item_weights, two_tower
from recommender_training.models.item_weights import Weights
from recommender_training.models.ivf_index import IvfIndex

#: The lift of the towers counts so much: beside the item-to-item weights, and instead of them,
#: where popularity counts as much as the lift. Chosen by rolling origin (ADR 0013).
BESIDE_WEIGHTS, WITHOUT_WEIGHTS = 4.0, 4.0
#: What all of it counts beside the response where the labelled rows are items that were shown:
#: enough to choose candidates. The response is then the chance of a click if an item is shown,
#: which is what a list wants; what users did together tells what earlier models showed (ADR 0064).
SHOWN_ITEMS = 0.01


@dataclass(frozen=True)
class RetrievalModels:
    """Sources of a list's order, and their weights; without towers `towers` is None."""

    plan: ListPlan = field(default_factory=ListPlan)
    towers: two_tower.TwoTower | None = None
    #: Epochs and validation loss of the towers at their best.
    epochs: float = 0.0
    loss: float = 0.0
    #: What all of it counts beside the response.
    order_weight: float = 1.0
    #: The IVF index of the items, where one serves (`fitted.ivf_selection`), and its facts.
    ivf: IvfIndex | None = None
    index: Mapping[str, object] = field(default_factory=lambda: {"index": ItemIndex.EXACT.value})
    #: Facts of the new items at the export (`fitted.new_items`).
    new: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: ListPlan, label: Label | None) -> RetrievalModels:
        """Those without towers, for rows with this label."""
        shown = label is not None and label.of_shown_items
        return cls(plan, order_weight=SHOWN_ITEMS if shown else 1.0)

    @property
    def weights(self) -> bool:
        """True if lists are ordered by item-to-item weights."""
        return self.plan.weights is not None

    @property
    def lift_weight(self) -> float:
        """Factor of the lift of the towers."""
        return self.order_weight * (BESIDE_WEIGHTS if self.weights else WITHOUT_WEIGHTS)

    @property
    def popularity_weight(self) -> float:
        """Factor of log popularity."""
        return self.order_weight * (1.0 if self.weights else WITHOUT_WEIGHTS)

    @property
    def retrieval_weight(self) -> float:
        """Factor of the score of the item-to-item weights."""
        return self.order_weight * item_weights.RETRIEVAL_WEIGHT

    def weights_before(self, data: Dataset, time: int) -> Weights | None:
        """[I, I] weighted item-to-item weights from the events before a time, where lists have
        them. They follow from what is known, as counts do, so each window has its own.
        """
        if self.plan.weights is None:
            return None
        fitted = item_weights.fit(data, data.events.time < time, self.plan.weights)
        return fitted * np.float32(self.retrieval_weight)

    def facts(self, orders: Retrieval) -> dict[str, object]:
        """Facts for the report: `epochs` and `validationLoss` are those of the towers."""
        lists = {"orders": orders.value, **self.plan.facts, **self.new, **self.index}
        if self.towers is None:
            return lists
        facts = {"loss": self.towers.size.loss.value, "epochs": round(self.epochs, 3)}
        if math.isfinite(self.loss):  # a window without a liked item has none
            facts["validationLoss"] = round(self.loss, 6)
        return {**lists, **facts}

    def standing(self, counts: ItemCounts) -> Floats:
        """[I] order of every item whatever the request: popularity, and part of the lift."""
        order = item_weights.popularity_prior(counts) * np.float32(self.popularity_weight)
        if self.towers is not None:
            order = order + self.level
        return np.asarray(order, dtype=np.float32)

    @property
    def level(self) -> Floats:
        """[I] the part of the weighted lift that does not depend on the request; needs towers."""
        assert self.towers is not None
        lift = (self.towers.bias - self.towers.log_share).detach() * self.lift_weight
        return np.asarray(lift.numpy(), dtype=np.float32)

    def request_vectors(self, inputs: Inputs, items: Tensor) -> Floats:
        """[B, D] whose product with the vectors of items is the rest of the weighted lift.

        `items` are the `item_vectors`; needs towers.
        """
        assert self.towers is not None
        with torch.inference_mode():
            found = self.towers.eval().request_vectors(items, inputs) * self.lift_weight
        return np.asarray(found.numpy(), dtype=np.float32)

    def item_vectors(self, time: int | None = None) -> Tensor:
        """[I + 1, D] the towers' vectors of all items at a time, by default the newest, for
        `lift`; needs towers.
        """
        assert self.towers is not None
        with torch.inference_mode():
            return self.towers.eval().item_vectors(END if time is None else time)

    def lift(self, inputs: Inputs, items: Tensor | None = None) -> Floats:
        """[B, I] weighted lift of every item for each row of the inputs; needs towers.

        `items` are the `item_vectors`, for a caller that asks more than once.
        """
        assert self.towers is not None
        with torch.inference_mode():
            lifted = self.towers.eval().lift(inputs, items).mul_(self.lift_weight)
        return np.asarray(lifted.numpy(), dtype=np.float32)
