"""`measure`: measure the latency of single requests to the models of an artifact."""

from __future__ import annotations

import argparse
from pathlib import Path

from recommender_training.artifact import manifest
from recommender_training.cli import options
from recommender_training.cli.options import Verbs
from recommender_training.cli.outcome import Outcome


def add(verbs: Verbs) -> None:
    """Add the command."""
    measure = options.verb(
        verbs, "measure", "measure the latency of single requests to an artifact's models"
    )
    measure.add_argument("artifact", type=Path)
    measure.add_argument("--calls", type=options.positive, default=1000)
    measure.add_argument("--threads", type=options.positive, default=1)
    options.add_report(measure)


def run(arguments: argparse.Namespace) -> Outcome:
    """Measure the latency of single requests to the graphs of an artifact."""
    from recommender_training.export import latency

    manifest.verify_artifact(arguments.artifact)
    latencies = latency.measure_latency(arguments.artifact, arguments.calls, arguments.threads)
    parts = [
        f"{name} p50 {times['p50Milliseconds']} ms, p99 {times['p99Milliseconds']} ms"
        for name, times in latencies.items()
    ]
    return "; ".join(parts), dict(latencies)
