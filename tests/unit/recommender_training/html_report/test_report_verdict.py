"""The verdict follows from the intervals."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from recommender_training.html_report import verdict, words


@pytest.fixture(scope="module")
def report(trained: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((trained.staged / "report.json").read_text())
    return found


@pytest.mark.parametrize(
    ("low", "high", "tone"),
    [
        (0.001, 0.02, "good"),
        (-0.02, -0.001, "bad"),
        (-0.01, 0.01, "unsure"),
        (None, None, "unsure"),
    ],
)
def test_the_verdict_follows_the_interval(
    report: dict[str, Any], low: float | None, high: float | None, tone: str
) -> None:
    section = copy.deepcopy(report)
    section["metrics"] |= {"aucMinusBaselineLow": low, "aucMinusBaselineHigh": high}
    section["minus"]["baseline"]["auc"] |= {"low": low, "high": high}
    assert verdict.build_verdict(section).tone == tone


def test_an_injected_fault_and_the_baseline_are_never_called_better(
    report: dict[str, Any],
) -> None:
    good = copy.deepcopy(report)
    good["metrics"] |= {"aucMinusBaselineLow": 0.1, "aucMinusBaselineHigh": 0.2}
    assert verdict.build_verdict(good).tone == "good"
    rehearsed = good | {"fault": {"fault": "NonFinite"}}
    assert verdict.build_verdict(rehearsed).tone == "bad"
    assert "NonFinite" in verdict.build_verdict(rehearsed).headline
    assert verdict.build_verdict(good | {"algorithm": "LogisticRegression"}).tone == "plain"


def test_the_verdict_names_the_segment_behind_the_baseline(
    report: dict[str, Any],
) -> None:
    section = copy.deepcopy(report)
    counted = [entry for entry in section["fairness"]["segments"] if entry["counted"]]
    for entry in counted:
        entry["minusBaseline"]["auc"]["value"] = 0.01
    assert "no large enough segment" in " ".join(verdict.build_verdict(section).reasons)
    counted[-1]["minusBaseline"]["auc"]["value"] = -0.0321
    sentence = " ".join(verdict.build_verdict(section).reasons)
    assert f"for {words.segment(counted[-1]['name'])} it is behind" in sentence
    assert "0.0321" in sentence


@pytest.mark.parametrize(
    ("low", "high", "words_"),
    [
        (0.01, 0.02, "better than"),
        (-0.02, -0.01, "worse than"),
        (-0.01, 0.01, "not measurably different from"),
        (None, None, "not measurably different from"),
    ],
)
def test_lists_are_called_better_only_if_the_interval_shows_it(
    report: dict[str, Any], low: float | None, high: float | None, words_: str
) -> None:
    section = copy.deepcopy(report)
    section["minus"]["baseline"]["ndcgAt10"] |= {"low": low, "high": high}
    assert f"{words_} the baseline's" in " ".join(verdict.build_verdict(section).reasons)
