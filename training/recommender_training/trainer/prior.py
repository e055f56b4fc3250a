"""The prior of a ranker's weights in a fit: about zero, or about those that it starts from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from recommender_training.models.ranker import Ranker
from recommender_training.trainer.sparse_embedding import Pull


@dataclass
class Prior:
    """The negative logarithm of a prior, as a fit adds it to its loss (`Ranker.prior`)."""

    model: Ranker
    #: Means of the weights by name; zeros for those that are not named.
    centre: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, model: Ranker) -> Prior:
        """About the weights that the model has, those of a champion.

        A fit on few new events would else shrink what many earlier ones taught.
        """
        named = model.named_parameters()
        return cls(model, {name: weights.detach().clone() for name, weights in named})

    def __call__(self, without: Collection[str] = ()) -> Tensor:
        """A number, `without` the tables that a fit updates by row."""
        self._follow()
        return self.model.prior(self.centre, without)

    def pulls(self, names: Collection[str], rows: int) -> dict[str, Pull]:
        """The prior of each of these tables, for a fit on so many rows an epoch."""
        self._follow()
        variances = self.model.variances()
        return {
            name: Pull(1.0 / (variances[name] * rows), self.centre.get(name))
            for name in names
            if name in variances
        }

    def _follow(self) -> None:
        """Move the means to the device of the model."""
        device = self.model.user.weight.device
        if any(value.device != device for value in self.centre.values()):
            self.centre = {name: value.to(device) for name, value in self.centre.items()}
