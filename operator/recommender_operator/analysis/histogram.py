"""Latency histograms: counts by bucket, quantiles by linear interpolation."""

from __future__ import annotations

import bisect
import dataclasses
import math
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Histogram:
    """Counts by bucket (not cumulative). `uppers` ascend and end at +Inf; seconds."""

    uppers: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(self.uppers) != len(self.counts):
            raise ValueError(f"{len(self.uppers)} bounds, but {len(self.counts)} counts")
        if self.uppers and self.uppers[-1] != math.inf:
            raise ValueError(f"the last bound is {self.uppers[-1]}, not +Inf")

    @classmethod
    def from_cumulative(cls, cumulative: Mapping[float, float]) -> Histogram:
        """Return the histogram of `{upper bound: number of observations at or below it}`.

        Without a +Inf bucket the total is unknown, and the histogram is empty.
        """
        if math.inf not in cumulative:
            return cls()
        uppers = tuple(sorted(cumulative))
        counts = []
        below = 0.0
        for upper in uppers:
            counts.append(max(0, round(cumulative[upper] - below)))
            below = max(below, cumulative[upper])
        return cls(uppers, tuple(counts))

    @property
    def total(self) -> int:
        """Number of observations."""
        return sum(self.counts)

    @property
    def last_finite(self) -> float:
        """The largest finite bound in seconds; 0 if there is none."""
        return self.uppers[-2] if len(self.uppers) > 1 else 0.0

    def quantile(self, q: float) -> float:
        """Return the quantile in seconds, interpolated linearly in its bucket as by Prometheus.

        NaN without observations. +Inf above the last finite bound, for which Prometheus returns
        that bound: a limit above it would then always be met.

        Raises:
            ValueError: q is outside 0..1.
        """
        if not 0 <= q <= 1:
            raise ValueError(f"a quantile must be in 0..1, got {q}")
        if self.total == 0:
            return math.nan
        rank = q * self.total
        below = 0
        for bucket, count in enumerate(self.counts):
            if count and below + count >= rank:
                return self._inside(bucket, (rank - below) / count)
            below += count
        return math.inf  # Only if the rank was rounded up.

    def surely_above(self, seconds: float) -> int:
        """Return the number of observations in buckets entirely above a latency (lower bound)."""
        return sum(self.counts[bisect.bisect_left(self.uppers, seconds) + 1 :])

    def about_above(self, seconds: float) -> int:
        """Return the number of observations above a latency, interpolated and rounded down."""
        at = bisect.bisect_left(self.uppers, seconds)
        if at >= len(self.uppers):
            return 0
        upper, lower = self.uppers[at], self._lower(at)
        part = 0.0 if upper == math.inf else (upper - seconds) / (upper - lower)
        return sum(self.counts[at + 1 :]) + math.floor(self.counts[at] * part)

    def _inside(self, bucket: int, part: float) -> float:
        upper, lower = self.uppers[bucket], self._lower(bucket)
        return math.inf if upper == math.inf else lower + (upper - lower) * part

    def _lower(self, bucket: int) -> float:
        return self.uppers[bucket - 1] if bucket else 0.0
