"""The metrics of experiments; the operator reads none of them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from recommender_serving.domain.types import Forwarded

LABELS = ("model", "version")
EXTRA_BUCKETS = (0.0002, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)


class ExperimentMetrics:
    """Metrics of one version; every series exists from the start, at zero."""

    def __init__(self, registry: CollectorRegistry, model: str, version: str) -> None:
        forwarded = Counter(
            "transformer_forwarded_total",
            "Instances that another version should answer, by what became of them.",
            (*LABELS, "outcome"),
            registry=registry,
        )
        self._forwarded = {
            each: forwarded.labels(model, version, each.value) for each in Forwarded
        }
        self._extra = Histogram(
            "transformer_forward_extra_seconds",
            "Time of a forwarded call beyond what the other version took for its answer.",
            LABELS,
            buckets=EXTRA_BUCKETS,
            registry=registry,
        ).labels(model, version)
        self._disagreed, self._ignored = (
            Counter(f"transformer_experiment_{name}_total", text, LABELS, registry=registry)
            .labels(model, version)
            for name, text in (
                ("disagreements", "Answers to users of another version of the experiment."),
                ("headers_ignored", "Calls whose header of an experiment does not parse."),
            )
        )  # fmt: skip

    def forwarded(self, outcome: Forwarded, instances: int) -> None:
        """Count instances that another version should answer."""
        self._forwarded[outcome].inc(instances)

    def added(self, seconds: float) -> None:
        """Count the time that a forward added to a call."""
        self._extra.observe(seconds)

    def disagreed(self) -> None:
        """Count an answer of this version to a user of another one."""
        self._disagreed.inc()

    def ignored(self) -> None:
        """Count a header that does not parse."""
        self._ignored.inc()
