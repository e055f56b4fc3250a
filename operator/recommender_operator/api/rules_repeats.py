"""CEL rule of `spec.training.repeats`: a number of days goes with AfterDays, and only with it."""

from __future__ import annotations

TRAINING = (
    (
        "has(self.repeatsAfterDays) == (has(self.repeats) && self.repeats == 'AfterDays')",
        "training.repeatsAfterDays must be set with training.repeats AfterDays, and only then",
    ),
)
