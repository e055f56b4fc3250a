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
from recommender_training.fitted.order_weights import OrderWeights
from recommender_training.models import item_weights, next_items, repeats, two_tower
from recommender_training.models.item_weights import Weights
from recommender_training.models.ivf_index import IvfIndex
from recommender_training.models.next_items import NextItems
from recommender_training.models.repeats import Repeats


@dataclass(frozen=True)
class RetrievalModels:
    """Sources of a list's order, and their weights; without towers `towers` is None."""

    plan: ListPlan = field(default_factory=ListPlan)
    towers: two_tower.TwoTower | None = None
    #: Epochs and validation loss of the towers at their best.
    epochs: float = 0.0
    loss: float = 0.0
    #: What each source counts beside the response (`pipeline.fit_order`), and how it was chosen.
    order: OrderWeights = field(default_factory=OrderWeights)
    choice: Mapping[str, object] = field(default_factory=dict)
    #: Seconds after which an item of the session may be listed again; None for never.
    repeat_after: int | None = None
    #: The IVF index of the items, where one serves (`fitted.ivf_selection`), and its facts.
    ivf: IvfIndex | None = None
    index: Mapping[str, object] = field(default_factory=lambda: {"index": ItemIndex.EXACT.value})
    #: Facts of the new items at the export (`fitted.new_items`).
    new: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: ListPlan, label: Label | None) -> RetrievalModels:
        """Those without towers, for rows with this label."""
        shown = label is not None and label.of_shown_items
        return cls(plan, order=OrderWeights.start(plan, shown=shown))

    @property
    def weights(self) -> bool:
        """True if lists are ordered by item-to-item weights."""
        return self.plan.weights is not None

    def weights_before(self, data: Dataset, time: int) -> Weights | None:
        """[I, I] item-to-item weights from the events before a time, where lists have them. They
        follow from what is known, as counts do, so each window has its own.
        """
        if self.plan.weights is None:
            return None
        return item_weights.fit(data, data.events.time < time, self.plan.weights)

    def weighted(self, weights: Weights | None) -> Weights | None:
        """[I, I] the same weights as they count in the order."""
        return None if weights is None else weights * np.float32(self.order.items)

    def repeats_before(self, data: Dataset, time: int | None, length: int) -> Repeats | None:
        """How items come again by the events before a time, by all if None; None if they never
        may. Sessions are of `length` events.
        """
        return None if self.repeat_after is None else repeats.fit(data, time, length)

    def next_before(self, data: Dataset, time: int | None) -> NextItems | None:
        """What came after what by the events before a time, by all if None; None where it does
        not count.
        """
        counts = self.order.next > 0 or self.order.pair > 0
        return next_items.fit(data, time) if counts else None

    def facts(self, orders: Retrieval) -> dict[str, object]:
        """Facts for the report: `epochs` and `validationLoss` are those of the towers."""
        lists = {"orders": orders.value, **self.plan.facts, **self.new, **self.index}
        lists |= self.choice
        if self.towers is None:
            return lists
        facts = {"loss": self.towers.size.loss.value, "epochs": round(self.epochs, 3)}
        if math.isfinite(self.loss):  # a window without a liked item has none
            facts["validationLoss"] = round(self.loss, 6)
        return {**lists, **facts}

    def standing(self, counts: ItemCounts) -> Floats:
        """[I] order of every item whatever the request: popularity, and part of the lift."""
        order = item_weights.popularity_prior(counts) * np.float32(self.order.popularity)
        if self.towers is not None:
            order = order + self.level
        return np.asarray(order, dtype=np.float32)

    @property
    def level(self) -> Floats:
        """[I] the part of the weighted lift that does not depend on the request; needs towers."""
        assert self.towers is not None
        lift = (self.towers.bias - self.towers.log_share).detach() * self.order.lift
        return np.asarray(lift.numpy(), dtype=np.float32)

    def request_vectors(self, inputs: Inputs, items: Tensor) -> Floats:
        """[B, D] whose product with the vectors of items is the rest of the weighted lift.

        `items` are the `item_vectors`; needs towers.
        """
        assert self.towers is not None
        with torch.inference_mode():
            found = self.towers.eval().request_vectors(items, inputs) * self.order.lift
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
            lifted = self.towers.eval().lift(inputs, items).mul_(self.order.lift)
        return np.asarray(lifted.numpy(), dtype=np.float32)
