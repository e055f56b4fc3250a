"""Log-odds of smoothed shares of positives, in training and in the exported model alike."""

from __future__ import annotations

import torch
from torch import Tensor


def share_logit(share: Tensor) -> Tensor:
    """Log-odds of a smoothed share of positives, 16.6 at most.

    Smoothing keeps a share above 0. Where about every event is positive, as in a log of positive
    events alone, single precision rounds it to 1, whose log-odds are infinite: it counts as the
    largest number below 1.
    """
    return torch.logit(share.clamp(max=0.99999994))
