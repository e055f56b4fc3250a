"""CEL rules of `spec.training.workers`: which trainings can use several pods."""

from __future__ import annotations

TRAINING = (
    (
        "!has(self.workers) || self.workers == 1 || !has(self.algorithm) || "
        "self.algorithm == 'DeepRanker'",
        "training.workers above 1 requires training.algorithm DeepRanker: one process fits the "
        "logistic regression",
    ),
    (
        "!has(self.workers) || self.workers == 1 || !has(self.search)",
        "training.search requires training.workers 1: all trials run in one pod "
        "(training.search.parallelism)",
    ),
)
