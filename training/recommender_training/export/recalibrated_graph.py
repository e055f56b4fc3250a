"""An exported graph with another calibration: other probabilities, the same lists.

Lists are ordered by the sum of the calibrated logit and the first stage. So the first stage is
multiplied by the slope too: the sum of each item is then `slope * sum + shift`, in the same order
(but for sums that differ by less than rounding does).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.special import expit, logit
from torch import Tensor, nn

from recommender_training.common.arrays import Doubles
from recommender_training.common.errors import InputError
from recommender_training.export import torchscript
from recommender_training.export.comparison_requests import inputs_of


@dataclass(frozen=True)
class CalibrationChange:
    """A recalibrated logit is `slope * logit + shift`."""

    slope: float
    shift: float

    @classmethod
    def since_training(cls, report: Mapping[str, Any]) -> CalibrationChange:
        """All recalibrations of a version since its training, by its report."""
        made = report.get("recalibration")
        return cls(1.0, 0.0) if made is None else cls(made["totalSlope"], made["totalShift"])

    def probability(self, probability: Doubles) -> Doubles:
        """The recalibrated probabilities."""
        return np.asarray(expit(self.slope * logit(probability) + self.shift), dtype=np.float64)

    def undone(self, logits: Doubles) -> Doubles:
        """The logits before it."""
        return np.asarray((logits - self.shift) / self.slope, dtype=np.float64)


#: What the order of the first stage is linear in. Graphs of earlier releases lack some, or have
#: others: before the scan of large catalogues, `popularity` and `tower_offset`.
_FIRST_STAGE = (
    "standing", "bonus", "neighbour_weights", "tower_out", "tower_down", "tower_down_bias",
    "page_standing", "page_level", "new_level", "repeat_table", "next_weights",
    "trend_weight",
    "popularity", "tower_offset",
)  # fmt: skip
#: Requests that both graphs answer, of sessions up to this long, and items of an answer.
_REQUESTS, _LONGEST, _WANTED = 256, 20, 10
_BATCH = 8
_NOW, _MONTH = 890_000_000, 2_600_000
#: Largest difference of the log-odds to the recalibrated ones, besides what single precision does
#: to a probability near 1, and the log-odds up to which they are compared.
TOLERANCE, _FAR = 1e-3, 12.0
_ROUNDING = 4 * float(np.finfo(np.float32).eps)
#: Most answers that may have another order: near ties, which rounding decides.
MOST_REORDERED = 0.02


def recalibrate_graph(graph: nn.Module, by: CalibrationChange) -> None:
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
        if "trend_sharpness" in buffers:
            buffers["trend_sharpness"].div_(by.slope)
        for each in _first_stage(buffers):
            each.mul_(by.slope)


def _first_stage(buffers: Mapping[str, Tensor]) -> Iterator[Tensor]:
    yield from (buffers[name] for name in _FIRST_STAGE if name in buffers)
    # Whole numbers are left as they are: their scale is multiplied.
    name = "retrieval_scale" if "retrieval_scale" in buffers else "retrieval"
    if name in buffers:
        yield buffers[name]


def check_recalibrated(
    before: nn.Module, after: nn.Module, by: CalibrationChange, features: int
) -> float:
    """Return the share of answers with another order, of requests that both graphs answer.

    Raises InputError `RecalibrationFailed` where a probability is not the recalibrated one, or
    where more than near ties have another order.
    """
    reordered = 0
    for request in _requests(before, features):
        inputs = inputs_of(before, request)
        with torchscript.as_served():
            (items, scores), (others, found) = before(*inputs), after(*inputs)
        if items.shape != others.shape:
            raise _failed("lists have another length")
        reordered += int((items != others).any(1).sum())
        # By item, because near ties may have changed places.
        row, place, other = (items.unsqueeze(2) == others.unsqueeze(1)).nonzero(as_tuple=True)
        _compare(_doubles(scores[row, place]), _doubles(found[row, other]), by)
    share = reordered / _REQUESTS
    if share > MOST_REORDERED:
        raise _failed(f"{reordered} of {_REQUESTS} lists have another order")
    return share


def _doubles(values: Tensor) -> Doubles:
    return np.asarray(values.numpy(), dtype=np.float64)


def _compare(before: Doubles, after: Doubles, by: CalibrationChange) -> None:
    """Raise InputError where the log-odds of a probability are not the recalibrated ones.

    A difference of the log-odds is seen at small probabilities too.
    """
    with np.errstate(all="ignore"):  # what is infinite or no number is found below
        wanted = by.slope * logit(before) + by.shift
        difference = np.abs(wanted - logit(after))
        rounding = _ROUNDING * (by.slope / (1 - before) + 1 / (1 - after))
        # Beyond, a probability next to 1 has no more digits. NaN is compared, and fails.
        differs = ~(difference <= TOLERANCE + rounding) & ~(np.abs(wanted) >= _FAR)
    if differs.any():
        raise _failed(f"the log-odds of a probability differ by {difference[differs].max():g}")


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
