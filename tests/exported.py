"""The names of the series that operator, transformer and collector export."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from recommender_collector import collector_metrics as collector_metrics
from recommender_operator.metrics.operator_metrics import Metrics
from recommender_serving.monitoring import version_metrics as serving_metrics

ENDS = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}


def families() -> dict[str, str]:
    """Return the type of each family."""
    transformer, collector = CollectorRegistry(), CollectorRegistry()
    serving_metrics.Metrics(transformer, "m", "v", [("age", "0", 1)], {"age": 1.0}, {"age": 1.0})
    collector_metrics.CollectorMetrics(collector, ["m"])
    collector_metrics.WriterMetrics(collector, ["m"])
    registries = (Metrics().registry, transformer, collector)
    return {family.name: family.type for each in registries for family in each.collect()}


def series() -> set[str]:
    """Return the name of each series."""
    return {name + end for name, kind in families().items() for end in ENDS.get(kind, [""])}
