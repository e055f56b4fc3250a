"""Documented test hooks: wrappers that give an exported model a known fault.

They rehearse a bad release (docs/export.md); the manifest and the report name them. The faults
BrokenFeatures and LearnedNothing are no wrappers: they act on the vocabulary and on the training.
"""

# No `from __future__ import annotations`: TorchScript evaluates the class annotations itself.
import torch
from torch import Tensor, nn

from recommender_contract.resource.training_settings import Fault, FaultInjection


class Faulty(nn.Module):
    """A model with a fault before or behind it; TorchScript needs the signature in full."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def before(self, user_id: Tensor) -> None:
        """Nothing is wrong."""

    def behind(self, items: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Nothing is wrong."""
        return items, scores

    def forward(
        self,
        user_id: Tensor,
        features: Tensor,
        session_items: Tensor,
        session_timestamps: Tensor,
        session_values: Tensor,
        timestamp: Tensor,
        top_n: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """As docs/contracts.md, with the fault."""
        self.before(user_id)
        items, scores = self.model(
            user_id,
            features,
            session_items,
            session_timestamps,
            session_values,
            timestamp,
            top_n,
        )
        return self.behind(items, scores)


class LatencyFault(Faulty):
    """Computes for about `milliseconds` before it answers, so that it holds a core as real
    slowness does. Approximate: the loop looks at the clock between multiplications.
    """

    work: Tensor

    def __init__(self, model: nn.Module, milliseconds: int) -> None:
        super().__init__(model)
        self.nanoseconds = milliseconds * 1_000_000
        self.register_buffer("work", torch.eye(64).roll(1, 0))

    def behind(self, items: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """The answer, late; it depends on the work, which so cannot be left out."""
        start = int(torch.ops.prim.TimePoint())  # nanoseconds
        busy = self.work
        while int(torch.ops.prim.TimePoint()) - start < self.nanoseconds:
            busy = torch.matmul(busy, self.work)
        return items, scores + busy.sum() * 0.0


class FailureFault(Faulty):
    """Raises for users with a positive odd id: the smoke test's user -1 is answered."""

    def before(self, user_id: Tensor) -> None:
        """Raise for an odd id."""
        if bool(((user_id > 0) & (user_id % 2 == 1)).any()):
            raise RuntimeError("injected fault Failure: user id is odd")


class NonFiniteFault(Faulty):
    """Answers NaN for every score."""

    def behind(self, items: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """No score is finite."""
        return items, torch.full_like(scores, float("nan"))


class WrongShapeFault(Faulty):
    """Answers one score too few for its items."""

    def behind(self, items: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Items and scores do not match."""
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
