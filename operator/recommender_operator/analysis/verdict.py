"""The verdict on one step of a rollout."""

from __future__ import annotations

import dataclasses
import enum

from recommender_operator.analysis.window import WindowStats
from recommender_operator.api.spec import AnalysisSpec
from recommender_operator.api.version import MetricVerdict


class Verdict(enum.StrEnum):
    PASS = "Pass"
    FAIL = "Fail"
    INCONCLUSIVE = "Inconclusive"
    ERROR = "Error"


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepVerdict:
    verdict: Verdict
    metrics: tuple[MetricVerdict, ...]
    message: str


def judge(spec: AnalysisSpec, candidate: WindowStats, stable: WindowStats | None) -> StepVerdict:
    """Judge a candidate by everything it served since its step began."""
    raise NotImplementedError
