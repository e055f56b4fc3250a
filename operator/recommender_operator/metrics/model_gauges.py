"""Gauges that are computed at each scrape: those of the caches and those of the models."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from recommender_operator.metrics.model_metrics import FAMILIES, ModelMetric

PREFIX = "recommender_operator_"
#: Namespace and name of a model.
Key = tuple[str, str]
ModelMetrics = tuple[ModelMetric, ...]


class Cache(Protocol):
    """The metrics of a cache."""

    @property
    def plural(self) -> str:
        """The plural of the kind."""
        ...

    @property
    def age(self) -> float:
        """Seconds since the API server's last list, event or bookmark."""
        ...

    @property
    def objects(self) -> int:
        """Number of cached objects."""
        ...


class CacheGauges(Collector):
    """Collects the metrics of the caches, summed over namespaces."""

    def __init__(self) -> None:
        self.caches: Callable[[], Iterable[Cache]] = tuple

    def collect(self) -> Iterator[Metric]:
        """Yield objects and ages by kind."""
        objects: dict[str, int] = {}
        ages: dict[str, float] = {}
        for cache in self.caches():
            objects[cache.plural] = objects.get(cache.plural, 0) + cache.objects
            ages[cache.plural] = max(cache.age, ages.get(cache.plural, 0.0))
        kept = GaugeMetricFamily(f"{PREFIX}cache_objects", "Cached objects.", labels=["resource"])
        age = GaugeMetricFamily(
            f"{PREFIX}cache_age_seconds",
            "Seconds since the last list, event or bookmark of a kind; maximum over its watches.",
            labels=["resource"],
        )
        for plural, count in objects.items():
            kept.add_metric([plural], count)
            age.add_metric([plural], ages[plural])
        yield kept
        yield age


class ModelGauges(Collector):
    """The metrics of the models as they were after the last pass of each.

    Most of them are the same at the next scrape, so the lines of a model are kept (`text`).
    """

    def __init__(self) -> None:
        self._by_model: dict[Key, ModelMetrics] = {}
        #: Lines by family, and the metrics that they show.
        self._lines: dict[Key, tuple[ModelMetrics, dict[str, str]]] = {}

    def set(self, namespace: str, model: str, metrics: ModelMetrics) -> None:
        """Replace the metrics of a model."""
        self._by_model[namespace, model] = metrics

    def forget(self, namespace: str, model: str) -> None:
        """Remove the metrics of a deleted model."""
        self._by_model.pop((namespace, model), None)
        self._lines.pop((namespace, model), None)

    def collect(self) -> Iterator[Metric]:
        """Yield every family, with the metrics of all models."""
        families = {name: _family(name) for name in FAMILIES}
        for key, metrics in list(self._by_model.items()):
            _add(families, key, metrics)
        yield from families.values()

    def text(self) -> str:
        """Return every family with the lines of all models, in the format of text and OpenMetrics.

        Gauges look the same in both.
        """
        lines: dict[str, list[str]] = {name: [heading] for name, heading in _headings().items()}
        # A copy: the scrape runs in another thread than the passes.
        for key, metrics in list(self._by_model.items()):
            for family, text in self._lines_of(key, metrics).items():
                lines[family].append(text)
        return "".join(itertools.chain.from_iterable(lines.values()))

    def _lines_of(self, key: Key, metrics: ModelMetrics) -> dict[str, str]:
        kept = self._lines.get(key)
        # By identity: a pass in the meantime has other metrics.
        if kept is None or kept[0] is not metrics:
            families = {metric.family: _family(metric.family) for metric in metrics}
            _add(families, key, metrics)
            headings = _headings()
            lines = {
                name: _rendered(family).removeprefix(headings[name])
                for name, family in families.items()
            }
            kept = self._lines[key] = (metrics, lines)
        return kept[1]


def _family(name: str) -> GaugeMetricFamily:
    text, labels = FAMILIES[name]
    return GaugeMetricFamily(f"{PREFIX}{name}", text, labels=["namespace", "model", *labels])


def _add(families: Mapping[str, GaugeMetricFamily], key: Key, metrics: ModelMetrics) -> None:
    for metric in metrics:
        families[metric.family].add_metric([*key, *metric.labels], metric.value)


def _rendered(family: Metric) -> str:
    registry = CollectorRegistry()
    registry.register(_One(family))
    return generate_latest(registry).decode()


class _One(Collector):
    """A single family."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterator[Metric]:
        yield self._family


@functools.cache
def _headings() -> Mapping[str, str]:
    """Return the lines with help and type of every family."""
    return {name: _rendered(_family(name)) for name in FAMILIES}
