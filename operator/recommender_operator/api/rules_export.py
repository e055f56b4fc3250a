"""CEL rules of `spec.training.export`: what cannot be made smaller."""

from __future__ import annotations

TRAINING = (
    (
        "!has(self.export) || !has(self.export.variants) || self.export.variants.size() == 0 || "
        "!has(self.hyperparameters) || !has(self.hyperparameters.retrieval) || "
        "self.hyperparameters.retrieval != 'TwoTower'",
        "training.export.variants need training.hyperparameters.retrieval Weights or Both: they "
        "compress the item-to-item weights, and TwoTower has none",
    ),
)
