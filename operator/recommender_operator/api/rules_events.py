"""CEL rules of `spec.events`."""

from __future__ import annotations

EVENTS = (
    (
        "!has(self.exploration) || has(self.impressions) && self.impressions > 0.0",
        "events.exploration requires events.impressions above 0: only reported answers explore",
    ),
    (
        "!has(self.holdout) || has(self.impressions) && self.impressions == 1.0",
        "events.holdout requires events.impressions 1: without them nothing is measured, and "
        "users would be kept from the model for nothing",
    ),
)
