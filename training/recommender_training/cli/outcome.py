"""What a command ends with, and how figures are told."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

#: A message, and the fields of the report.
Outcome = tuple[str, dict[str, object]]


def searched(report: Mapping[str, Any]) -> dict[str, object]:
    """What the Job says of its search, where there was one."""
    if "search" not in report:
        return {}
    from recommender_training.search import results

    return {"search": results.compact(report["search"])}


def summary(metrics: dict[str, float]) -> str:
    """The metrics in one line."""
    return (
        f"auc {metrics['auc']:.4f} (baseline {metrics['baselineAuc']:.4f}), "
        f"log loss {metrics['logLoss']:.4f}, calibration error "
        f"{metrics['calibrationError']:.4f}, ndcg@10 {metrics['ndcgAt10']:.4f} "
        f"(popularity {metrics['popularityNdcgAt10']:.4f})"
    )


def print_table(metrics: dict[str, float]) -> None:
    """Print each metric on a line of its own."""
    width = max(len(name) for name in metrics)
    for name, value in metrics.items():
        sys.stdout.write(f"{name:<{width}}  {value:.4f}\n")
    sys.stdout.flush()
