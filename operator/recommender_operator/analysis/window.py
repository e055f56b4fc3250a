"""What happened between two looks at a version: differences of its cumulative counters."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping

from recommender_operator.analysis.histogram import Histogram
from recommender_operator.analysis.series import parse_series
from recommender_operator.observed import PodCounters, Sample

REQUESTS = "recommender_requests_total"
DURATION_BUCKET = "recommender_request_duration_seconds_bucket"
ANSWERS = "recommender_answers_total"
FALLBACKS = "recommender_fallbacks_total"
SESSIONS = "recommender_sessions_total"
FEATURES = "recommender_feature_values_total"
REFERENCE = "recommender_reference_sessions"

#: Reasons of a fall that mean a broken answer of the model, as opposed to a late or absent one.
ANOMALY_REASONS = frozenset({"nonfinite", "shape", "empty"})
MODEL_SOURCE = "model"

#: Bins of a feature by their label: the index of a bin, `null` or `unknown`.
Bins = Mapping[str, int]


@dataclasses.dataclass(frozen=True, kw_only=True)
class WindowStats:
    """Counts of one version in one window, summed over its pods.

    `requests` are the valid ones (outcome ok or error); `invalid` ones broke the schema and say
    nothing about the version. `answers` counts by source, `fallbacks` by reason. `pods` are those
    with counters at the window's end, `resets` the ones whose counters started again inside it:
    what such a pod counted before its restart is lost, never guessed.
    """

    requests: int = 0
    errors: int = 0
    invalid: int = 0
    answers: Mapping[str, int] = dataclasses.field(default_factory=dict)
    fallbacks: Mapping[str, int] = dataclasses.field(default_factory=dict)
    latency: Histogram = Histogram()
    sessions: int = 0
    features: Mapping[str, Bins] = dataclasses.field(default_factory=dict)
    reference: Mapping[str, Bins] = dataclasses.field(default_factory=dict)
    pods: int = 0
    resets: int = 0

    @property
    def answered(self) -> int:
        """Answers by whatever source."""
        return sum(self.answers.values())

    @property
    def fallback_answers(self) -> int:
        """Answers that the model did not give."""
        return self.answered - self.answers.get(MODEL_SOURCE, 0)

    @property
    def anomalies(self) -> int:
        """Falls because the model's answer was non-finite, misshapen or empty."""
        return sum(n for reason, n in self.fallbacks.items() if reason in ANOMALY_REASONS)


def window_stats(baseline: Sample, current: Sample) -> WindowStats:
    """Return what was counted between two samples of one version.

    A pod that is new counts from zero. A pod that is gone contributes nothing: what it counted
    after the baseline was never read. A pod with any counter below its baseline has restarted, and
    all its counters count from zero.
    """
    raise NotImplementedError
