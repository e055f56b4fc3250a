"""The verdict in words: what the intervals say, before any number is read.

It says what was measured. Whether a version may be published is for the gates of the resource.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recommender_training.html_report import words


@dataclass(frozen=True)
class Verdict:
    """`tone` is `good`, `unsure`, `bad` or `plain`; `reasons` are sentences."""

    tone: str
    headline: str
    reasons: tuple[str, ...]


def of(report: Mapping[str, Any]) -> Verdict:
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
    if alone(report):
        return Verdict("plain", "This is the baseline itself, a logistic regression", reasons)
    metrics = report["metrics"]
    low, high = (metrics.get(f"aucMinusBaseline{end}") for end in ("Low", "High"))
    if low is None or high is None:
        headline = "Too few users to tell whether it is better than the baseline"
        return Verdict("unsure", headline, reasons)
    if low > 0:
        return Verdict("good", "Predicts responses better than the logistic regression", reasons)
    if high < 0:
        return Verdict("bad", "Predicts responses worse than the logistic regression", reasons)
    return Verdict("unsure", "Not shown to predict better than the logistic regression", reasons)


def alone(report: Mapping[str, Any]) -> bool:
    """Whether the served model is the baseline itself, so that there is nothing to compare."""
    return bool(report.get("algorithm") == "LogisticRegression")


def _accuracy(report: Mapping[str, Any]) -> str:
    metrics = report["metrics"]
    if alone(report):
        return f"It tells liked from disliked with an AUC of {words.number(metrics['auc'])}."
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
    metrics, minus = report["metrics"], report.get("minus", {})
    if "ndcgAt10" not in minus.get("popularity", {}):
        return None
    own, popular, base = (
        words.number(metrics[key])
        for key in ("ndcgAt10", "popularityNdcgAt10", "baselineNdcgAt10")
    )
    sentence = (
        f"Its lists are {_how(minus['popularity']['ndcgAt10'])} a list of the most popular items "
        f"(NDCG@10 {own} against {popular})"
    )
    if alone(report) or "ndcgAt10" not in minus.get("baseline", {}):
        return f"{sentence}."
    return f"{sentence} and {_how(minus['baseline']['ndcgAt10'])} the baseline's ({base})."


def _how(told: Mapping[str, Any]) -> str:
    if told["low"] is None or told["low"] <= 0 <= told["high"]:
        return "not shown to differ from"
    return "better than" if told["low"] > 0 else "worse than"


def _calibration(report: Mapping[str, Any]) -> str:
    error = report["metrics"]["calibrationError"]
    return f"Its probabilities are off by {words.share(error)} on average (calibration error)."


def _weakest(report: Mapping[str, Any]) -> str | None:
    name = report.get("worstSegment")
    if name is None or name == "all":
        return None
    area = words.number(report["metrics"]["worstSegmentAuc"])
    sentence = f"It is weakest for {words.segment(name)} (AUC {area})"
    leads = [
        (entry["minusBaseline"]["auc"]["value"], entry["name"])
        for entry in report.get("fairness", {}).get("segments", [])
        if entry["counted"]
    ]
    if not leads or alone(report):
        return f"{sentence}."
    lead, behind = min(leads)
    if lead >= 0:
        return f"{sentence}; in no segment that is large enough is it behind the baseline."
    return (
        f"{sentence}; for {words.segment(behind)} it is behind the baseline by "
        f"{words.number(-lead)}."
    )
