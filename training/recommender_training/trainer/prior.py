"""The prior of a ranker's weights in a fit: about zero, or about the weights of a champion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from recommender_training.models.ranker import Ranker


@dataclass
class Prior:
    """The negative logarithm of a prior, as a fit adds it to its loss (`Ranker.prior`)."""

    model: Ranker
    #: Means of the weights by name; zeros for those that are not named.
    centre: Mapping[str, Tensor]

    @classmethod
    def of(cls, model: Ranker, *, started: bool) -> Prior:
        """About zero for fresh weights, about the champion's where the fit `started` from them.

        A fit on few new events would else shrink what many earlier ones taught.
        """
        named = model.named_parameters() if started else ()
        return cls(model, {name: weights.detach().clone() for name, weights in named})

    def __call__(self) -> Tensor:
        """A number."""
        device = self.model.user.weight.device
        if any(value.device != device for value in self.centre.values()):
            self.centre = {name: value.to(device) for name, value in self.centre.items()}
        return self.model.prior(self.centre)
