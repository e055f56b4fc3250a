"""CEL rules of `spec.serving.holdout`."""

from __future__ import annotations

SERVING = (
    (
        "!has(self.holdout) || has(self.impressions) && self.impressions == 1.0",
        "serving.holdout requires serving.impressions 1: without them nothing is measured, and "
        "users would be kept from the model for nothing",
    ),
)
