"""An exported graph with another calibration: other probabilities, the same lists.

Lists are ordered by the sum of the calibrated logit and the first stage. So the first stage is
multiplied by the slope too: the sum of each item is then `slope * sum + shift`, in the same order
(but for sums that differ by less than rounding does).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import expit, logit
from torch import Tensor, nn

from recommender_training.common.arrays import Doubles
from recommender_training.common.errors import InputError

#: What the order of the first stage is linear in. Graphs of earlier releases lack some.
_FIRST_STAGE = (
    "standing", "bonus", "neighbour_weights", "tower_out", "tower_down", "tower_down_bias",
)  # fmt: skip
#: Requests that both graphs answer, of sessions up to this long, and items of an answer.
_REQUESTS, _LONGEST, _WANTED = 256, 20, 10
_BATCH = 8
_NOW, _MONTH = 890_000_000, 2_600_000
#: Largest difference of a probability, in single precision, to the recalibrated one.
TOLERANCE = 1e-3
#: Most answers that may have another order: near ties, which rounding decides.
MOST_REORDERED = 0.02


@dataclass(frozen=True)
class Rescaling:
    """A recalibrated logit is `slope * logit + shift`."""

    slope: float
    shift: float

    def probability(self, probability: Doubles) -> Doubles:
        """The recalibrated probabilities."""
        return np.asarray(expit(self.slope * logit(probability) + self.shift), dtype=np.float64)


def rescale(graph: nn.Module, by: Rescaling) -> None:
    """Change the calibration of a loaded graph, and its first stage with it.

    Raises InputError `NotCalibrated` for a graph without one, as one with an injected fault.
    """
    buffers = dict(graph.named_buffers())
    if not {"temperature", "offset"} <= buffers.keys():
        raise InputError(
            "NotCalibrated",
            "the graph has no calibration that can be replaced: it was exported by an earlier "
            "release, or has an injected fault; retrain the model",
        )
    with torch.no_grad():
        buffers["offset"].mul_(by.slope).add_(by.shift)
        buffers["temperature"].div_(by.slope)
        for each in _first_stage(buffers):
            each.mul_(by.slope)


def _first_stage(buffers: Mapping[str, Tensor]) -> Iterator[Tensor]:
    yield from (buffers[name] for name in _FIRST_STAGE if name in buffers)
    # Whole numbers are left as they are: their scale is multiplied.
    name = "retrieval_scale" if "retrieval_scale" in buffers else "retrieval"
    if name in buffers:
        yield buffers[name]


def check(before: nn.Module, after: nn.Module, by: Rescaling, features: int) -> float:
    """Return the share of answers with another order, of requests that both graphs answer.

    Raises InputError `RecalibrationFailed` where a probability is not the recalibrated one, or
    where more than near ties have another order.
    """
    reordered = 0
    for request in _requests(before, features):
        # As it serves: the optimiser would compile each graph for seconds, to answer for one.
        with torch.inference_mode(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            (items, scores), (others, found) = before(*request), after(*request)
        if items.shape != others.shape:
            raise _failed("lists have another length")
        same = (items == others).all(1)
        reordered += int((~same).sum())
        wanted = by.probability(scores[same].numpy().astype(np.float64))
        difference = np.abs(wanted - found[same].numpy())
        if not (difference <= TOLERANCE).all():
            raise _failed(f"a probability differs by {difference.max():g}")
    share = reordered / _REQUESTS
    if share > MOST_REORDERED:
        raise _failed(f"{reordered} of {_REQUESTS} lists have another order")
    return share


def _requests(graph: nn.Module, features: int) -> Iterator[tuple[Tensor, ...]]:
    """The seven inputs of batches: known and new users, sessions of all lengths, no features."""
    random, buffers = np.random.default_rng(0), dict(graph.named_buffers())
    users, items = buffers["user_ids"].numpy(), buffers["item_ids"].numpy()
    shape = _BATCH, _LONGEST
    for _ in range(0, _REQUESTS, _BATCH):
        session = random.choice(items, shape)
        padding = _LONGEST - random.integers(0, _LONGEST + 1, (_BATCH, 1))
        session[np.arange(_LONGEST) < padding] = -1
        user = random.choice(users, (_BATCH, 1))
        user[:2] = users.max() + 1
        times = np.sort(_NOW - random.integers(1, _MONTH, shape), axis=1)
        yield (
            torch.from_numpy(user),
            torch.full((_BATCH, max(1, features)), float("nan")),
            torch.from_numpy(session),
            torch.from_numpy(times),
            torch.from_numpy(random.integers(1, 6, shape).astype(np.float32)),
            torch.full((_BATCH, 1), _NOW),
            torch.full((_BATCH, 1), _WANTED),
        )


def _failed(message: str) -> InputError:
    return InputError("RecalibrationFailed", f"{message}: nothing is published; retrain the model")
