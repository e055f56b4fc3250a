"""Metrics of one version by name; every series exists from the start, at zero."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LABELS = ("model", "version")
Label = TypeVar("Label", bound=enum.StrEnum)


class Series:
    """Makes the metrics of one version; the label children are resolved once."""

    def __init__(self, registry: CollectorRegistry, model: str, version: str) -> None:
        self._registry = registry
        self._names = (model, version)

    def counter(self, name: str, text: str) -> Counter:
        """Return a counter."""
        return Counter(name, text, LABELS, registry=self._registry).labels(*self._names)

    def gauge(self, name: str, text: str) -> Gauge:
        """Return a gauge."""
        return Gauge(name, text, LABELS, registry=self._registry).labels(*self._names)

    def histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        """Return a histogram of seconds."""
        made = Histogram(name, text, LABELS, buckets=buckets, registry=self._registry)
        return made.labels(*self._names)

    def counters(
        self, name: str, text: str, label: str, values: Iterable[Label]
    ) -> dict[Label, Counter]:
        """Return the counters of a metric by the values of its one further label."""
        made = Counter(name, text, (*LABELS, label), registry=self._registry)
        return {value: made.labels(*self._names, value.value) for value in values}

    def histograms(
        self,
        name: str,
        text: str,
        label: str,
        values: Iterable[Label],
        buckets: tuple[float, ...],
    ) -> dict[Label, Histogram]:
        """Return the histograms of a metric by the values of its one further label."""
        made = Histogram(name, text, (*LABELS, label), buckets=buckets, registry=self._registry)
        return {value: made.labels(*self._names, value.value) for value in values}

    def counters_of(
        self, name: str, text: str, labels: tuple[str, ...], rows: Iterable[tuple[str, ...]]
    ) -> dict[tuple[str, ...], Counter]:
        """Return the counters of a metric with several further labels, by their values."""
        made = Counter(name, text, (*LABELS, *labels), registry=self._registry)
        return {row: made.labels(*self._names, *row) for row in rows}

    def constants(
        self,
        name: str,
        text: str,
        labels: tuple[str, ...],
        values: Mapping[tuple[str, ...], float],
    ) -> None:
        """Publish values that do not change while the process runs."""
        made = Gauge(name, text, (*LABELS, *labels), registry=self._registry)
        for row, value in values.items():
            made.labels(*self._names, *row).set(value)
