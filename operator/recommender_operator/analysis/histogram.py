"""Latency histograms: counts by bucket, quantiles by linear interpolation."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Histogram:
    """Counts by bucket (not cumulative). `uppers` ascend and end at +Inf; seconds."""

    uppers: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()

    @property
    def total(self) -> int:
        """Observations in all buckets."""
        return sum(self.counts)
