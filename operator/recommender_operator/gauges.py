"""Gauges that are computed at each scrape: those of the caches and those of the models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from recommender_operator.figures import FAMILIES, Figure

PREFIX = "recommender_operator_"


class Cache(Protocol):
    """The figures of a cache."""

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
    """Collects the figures of the caches, summed over namespaces."""

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
    """Collects the figures of the models as they were after the last look at each."""

    def __init__(self) -> None:
        self._by_model: dict[tuple[str, str], tuple[Figure, ...]] = {}

    def set(self, namespace: str, model: str, figures: tuple[Figure, ...]) -> None:
        """Replace the figures of a model."""
        self._by_model[namespace, model] = figures

    def forget(self, namespace: str, model: str) -> None:
        """Remove the figures of a deleted model."""
        self._by_model.pop((namespace, model), None)

    def collect(self) -> Iterator[Metric]:
        """Yield every family, with the figures of all models."""
        families = {
            name: GaugeMetricFamily(
                f"{PREFIX}{name}", text, labels=["namespace", "model", *labels]
            )
            for name, (text, labels) in FAMILIES.items()
        }
        # A copy: the scrape runs in another thread than the looks.
        for model, figures in list(self._by_model.items()):
            for figure in figures:
                families[figure.family].add_metric([*model, *figure.labels], figure.value)
        yield from families.values()
