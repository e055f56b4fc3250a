"""The verdict in words: conclusions from the intervals, at the top of the page.

It describes the measurements. The gates of the resource decide whether a version is published.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recommender_training.html_report import words


@dataclass(frozen=True)
class Verdict:
    """Headline and reasons. `tone` is `good`, `unsure`, `bad` or `plain`."""

    tone: str
    headline: str
    reasons: tuple[str, ...]


def build_verdict(report: Mapping[str, Any]) -> Verdict:
    """Return the verdict of an evaluation report."""
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
        return Verdict("bad", f"Test run with the injected fault {name}", reasons)
    if is_baseline(report):
        return Verdict("plain", "The baseline model itself, a logistic regression", reasons)
    metrics = report["metrics"]
    low, high = (metrics.get(f"aucMinusBaseline{end}") for end in ("Low", "High"))
    if low is None or high is None:
        headline = "Too few users to compare it with the baseline"
        return Verdict("unsure", headline, reasons)
    if low > 0:
        return Verdict("good", "Predicts responses better than the logistic regression", reasons)
    if high < 0:
        return Verdict("bad", "Predicts responses worse than the logistic regression", reasons)
    return Verdict("unsure", "No proven gain over the logistic regression", reasons)


def is_baseline(report: Mapping[str, Any]) -> bool:
    """Return True if the served model is the baseline itself."""
    return bool(report.get("algorithm") == "LogisticRegression")


def _accuracy(report: Mapping[str, Any]) -> str:
    metrics = report["metrics"]
    if is_baseline(report):
        return f"Its AUC is {words.number(metrics['auc'])}."
    lead = report.get("minus", {}).get("baseline", {}).get("auc")
    sentence = (
        f"Its AUC is {words.number(metrics['auc'])}; the baseline reaches "
        f"{words.number(metrics['baselineAuc'])}."
    )
    if lead is None or lead["low"] is None:
        return sentence
    level = 100 * report["uncertainty"]["level"]
    return (
        f"{sentence} The difference is {words.signed(lead['value'])} ({level:.0f} % interval "
        f"{words.ends(lead, sign=True)})."
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
    if is_baseline(report) or "ndcgAt10" not in minus.get("baseline", {}):
        return f"{sentence}."
    return f"{sentence} and {_how(minus['baseline']['ndcgAt10'])} the baseline's ({base})."


def _how(difference: Mapping[str, Any]) -> str:
    if difference["low"] is None or difference["low"] <= 0 <= difference["high"]:
        return "not measurably different from"
    return "better than" if difference["low"] > 0 else "worse than"


def _calibration(report: Mapping[str, Any]) -> str:
    metrics = report["metrics"]
    error, ratio = metrics["calibrationError"], metrics.get("calibrationRatio")
    text = f"Its probabilities differ from the outcomes by {words.percent(error)}"
    if ratio is None:  # a report of an earlier release
        return f"{text} (calibration error)."
    return (
        f"{text} (calibration error); it predicts {words.number(ratio, 2)} times the positive "
        "responses that there were."
    )


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
    if not leads or is_baseline(report):
        return f"{sentence}."
    lead, behind = min(leads)
    if lead >= 0:
        return f"{sentence}; no large enough segment is behind the baseline."
    return (
        f"{sentence}; for {words.segment(behind)} it is behind the baseline by "
        f"{words.number(-lead)}."
    )
