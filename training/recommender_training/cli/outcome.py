"""Outcome of a command, and the text form of metrics."""

from __future__ import annotations

import sys

#: Message and fields of the report.
Outcome = tuple[str, dict[str, object]]


def summary(metrics: dict[str, float]) -> str:
    """Return the metrics in one line."""
    lists = "no request to rank"
    if "ndcgAt10" in metrics:
        popular = metrics["popularityNdcgAt10"]
        lists = f"ndcg@10 {metrics['ndcgAt10']:.4f} (popularity {popular:.4f})"
    return (
        f"auc {metrics['auc']:.4f} (baseline {metrics['baselineAuc']:.4f}), "
        f"log loss {metrics['logLoss']:.4f}, calibration error "
        f"{metrics['calibrationError']:.4f} (ratio {metrics['calibrationRatio']:.3f}), {lists}"
    )


def print_table(metrics: dict[str, float]) -> None:
    """Print one metric per line."""
    width = max(len(name) for name in metrics)
    for name, value in metrics.items():
        sys.stdout.write(f"{name:<{width}}  {value:.4f}\n")
    sys.stdout.flush()
