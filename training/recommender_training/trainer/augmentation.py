"""Crop and mask sessions of training rows, against overfitting.

Only what attention and towers read of the session changes, and only while a model is fitted: the
numbers of the session (`features.graph`) stay those of all its events.

Legend of shapes: B batch, L session.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import overload

import torch
from torch import Tensor

from recommender_training.config.training import Hyperparameters
from recommender_training.distributed.group import Share
from recommender_training.features.assembly import Inputs
from recommender_training.features.graph import newer_events
from recommender_training.models.tower_examples import Batch


@dataclass(frozen=True)
class Augmentation:
    """Augmentation of the sessions of a batch: crop and mask."""

    #: Share of the rows whose session is cropped to its newest events, one at least.
    crop: float
    #: Share of the events whose item is hidden: it becomes the unknown one.
    mask: float

    @classmethod
    def of(cls, settings: Hyperparameters) -> Augmentation | None:
        """The one of these settings; None where nothing is to be done."""
        if settings.session_crop == 0 and settings.session_mask == 0:
            return None
        return cls(settings.session_crop, settings.session_mask)

    @overload
    def apply(self, batch: Inputs, share: Share) -> Inputs: ...
    @overload
    def apply(self, batch: Batch, share: Share) -> Batch: ...
    def apply(self, batch: Inputs | Batch, share: Share) -> Inputs | Batch:
        """The batch with other sessions; `share` is the part of the whole batch that it is.

        Each process draws for the whole batch, so that processes that share it draw the same.
        """
        if isinstance(batch, Batch):
            return replace(batch, inputs=self._sessions(batch.inputs, share))
        return self._sessions(batch, share)

    def _sessions(self, inputs: Inputs, share: Share) -> Inputs:
        session, present = inputs.session, inputs.present
        if self.crop:
            present = present & self._newest(present, share)
        if self.mask:
            hidden = _drawn(share, present.shape[1], present.device) < self.mask
            session = session.masked_fill(hidden, 0)
        return replace(inputs, session=session.masked_fill(~present, 0), present=present)

    def _newest(self, present: Tensor, share: Share) -> Tensor:
        """[B, L] mask of the events that are left: all, or from one to all of the newest."""
        cropped, length = _drawn(share, 2, present.device).unbind(1)
        count = present.sum(1)
        left = torch.where(cropped < self.crop, (length * count).floor() + 1, count)
        return newer_events(present) < left.unsqueeze(1)


def _drawn(share: Share, columns: int, device: torch.device) -> Tensor:
    """[B, columns] numbers in [0, 1) of the own rows, drawn for all."""
    return torch.rand(share.rows, columns, device=device)[share.own]
