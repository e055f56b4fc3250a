"""What the users of each arm did: pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recommender_client.values import Id

#: Of the normal distribution, for an interval of 95 %.
QUANTILE = 1.96


@dataclass(slots=True)
class Arm:
    """Answers and clicks of each user of an arm."""

    answers: dict[Id, int] = field(default_factory=dict)
    clicks: dict[Id, int] = field(default_factory=dict)
    purchases: int = 0
    fallbacks: int = 0
    expected: float = 0.0  # clicks, as the users' preferences say

    def add(self, user: Id, clicks: int, purchases: int, expected: float, *, model: bool) -> None:
        """Add one answer and what the user did with it."""
        self.answers[user] = self.answers.get(user, 0) + 1
        self.clicks[user] = self.clicks.get(user, 0) + clicks
        self.purchases += purchases
        self.fallbacks += not model
        self.expected += expected

    def click_through(self) -> tuple[float, float]:
        """Return clicks by answers, and half the length of its interval of 95 %.

        Answers of one user are not independent, so the variance is over users (delta method).
        """
        users, answers = len(self.answers), sum(self.answers.values())
        if not answers:
            return math.nan, math.nan
        rate = sum(self.clicks.values()) / answers
        if users < 2:
            return rate, math.nan
        rest = sum((self.clicks[user] - rate * own) ** 2 for user, own in self.answers.items())
        return rate, QUANTILE * math.sqrt(users / (users - 1) * rest) / answers


@dataclass(slots=True)
class Tally:
    """All arms, and what went wrong."""

    arms: dict[str, Arm] = field(default_factory=dict)
    failed: int = 0  # queries without an answer
    undelivered: int = 0  # events that the collector did not take

    @property
    def answers(self) -> int:
        """The answers of all arms."""
        return sum(sum(arm.answers.values()) for arm in self.arms.values())

    def arm(self, name: str) -> Arm:
        """Return an arm, which is new if it was not seen before."""
        return self.arms.setdefault(name, Arm())

    def summary(self) -> dict[str, Any]:
        """Return the figures as JSON has them."""
        return {
            "arms": {name: _figures(arm) for name, arm in sorted(self.arms.items())},
            "failed": self.failed,
            "undelivered": self.undelivered,
        }


def _figures(arm: Arm) -> dict[str, Any]:
    rate, half = arm.click_through()
    answers = sum(arm.answers.values())
    return {
        "users": len(arm.answers),
        "answers": answers,
        "clicks": sum(arm.clicks.values()),
        "purchases": arm.purchases,
        "fallbacks": arm.fallbacks,
        "click_through": round(rate, 6),
        "half_interval": None if math.isnan(half) else round(half, 6),
        "expected_click_through": round(arm.expected / answers, 6),
    }


def table(summary: Mapping[str, Any]) -> str:
    """Return the figures for people."""
    rows = [("arm", "users", "answers", "clicks", "click-through", "expected", "bought")]
    for name, own in summary["arms"].items():
        half = "" if own["half_interval"] is None else f" +- {own['half_interval']:.4f}"
        rate = f"{own['click_through']:.4f}{half}"
        expected = f"{own['expected_click_through']:.4f}"
        counts = (str(own[key]) for key in ("users", "answers", "clicks"))
        rows.append((name, *counts, rate, expected, str(own["purchases"])))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    lines.append(
        f"{summary['failed']} queries failed, {summary['undelivered']} events undelivered"
    )
    return "\n".join(lines)
