"""The section on a declared label: which rows have one, and at which share probabilities are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recommender_training.html_report import words
from recommender_training.html_report.markup import Markup, tag


def render_label(section: Mapping[str, Any]) -> list[Markup]:
    """Return a sentence for each part of the label."""
    return [tag("p", sentence) for sentence in _sentences(section)]


def _sentences(section: Mapping[str, Any]) -> list[str]:
    declared = section["declared"]
    drawn = section["drawnNegatives"]
    with_drawn = f", {words.count(drawn)} of them drawn negatives" if drawn else ""
    found = [
        f"{_rule(declared)} {words.count(section['rows'])} rows have a label{with_drawn}; "
        f"{words.count(section['positives'])} are positive."
    ]
    if "attribution" in declared:
        found.append(
            f"{words.count(section['openRows'])} impressions have no label yet, because their "
            f"window was still open at the newest event. {words.count(section['leftOutRows'])} "
            "are left out between the parts of the window, because a fit at that time could not "
            "have known their label."
        )
    if "positiveRate" in declared:
        found.append(
            f"The model answers with probabilities at the declared share of positives "
            f"{declared['positiveRate']:g}. The training rows have {section['trainShare']:g}, and "
            f"{words.signed(section['logitShift'])} is added to each logit. The metrics on this "
            "page compare the rows at their own share."
        )
    return found


def _rule(declared: Mapping[str, Any]) -> str:
    names = ", ".join(each["type"] for each in declared.get("positiveTypes", ()))
    if "attribution" in declared:
        window = declared["attribution"]
        shown = ", ".join(window["impressions"])
        return f"An event {shown} is positive if {names} follows within {window['hours']:g} hours."
    if names:
        return f"Events of the types {names} are positive."
    return f"Values of {declared.get('minimumValue', 4):g} or more are positive."
