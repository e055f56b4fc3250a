"""CEL rules of `spec.training.workers`: what several pods cannot share."""

from __future__ import annotations

TRAINING = (
    (
        "!has(self.workers) || self.workers == 1 || !has(self.algorithm) || "
        "self.algorithm == 'DeepRanker'",
        "training.workers above 1 needs training.algorithm DeepRanker: the logistic regression is "
        "fitted by one process",
    ),
    (
        "!has(self.workers) || self.workers == 1 || !has(self.search)",
        "training.search needs training.workers 1: its trials run in one pod, by "
        "training.search.parallelism, and the other workers would only wait",
    ),
)
