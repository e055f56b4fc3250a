"""The section on explored places: what the version would gain there over another choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recommender_training.html_report import tables, words
from recommender_training.html_report.markup import Markup, tag

_NAMES = {
    "recommender": "Model",
    "champion": "Champion",
    "uniform": "The draw, as it was shown",
}
_AGAINST = {"champion": "the champion", "uniform": "the draw"}


def render_exploration(section: Mapping[str, Any]) -> list[Markup]:
    """Return the gain in a sentence, how it was estimated, and the estimates of each version."""
    found = section["estimates"]
    rows = [_row(name, found[name]) for name in _NAMES if name in found]
    head = [
        "Choice",
        "Positive responses, doubly robust",
        "Self-normalized",
        "Effective rows",
        "Mean weight, 1 up to chance",
    ]
    return [
        tag("p", _gain(section)),
        tag("p", _method(section), class_="note"),
        *([tables.table(head, rows)] if rows else []),
    ]


def _gain(section: Mapping[str, Any]) -> str:
    gain = section["gain"]
    if gain is None:
        return f"No estimate: {section['message']}."
    return (
        "Where the last item of an answer was drawn at random, the model would have got "
        f"{words.signed(gain['value'])} positive responses for each item "
        f"({words.ends(gain, sign=True)}) compared with {_AGAINST[section['against']]}."
    )


def _method(section: Mapping[str, Any]) -> str:
    return (
        f"{words.count(section['judged'])} of {words.count(section['places'])} explored places of "
        f"{words.count(section['users'])} users, without {words.count(section['withoutLabel'])} "
        f"whose label is not known and {words.count(section['unknownItems'])} with items that the "
        "data does not know. 95 % intervals over users. Each choice is from the items that the "
        "version which answered could have shown there."
    )


def _row(name: str, entry: Mapping[str, Any]) -> Markup:
    estimates = [
        tables.estimate(entry[method]) if method in entry else None
        for method in ("DoublyRobust", "SNIPS")
    ]
    weight = words.number(entry["meanWeight"], 3)
    doubt = "" if entry["supported"] else "; not as drawn"
    return tables.row(
        _NAMES[name], *estimates, words.count(entry["effectiveRows"]), f"{weight}{doubt}"
    )
