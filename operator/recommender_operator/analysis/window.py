"""What happened between two looks at a version: differences of its cumulative counters."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

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
DESIGN_EFFECT = "recommender_reference_design_effect"
#: Gauges: facts of the version, the same in every pod.
GAUGES = (REFERENCE, DESIGN_EFFECT)
#: When the process began to count, seconds since 1970: tells a restart even after the new process
#: has counted past the old one.
CREATED = "recommender_request_duration_seconds_created"

#: Summed counters, with the label that tells their series apart.
_KEYED = {
    REQUESTS: "outcome",
    DURATION_BUCKET: "le",
    ANSWERS: "source",
    FALLBACKS: "reason",
    SESSIONS: "",
}

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
    with counters at the window's end, `resets` the ones whose counters started again inside it,
    `gone` those of the window's start that are not there at its end: what such a pod counted
    before is lost, never guessed.
    """

    requests: int = 0
    errors: int = 0
    invalid: int = 0
    answers: Mapping[str, int] = dataclasses.field(default_factory=dict)
    fallbacks: Mapping[str, int] = dataclasses.field(default_factory=dict)
    latency: Histogram = dataclasses.field(default_factory=Histogram)
    sessions: int = 0
    features: Mapping[str, Bins] = dataclasses.field(default_factory=dict)
    reference: Mapping[str, Bins] = dataclasses.field(default_factory=dict)
    #: By feature, of the reference: 1 where sessions are independent, or where none is given.
    design_effects: Mapping[str, float] = dataclasses.field(default_factory=dict)
    pods: int = 0
    resets: int = 0
    gone: int = 0

    @property
    def lost(self) -> int:
        """Pods that served requests in this window which nobody could read."""
        return self.resets + self.gone

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
    after the baseline was never read. A pod that has restarted counts from zero. A pod without
    counters in either sample was there but did not answer, and contributes nothing, because its
    difference is unknown; so does one with a value that is not a finite number.
    """
    differences = []
    resets, gone = 0, len(baseline.keys() - current.keys())
    for pod in sorted(current):
        now, then = current[pod], baseline.get(pod)
        if not _usable(now) or (then is not None and not _usable(then)):
            continue
        if then is not None and _restarted(then, now):
            resets += 1
            then = None
        differences.append(_difference(then or {}, now))
    return dataclasses.replace(_summed(differences), resets=resets, gone=gone)


def _usable(counters: PodCounters) -> bool:
    return bool(counters) and all(math.isfinite(value) for value in counters.values())


def _restarted(then: PodCounters, now: PodCounters) -> bool:
    """Whether the pod's process is another one: counters only grow, and only appear."""
    if CREATED in then and now.get(CREATED, math.inf) > then[CREATED]:
        return True
    return any(
        now.get(key, -math.inf) < value
        for key, value in then.items()
        if key != CREATED and not key.startswith(GAUGES)
    )


def _difference(then: PodCounters, now: PodCounters) -> PodCounters:
    return {
        key: value if key.startswith(GAUGES) else value - then.get(key, 0.0)
        for key, value in now.items()
    }


def _summed(differences: list[PodCounters]) -> WindowStats:
    sums: dict[str, dict[str, float]] = {}
    features: dict[str, dict[str, float]] = {}
    reference: dict[str, dict[str, float]] = {}
    design_effects: dict[str, float] = {}
    for counters in differences:
        for key, value in counters.items():
            name, labels = parse_series(key)
            if name == FEATURES:
                _add(features, labels, value)
            elif name == REFERENCE:
                # Every pod of a version has the same reference: one of them, not the sum.
                reference.setdefault(labels["feature"], {})[labels["bin"]] = value
            elif name == DESIGN_EFFECT:
                design_effects[labels["feature"]] = value
            elif name in _KEYED:
                per_label = sums.setdefault(name, {})
                label = labels.get(_KEYED[name], "")
                per_label[label] = per_label.get(label, 0.0) + value
    requests = _whole(sums.get(REQUESTS, {}))
    buckets = {float(le): n for le, n in sums.get(DURATION_BUCKET, {}).items()}
    return WindowStats(
        requests=requests.get("ok", 0) + requests.get("error", 0),
        errors=requests.get("error", 0),
        invalid=requests.get("invalid", 0),
        answers=_whole(sums.get(ANSWERS, {})),
        fallbacks=_whole(sums.get(FALLBACKS, {})),
        latency=Histogram.from_cumulative(buckets),
        sessions=_whole(sums.get(SESSIONS, {})).get("", 0),
        features={feature: _whole(bins) for feature, bins in features.items()},
        reference={feature: _whole(bins) for feature, bins in reference.items()},
        design_effects=design_effects,
        pods=len(differences),
    )


def _add(table: dict[str, dict[str, float]], labels: Mapping[str, str], value: float) -> None:
    bins = table.setdefault(labels["feature"], {})
    bins[labels["bin"]] = bins.get(labels["bin"], 0.0) + value


def _whole(counts: Mapping[str, float]) -> dict[str, int]:
    return {label: round(value) for label, value in counts.items()}
