"""Sections of a spec for experiments that decide in minutes, with a few hundred users."""

from __future__ import annotations

from typing import Any

#: Of how a version serves, and what it shows.
WATCHED = {"ErrorRate": 1, "SlowShare": 1, "GroupExposure": 0.9}


def guardrails(**losses: float) -> list[dict[str, Any]]:
    """Return the guardrails of an experiment, some with another largest loss."""
    watched = {"PurchasesPerUser": 0.9, **WATCHED, **losses}
    return [{"metric": metric, "largestLoss": loss} for metric, loss in watched.items()]


#: Decided in minutes instead of weeks. The ramp has tests of its own.
EXPERIMENT: dict[str, Any] = {
    "rollout": {
        "steps": [{"weight": 100}],
        "experiment": {
            "weight": 50,
            "primary": [{"metric": "ClickThroughRate", "smallestEffect": 0.3}],
            "guardrails": guardrails(),
            # Other worlds train meanwhile, which makes some requests slow.
            "slowerThanMilliseconds": 5000,
            "itemGroup": {
                "feature": "category",
                "categories": ["books", "denim", "kids", "kitchen", "running"],
            },
            "minDays": 0,
            "maxDays": 0.02,
        },
    },
}
#: Each answer of its model takes so many milliseconds more, and more than that is slow. The steps
#: bear it, so that the experiment decides. Other worlds slow down the champion too.
DELAY = 120
SLOWED: dict[str, Any] = {"fault": "Latency", "latencyMilliseconds": DELAY}
SLOW: dict[str, Any] = {
    "rollout": {
        "analysis": {"thresholds": {"maxLatencyRatio": 1000}},
        "experiment": {
            "slowerThanMilliseconds": DELAY,
            "guardrails": guardrails(SlowShare=0.2),
        },
    },
}
