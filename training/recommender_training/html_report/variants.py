"""The section on the variants of the graph: what each costs and saves, and which one serves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recommender_training.html_report import tables, words
from recommender_training.html_report.markup import Markup, tag

_HEAD = (
    "Graph",
    "MB",
    "AUC minus full",
    "Log loss minus full",
    "NDCG@10 minus full",
    "Gate",
)


def parts(told: Mapping[str, Any]) -> list[Markup]:
    """The sentence and the table."""
    sentence = (
        f"{told['served']} serves. Chosen on the validation window of "
        f"{words.count(told['rows'])} interactions, by the exported graphs' own answers: a "
        f"variant may lose {words.number(told['maxAucLoss'])} of the AUC and "
        f"{words.number(told['maxNdcgLoss'])} of NDCG@10 at the worse end of the interval, and "
        f"has to save {words.share(told['minSaving'])} of size or time."
    )
    rows = [_row(each, str(told["served"])) for each in told["candidates"]]
    note = "Times of single requests are in the log and in the message of the training's Job."
    return [tag("p", sentence), tables.table(_HEAD, rows), tag("p", note, class_="note")]


def _row(each: Mapping[str, Any], served: str) -> Markup:
    minus = each.get("minusFull", {})
    gate = None
    if "reason" in each:
        gate = f"{'passes' if each['accepted'] else 'fails'}: {each['reason']}"
    return tables.row(
        f"{each['name']}, serves" if each["name"] == served else each["name"],
        words.number(each["megabytes"], 2),
        *[
            tables.estimate(minus[name], sign=True) if name in minus else None
            for name in ("auc", "logLoss", "ndcgAt10")
        ],
        gate,
    )
