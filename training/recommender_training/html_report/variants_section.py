"""The section on the variants of the graph: costs and savings of each, and which one serves."""

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


def render_variants(section: Mapping[str, Any]) -> list[Markup]:
    """Return the sentence and the table."""
    sentence = (
        f"{section['served']} serves. The choice uses the answers of the exported graphs on the "
        f"{words.count(section['rows'])} interactions of the validation window. A variant may "
        f"lose {words.number(section['maxAucLoss'])} of the AUC and "
        f"{words.number(section['maxNdcgLoss'])} of NDCG@10 at the worse end of the interval, and "
        f"must save {words.share(section['minSaving'])} of size or time."
    )
    rows = [_row(each, str(section["served"])) for each in section["candidates"]]
    note = "The latencies of single requests are in the log and message of the train Job."
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
