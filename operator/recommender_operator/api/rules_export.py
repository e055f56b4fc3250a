"""CEL rules of `spec.training.export`: which models have smaller variants."""

from __future__ import annotations

TRAINING = (
    (
        "!has(self.export) || !has(self.export.variants) || self.export.variants.size() == 0 || "
        "!has(self.hyperparameters) || !has(self.hyperparameters.retrieval) || "
        "self.hyperparameters.retrieval != 'TwoTower'",
        "training.export.variants requires training.hyperparameters.retrieval Weights or Both: "
        "variants compress the item-to-item weights, and TwoTower has none",
    ),
)
