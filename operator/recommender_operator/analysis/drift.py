"""Drift of served sessions against the training reference, and breaks of a candidate alone."""

from __future__ import annotations

import dataclasses
import datetime

from recommender_operator.analysis.verdict import Verdict
from recommender_operator.analysis.window import WindowStats
from recommender_operator.api.spec import DriftSpec
from recommender_operator.api.status import DriftStatus


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureShift:
    """One feature's shift. `effect` is the debiased total variation distance (0..1)."""

    name: str
    effect: float
    p_value: float
    psi: float
    message: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class DriftVerdict:
    """PASS: no shift. FAIL: at least one feature shifted. `clear`: well below all limits.

    `features` holds the shifted ones, the worst first.
    """

    verdict: Verdict
    sessions: int
    features: tuple[FeatureShift, ...] = ()
    message: str = ""
    clear: bool = False


def judge_window(spec: DriftSpec, window: WindowStats) -> DriftVerdict:
    """Judge one window of served sessions against the reference of the version's training."""
    raise NotImplementedError


def judge_break(spec: DriftSpec, candidate: WindowStats, stable: WindowStats) -> DriftVerdict:
    """Judge whether the candidate alone sees broken features or scores, in the same window."""
    raise NotImplementedError


def advance(
    spec: DriftSpec, status: DriftStatus, verdict: DriftVerdict, now: datetime.datetime
) -> DriftStatus:
    """Return the status after one more window of the champion."""
    raise NotImplementedError


def advance_break(
    spec: DriftSpec, status: DriftStatus, verdict: DriftVerdict, now: datetime.datetime
) -> DriftStatus:
    """Return the status after one more window of candidate against stable."""
    raise NotImplementedError
