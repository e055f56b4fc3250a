"""The section on a new calibration, which is fitted to labels of what was served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recommender_training.html_report import words
from recommender_training.html_report.markup import Markup, tag


def render_recalibration(section: Mapping[str, Any]) -> list[Markup]:
    """Return a sentence about the source, one about the calibration, one about its gain."""
    gain = {"low": section["gainLow"], "high": section["gainHigh"]}
    since, judged, through = (
        str(section[name])[:10] for name in ("since", "judgedSince", "through")
    )
    sentences = (
        f"This version has the network and the lists of {section['of']}; nothing was trained. "
        "The evaluation on this page is that of its training: of the probabilities before they "
        "were recalibrated.",
        f"The log-odds of each probability are multiplied by {words.number(section['slope'])} "
        f"and {words.signed(section['shift'])} is added, fitted to labels of what it served from "
        f"{since} to {judged}.",
        f"On the labels from {judged} to {through}, to which it was not fitted "
        f"({words.count(section['labels'])} positive ones), it saves "
        f"{words.signed(section['gain'], 5)} ({words.ends(gain, sign=True, digits=5)}) of the "
        f"log loss. There were {words.number(section['ratio'], 2)} positive labels for each "
        f"expected one, with the new calibration {words.number(section['ratioAfter'], 2)}.",
    )
    return [tag("p", sentence) for sentence in sentences]
