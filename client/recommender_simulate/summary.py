"""Results of a simulation, by version: pure."""

from __future__ import annotations

import collections
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from recommender_client import Kind, Recommendation
from recommender_simulate.behaviour import Act

_HEADS = ("version", "users", "answers", "clicks", "click-through", "expected", "revenue")
_HEADS_OF_BEST = ("best", "of best")
SHOWN_FAILURES = 5


@dataclass(frozen=True, slots=True)
class Worth:
    """Mean number of clicks, by the truth: on a list, and on the best list for its user."""

    expected: float
    best: float | None = None  # None: the catalogue is not known


@dataclass(slots=True)
class Arm:
    """The answers of one version."""

    users: set[object] = field(default_factory=set)
    answers: int = 0
    clicks: int = 0
    purchases: int = 0
    revenue: float = 0.0
    expected: float = 0.0  # clicks, by the truth
    best: float | None = None  # the same of the best lists; None: the catalogue is not known
    sources: collections.Counter[str] = field(default_factory=collections.Counter)

    def report(self) -> dict[str, Any]:
        """Return the figures; rates are per answer."""
        return {
            "users": len(self.users),
            "answers": self.answers,
            "clicks": self.clicks,
            "purchases": self.purchases,
            "revenue": round(self.revenue, 2),
            "click_through": _rate(self.clicks, self.answers),
            "expected_click_through": _rate(self.expected, self.answers),
            "best_click_through": None if self.best is None else _rate(self.best, self.answers),
            "share_of_best": _rate(self.expected, self.best) if self.best else None,
            "sources": dict(self.sources),
        }


@dataclass(slots=True)
class Summary:
    """The whole simulation."""

    arms: dict[str, Arm] = field(default_factory=dict)
    failures: collections.Counter[str] = field(default_factory=collections.Counter)
    accepted: int = 0  # events
    rejected: int = 0
    undelivered: int = 0
    event_trouble: str = ""  # why events were not delivered, last

    def answered(self, answer: Recommendation, acts: Iterable[Act], worth: Worth) -> None:
        """Count an answer and what the user did with it."""
        arm = self.arms.setdefault(answer.version, Arm())
        arm.users.add(answer.user_id)
        arm.answers += 1
        arm.sources[answer.source] += 1
        arm.expected += worth.expected
        if worth.best is not None:
            arm.best = (arm.best or 0.0) + worth.best
        for act in acts:
            if act.kind is Kind.CLICK:
                arm.clicks += 1
            else:
                arm.purchases += 1
                arm.revenue += act.value or 0.0

    def failed(self, cause: str) -> None:
        """Count a request without an answer."""
        self.failures[cause[:200]] += 1

    @property
    def answers(self) -> int:
        """Requests that were answered."""
        return sum(arm.answers for arm in self.arms.values())

    @property
    def failed_requests(self) -> int:
        """Requests without an answer."""
        return self.failures.total()

    def report(self) -> dict[str, Any]:
        """Return the figures as JSON has them."""
        return {
            "answers": self.answers,
            "failed": self.failed_requests,
            "failures": dict(self.failures.most_common(SHOWN_FAILURES)),
            "versions": {name: arm.report() for name, arm in sorted(self.arms.items())},
            "events": {
                "accepted": self.accepted,
                "rejected": self.rejected,
                "undelivered": self.undelivered,
                "trouble": self.event_trouble,
            },
        }

    def table(self) -> str:
        """Return the figures for people."""
        compared = any(arm.best is not None for arm in self.arms.values())
        rows = [[*_HEADS, *(_HEADS_OF_BEST if compared else ())]]
        rows += [_row(name, arm, compared) for name, arm in sorted(self.arms.items())]
        widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
        lines = [
            "  ".join(
                cell.ljust(width) if at == 0 else cell.rjust(width)
                for at, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        ]
        return "\n".join([*lines, "", self.line()])

    def line(self) -> str:
        """Return the sums in one line."""
        text = (
            f"{self.answers} answers, {self.failed_requests} requests failed; events: "
            f"{self.accepted} accepted, {self.rejected} rejected, {self.undelivered} undelivered"
        )
        if self.failures:
            text += f"; most often: {self.failures.most_common(1)[0][0]}"
        return f"{text}; last error: {self.event_trouble}" if self.event_trouble else text


def _row(name: str, arm: Arm, compared: bool) -> list[str]:
    told = arm.report()
    row = [
        name, str(told["users"]), str(arm.answers), str(arm.clicks),
        _percent(told["click_through"]), _percent(told["expected_click_through"]),
        f"{arm.revenue:.2f}",
    ]  # fmt: skip
    if compared:
        row += [_percent(told["best_click_through"]), _percent(told["share_of_best"])]
    return row


def _rate(count: float, of: float) -> float | None:
    return round(count / of, 5) if of else None


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{100 * rate:.2f} %"
