"""What a recalibration does to logits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit

from recommender_training.common.arrays import Doubles


@dataclass(frozen=True)
class Rescaling:
    """A recalibrated logit is `slope * logit + shift`."""

    slope: float
    shift: float

    @classmethod
    def since_training(cls, report: Mapping[str, Any]) -> Rescaling:
        """All recalibrations of a version since its training, by its report."""
        made = report.get("recalibration")
        return cls(1.0, 0.0) if made is None else cls(made["totalSlope"], made["totalShift"])

    def probability(self, probability: Doubles) -> Doubles:
        """The recalibrated probabilities."""
        return np.asarray(expit(self.slope * logit(probability) + self.shift), dtype=np.float64)

    def undone(self, logits: Doubles) -> Doubles:
        """The logits before it."""
        return np.asarray((logits - self.shift) / self.slope, dtype=np.float64)
