"""Metrics of the batches on disk; every series exists from the start, at zero."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge


class FileMetrics:
    """Work that waits in the batches of all models: erasures, lines, folders."""

    def __init__(self, registry: CollectorRegistry, models: Iterable[str]) -> None:
        self._open_erasures = Gauge(
            "recommender_writer_open_erasures",
            "Users to erase whose rows may still be in the files.",
            ("model",),
            registry=registry,
        )
        self._oldest_erasure = Gauge(
            "recommender_writer_oldest_erasure_timestamp_seconds",
            "Time of the oldest erasure that has not ended, by the place that may have the user; "
            "0 without one.",
            ("model", "place"),
            registry=registry,
        )
        self._unread_batches = Gauge(
            "recommender_writer_unread_batches",
            "Batches of files that are kept past their retention, as a lake has not read them.",
            ("model",),
            registry=registry,
        )
        self._recovered = Counter(
            "recommender_writer_recovered_events_total",
            "Events of lines that an earlier release had quarantined.",
            ("model",),
            registry=registry,
        )
        for model in models:
            for metric in (self._open_erasures, self._recovered, self._unread_batches):
                metric.labels(model)
            for place in ("files", "lake", "aof"):
                self._oldest_erasure.labels(model, place)

    def erasing(self, model: str, users: int, files: float, lake: float, aof: float) -> None:
        """Set how many users are to be erased from files, and since when, in seconds since 1970.

        `files` and `lake` are the times of the oldest erasures that may have left rows there, and
        `aof` is when those ended that the store's append-only file may have; 0 without one.
        """
        self._open_erasures.labels(model).set(users)
        self._oldest_erasure.labels(model, "files").set(files)
        self._oldest_erasure.labels(model, "lake").set(lake)
        self._oldest_erasure.labels(model, "aof").set(aof)

    def unread_batches(self, model: str, batches: int) -> None:
        """Set how many batches are kept past their retention."""
        self._unread_batches.labels(model).set(batches)

    def recovered(self, model: str, events: int) -> None:
        """Count events that were taken back from the quarantine."""
        self._recovered.labels(model).inc(events)
