"""The verdict in words: what the intervals say, before any number is read.

It says what was measured. Whether a version may be published is for the gates of the resource.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recommender_training.page import words


@dataclass(frozen=True)
class Verdict:
    """`tone` is `good`, `unsure`, `bad` or `plain`; `reasons` are sentences."""

    tone: str
    headline: str
    reasons: tuple[str, ...]


def judge(report: Mapping[str, Any]) -> Verdict:
    """The verdict of an evaluation report."""
    reasons = tuple(
        sentence
        for sentence in (
            _accuracy(report),
            _ranking(report),
            _calibration(report),
            _weakest(report),
        )
        if sentence is not None
    )
    if report.get("fault"):
        name = report["fault"].get("fault", "a fault")
        return Verdict("bad", f"A rehearsal: the fault {name} was injected", reasons)
    if report.get("algorithm") == "LogisticRegression":
        return Verdict("plain", "This is the baseline itself, a logistic regression", reasons)
    metrics = report["metrics"]
    low, high = (metrics.get(f"aucMinusBaseline{end}") for end in ("Low", "High"))
    if low is None or high is None:
        headline = "Too few users to tell whether it is better than the baseline"
        return Verdict("unsure", headline, reasons)
    if low > 0:
        return Verdict("good", "Better than the logistic regression baseline", reasons)
    if high < 0:
        return Verdict("bad", "Worse than the logistic regression baseline", reasons)
    return Verdict("unsure", "Not shown to be better than the logistic regression", reasons)


def _accuracy(report: Mapping[str, Any]) -> str:
    metrics = report["metrics"]
    lead = report.get("minus", {}).get("baseline", {}).get("auc")
    sentence = (
        f"It tells liked from disliked with an AUC of {words.number(metrics['auc'])}; the "
        f"baseline reaches {words.number(metrics['baselineAuc'])}."
    )
    if lead is None or lead["low"] is None:
        return sentence
    level = 100 * report["uncertainty"]["level"]
    return (
        f"{sentence} The difference is {words.signed(lead['value'])}, with {level:.0f} % "
        f"confidence {words.ends(lead, sign=True)}."
    )


def _ranking(report: Mapping[str, Any]) -> str | None:
    metrics = report["metrics"]
    told = report.get("minus", {}).get("popularity", {}).get("ndcgAt10")
    if told is None:
        return None
    how = (
        "cannot be told from" if told["low"] is None or told["low"] <= 0 <= told["high"] else None
    )
    how = how or ("are better than" if told["low"] > 0 else "are worse than")
    own, popular = (words.number(metrics[key]) for key in ("ndcgAt10", "popularityNdcgAt10"))
    return f"Its lists {how} a list of the most popular items: NDCG@10 {own} against {popular}."


def _calibration(report: Mapping[str, Any]) -> str:
    error = report["metrics"]["calibrationError"]
    return f"Its probabilities are off by {words.share(error)} on average (calibration error)."


def _weakest(report: Mapping[str, Any]) -> str | None:
    name = report.get("worstSegment")
    if name is None or name == "all":
        return None
    area = words.number(report["metrics"]["worstSegmentAuc"])
    sentence = f"It is weakest for {words.segment(name)} (AUC {area})"
    lead = report["metrics"].get("worstSegmentAucMinusBaseline")
    if lead is None:
        return f"{sentence}."
    if lead > 0:
        return f"{sentence}; in every segment that is large enough it is ahead of the baseline."
    return f"{sentence}; in one segment the lead over the baseline is {words.signed(lead)}."
