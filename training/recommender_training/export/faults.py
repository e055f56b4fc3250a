"""Documented test hooks: wrappers that give an exported model a known fault.

They rehearse a bad release (docs/training.md); the manifest and the report name them. The faults
BrokenFeatures and LearnedNothing are no wrappers: they act on the vocabulary and on the training.
"""

# No `from __future__ import annotations`: TorchScript evaluates the class annotations itself.
import torch
from torch import Tensor, nn

from recommender_training.config import Fault, FaultInjection


class LatencyFault(nn.Module):
    """Computes for about `milliseconds` before it answers, so that it holds a core as real
    slowness does. Approximate: the loop looks at the clock between multiplications.
    """

    work: Tensor

    def __init__(self, model: nn.Module, milliseconds: int) -> None:
        super().__init__()
        self.model = model
        self.nanoseconds = milliseconds * 1_000_000
        self.register_buffer("work", torch.eye(64).roll(1, 0))

    def forward(
        self,
        user_id: Tensor,
        user_features: Tensor,
        session_items: Tensor,
        session_timestamps: Tensor,
        session_values: Tensor,
        timestamp: Tensor,
        top_n: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """As docs/contracts.md, late."""
        start = int(torch.ops.prim.TimePoint())  # nanoseconds
        busy = self.work
        while int(torch.ops.prim.TimePoint()) - start < self.nanoseconds:
            busy = torch.matmul(busy, self.work)
        items, scores = self.model(
            user_id,
            user_features,
            session_items,
            session_timestamps,
            session_values,
            timestamp,
            top_n,
        )
        return items, scores + busy.sum() * 0.0


class FailureFault(nn.Module):
    """Raises for users with a positive odd id: the smoke test's user -1 is answered."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        user_id: Tensor,
        user_features: Tensor,
        session_items: Tensor,
        session_timestamps: Tensor,
        session_values: Tensor,
        timestamp: Tensor,
        top_n: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """As docs/contracts.md, unless it raises."""
        if bool(((user_id > 0) & (user_id % 2 == 1)).any()):
            raise RuntimeError("injected fault Failure: user id is odd")
        items, scores = self.model(
            user_id,
            user_features,
            session_items,
            session_timestamps,
            session_values,
            timestamp,
            top_n,
        )
        return items, scores


class NonFiniteFault(nn.Module):
    """Answers NaN for every score."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        user_id: Tensor,
        user_features: Tensor,
        session_items: Tensor,
        session_timestamps: Tensor,
        session_values: Tensor,
        timestamp: Tensor,
        top_n: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """As docs/contracts.md, without a finite score."""
        items, scores = self.model(
            user_id,
            user_features,
            session_items,
            session_timestamps,
            session_values,
            timestamp,
            top_n,
        )
        return items, torch.full_like(scores, float("nan"))


class WrongShapeFault(nn.Module):
    """Answers one score too few for its items."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        user_id: Tensor,
        user_features: Tensor,
        session_items: Tensor,
        session_timestamps: Tensor,
        session_values: Tensor,
        timestamp: Tensor,
        top_n: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """As docs/contracts.md, but items and scores do not match."""
        items, scores = self.model(
            user_id,
            user_features,
            session_items,
            session_timestamps,
            session_values,
            timestamp,
            top_n,
        )
        return items, scores[:, :-1]


def inject(model: nn.Module, injection: FaultInjection | None) -> nn.Module:
    """The model with the fault, if the fault is one of the exported graph."""
    if injection is None:
        return model
    match injection.fault:
        case Fault.LATENCY:
            return LatencyFault(model, injection.latency_milliseconds).eval()
        case Fault.FAILURE:
            return FailureFault(model).eval()
        case Fault.NON_FINITE:
            return NonFiniteFault(model).eval()
        case Fault.WRONG_SHAPE:
            return WrongShapeFault(model).eval()
        case Fault.BROKEN_FEATURES | Fault.LEARNED_NOTHING:
            return model
