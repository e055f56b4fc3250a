"""Comparisons as text for people."""

from __future__ import annotations

from recommender_operator.experiments.estimates import Comparison


def described(comparison: Comparison) -> str:
    """Return the values, the relative difference with its interval, and the p-value."""
    values = " against ".join(
        "no value" if value is None else f"{value:.4g}"
        for value in (comparison.candidate, comparison.champion)
    )
    text = f"{comparison.metric} {values}"
    if comparison.difference is None:
        return text
    text += f" ({comparison.difference:+.1%}"
    if comparison.low is not None and comparison.high is not None:
        text += f" [{comparison.low:+.1%}, {comparison.high:+.1%}]"
    if comparison.p_value is not None:
        text += f", p = {comparison.p_value:.2g}"
    return f"{text})"
