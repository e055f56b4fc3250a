"""Counts of a window: differences of a version's cumulative counters."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from recommender_contract.metrics import (
    ANSWERS,
    COPIES,
    CREATED,
    DESIGN_EFFECT,
    DURATION_BUCKET,
    FALLBACKS,
    FEATURES,
    MISSING_DESIGN_EFFECT,
    REFERENCE,
    REQUESTS,
    SESSIONS,
)
from recommender_operator.analysis.histogram import Histogram
from recommender_operator.analysis.series_text import PREFIX, parse_series
from recommender_operator.observed import PodCounters, Sample

#: Gauges: constants of the version, equal in every pod.
GAUGES = (REFERENCE, DESIGN_EFFECT, MISSING_DESIGN_EFFECT)

#: Start of the names of sources that are no pods of the version, but of the Gateway before it.
GATEWAY = "gateway/"
#: Requests that the Gateway sent to the version and that got no answer of it.
LOST_AT_GATEWAY = "recommender_gateway_lost_requests_total"

#: Summed counters, with the label that distinguishes their series.
_KEYED = {
    REQUESTS: "outcome",
    DURATION_BUCKET: "le",
    ANSWERS: "source",
    FALLBACKS: "reason",
    SESSIONS: "",
    LOST_AT_GATEWAY: "",
}

#: Reasons of fallbacks after an invalid answer of the model, as opposed to a late or missing one.
ANOMALY_REASONS = frozenset({"nonfinite", "shape", "empty"})
MODEL_SOURCE = "model"

#: Counts of a feature by bin: the index of a bin, `null` or `unknown`.
Bins = Mapping[str, int]


@dataclasses.dataclass(frozen=True, kw_only=True)
class WindowStats:
    """Counts of one version in one window, summed over its pods.

    `requests` are the valid ones (outcome ok or error) and those `lost_at_gateway`, which are also
    `errors`; `invalid` ones violate the request schema.
    `answers` are by source, `fallbacks` by reason. `pods` is the number of pods with counters at
    the end, `resets` of those whose counters restarted in the window, `gone` of those that existed
    only at the start. Counts of `resets` and `gone` pods are partly lost. Ready pods that did not
    answer are not among `pods`: `silent` at the end, `late` only at the start.
    """

    requests: int = 0
    errors: int = 0
    invalid: int = 0
    lost_at_gateway: int = 0
    answers: Mapping[str, int] = dataclasses.field(default_factory=dict)
    fallbacks: Mapping[str, int] = dataclasses.field(default_factory=dict)
    latency: Histogram = dataclasses.field(default_factory=Histogram)
    sessions: int = 0
    features: Mapping[str, Bins] = dataclasses.field(default_factory=dict)
    reference: Mapping[str, Bins] = dataclasses.field(default_factory=dict)
    #: Design effect of the reference by feature; 1 if sessions are independent or it is unknown.
    design_effects: Mapping[str, float] = dataclasses.field(default_factory=dict)
    #: The same of the shares of nulls and unknown values.
    missing_design_effects: Mapping[str, float] = dataclasses.field(default_factory=dict)
    #: Share of all users whom the version served, if it was fixed for each; 1 if any user's
    #: session may be served by the version.
    user_share: float = 1.0
    pods: int = 0
    resets: int = 0
    gone: int = 0
    silent: int = 0
    late: int = 0

    @property
    def lost(self) -> int:
        """Number of pods whose counts are partly lost."""
        return self.resets + self.gone

    @property
    def answered(self) -> int:
        """Number of answers, by any source."""
        return sum(self.answers.values())

    @property
    def fallback_answers(self) -> int:
        """Number of answers by the baseline or the popularity list."""
        return self.answered - self.answers.get(MODEL_SOURCE, 0)

    @property
    def cut_short(self) -> int:
        """Number of fallback answers without a reason: the client gave the model too little time.

        An answer that failed after its fallback was counted is missing here, so it is a minimum.
        """
        return max(0, self.fallback_answers - sum(self.fallbacks.values()))

    @property
    def anomalies(self) -> int:
        """Number of fallbacks because the model's answer was non-finite, misshapen or empty."""
        return sum(n for reason, n in self.fallbacks.items() if reason in ANOMALY_REASONS)


def window_stats(baseline: Sample, current: Sample) -> WindowStats:
    """Return the counts between two samples of one version.

    A new or restarted pod counts from zero. A deleted pod contributes nothing, because its last
    counters were not read. A pod with empty counters in either sample did not answer, and its
    difference is unknown: it contributes nothing but its number, nor does one with a non-finite
    value.

    A pod of the Gateway counts from zero after a restart too, but never as a lost one: the Gateway
    scales with its own load, and the few losses that stay unseen must not stop a rollout.
    """
    differences = []
    pods, resets, gone = 0, 0, sum(is_pod(name) for name in baseline.keys() - current.keys())
    silent, late = 0, 0
    for pod in sorted(current):
        now, then = current[pod], baseline.get(pod)
        if not _usable(now) or (then is not None and not _usable(then)):
            silent += is_pod(pod) and not _usable(now)
            late += is_pod(pod) and _usable(now)
            continue
        if then is not None and _restarted(then, now):
            resets += is_pod(pod)
            then = None
        pods += is_pod(pod)
        differences.append(_difference(then or {}, now))
    return dataclasses.replace(
        _summed(differences), pods=pods, resets=resets, gone=gone, silent=silent, late=late
    )


def of_copies(sample: Sample) -> Sample:
    """Return the counters of the copies that a version answered, named as those of requests."""
    return {
        pod: {
            key if key == CREATED else PREFIX + key.removeprefix(COPIES): value
            for key, value in counters.items()
            if key == CREATED or key.startswith(COPIES)
        }
        for pod, counters in sample.items()
    }


def is_pod(source: str) -> bool:
    """Return whether the counters of a source are those of a pod of the version."""
    return not source.startswith(GATEWAY)


def _usable(counters: PodCounters) -> bool:
    return bool(counters) and all(math.isfinite(value) for value in counters.values())


def _restarted(then: PodCounters, now: PodCounters) -> bool:
    """Return whether the process restarted: otherwise counters never decrease or disappear."""
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
    effects: dict[str, dict[str, float]] = {DESIGN_EFFECT: {}, MISSING_DESIGN_EFFECT: {}}
    for counters in differences:
        for key, value in counters.items():
            name, labels = parse_series(key)
            if name == FEATURES:
                _add(features, labels, value)
            elif name == REFERENCE:
                # Every pod of a version has the same reference, so do not sum it.
                reference.setdefault(labels["feature"], {})[labels["bin"]] = value
            elif name in effects:
                effects[name][labels["feature"]] = value
            elif name in _KEYED:
                per_label = sums.setdefault(name, {})
                label = labels.get(_KEYED[name], "")
                per_label[label] = per_label.get(label, 0.0) + value
    requests = _whole(sums.get(REQUESTS, {}))
    lost = _whole(sums.get(LOST_AT_GATEWAY, {})).get("", 0)
    buckets = {float(le): n for le, n in sums.get(DURATION_BUCKET, {}).items()}
    return WindowStats(
        requests=requests.get("ok", 0) + requests.get("error", 0) + lost,
        errors=requests.get("error", 0) + lost,
        lost_at_gateway=lost,
        invalid=requests.get("invalid", 0),
        answers=_whole(sums.get(ANSWERS, {})),
        fallbacks=_whole(sums.get(FALLBACKS, {})),
        latency=Histogram.from_cumulative(buckets),
        sessions=_whole(sums.get(SESSIONS, {})).get("", 0),
        features={feature: _whole(bins) for feature, bins in features.items()},
        reference={feature: _whole(bins) for feature, bins in reference.items()},
        design_effects=effects[DESIGN_EFFECT],
        missing_design_effects=effects[MISSING_DESIGN_EFFECT],
    )


def _add(table: dict[str, dict[str, float]], labels: Mapping[str, str], value: float) -> None:
    bins = table.setdefault(labels["feature"], {})
    bins[labels["bin"]] = bins.get(labels["bin"], 0.0) + value


def _whole(counts: Mapping[str, float]) -> dict[str, int]:
    return {label: round(value) for label, value in counts.items()}
