"""The tables of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recommender_training.html_report import words
from recommender_training.html_report.markup import Child, Markup, join, tag

_Report = Mapping[str, Any]

#: Rows of the table of metrics: key, label, and the better direction, if any.
_METRICS = (
    ("auc", "AUC", "higher"),
    ("prAuc", "Area under precision and recall", "higher"),
    ("logLoss", "Log loss", "lower"),
    ("normalisedEntropy", "Normalised entropy, 1 knows the base rate", "lower"),
    ("calibrationError", "Calibration error", "lower"),
    ("calibrationGap", "Calibration gap, signed", ""),
    ("calibrationRatio", "Predicted / actual positives, 1 is calibrated", ""),
    ("precisionAt10", "Precision@10", "higher"),
    ("recallAt10", "Recall@10", "higher"),
    ("ndcgAt10", "NDCG@10", "higher"),
    ("coverageAt10", "Coverage of the catalogue@10", "higher"),
    ("noveltyAt10", "Novelty@10, bits", ""),
    ("popularityRankAt10", "Popularity rank@10, 1 is the most popular", ""),
    ("exposureGiniAt10", "Inequality of exposure@10 (Gini)", ""),
)
_NAMES = {
    "recommender": "Model",
    "baseline": "Logistic regression",
    "popularity": "Popularity",
    "popularityBySegment": "Popularity by segment",
    "champion": "Champion",
}


def table(head: Sequence[str], rows: Sequence[Markup]) -> Markup:
    """Return a table that scrolls separately on narrow screens."""
    top = tag("thead", tag("tr", *[tag("th", each, scope="col") for each in head]))
    return tag("div", tag("table", top, tag("tbody", *rows)), class_="scroll")


def row(first: Child, *others: Child, class_: str | None = None) -> Markup:
    """Return a row whose first cell is its name."""
    return tag(
        "tr",
        tag("td", first),
        *[tag("td", each or words.ABSENT) for each in others],
        class_=class_,
    )


def estimate(entry: _Report, *, sign: bool = False) -> Markup:
    """Return a value with its interval below."""
    write = words.signed if sign else words.number
    below = tag("small", words.ends(entry, sign=sign)) if entry.get("low") is not None else None
    return join(write(entry["value"]), below)


def metrics(report: _Report, minus: _Report) -> Markup:
    """Return all metrics of each model with intervals and paired differences from the baseline.

    `minus` has the differences; it is empty for the baseline itself.
    """
    models = report["models"]
    names = [name for name in _NAMES if name in models]
    rows = []
    for key, label, better in _METRICS:
        cells = [_cell(report, name, key) for name in names]
        if all(cell is None for cell in cells):
            continue
        if minus:
            cells.append(estimate(minus[key], sign=True) if key in minus else None)
        hint = tag("small", f"{better} is better") if better else None
        rows.append(row(join(label, hint), *cells))
    last = ["Model minus regression"] if minus else []
    return table(["Metric", *(_NAMES[name] for name in names), *last], rows)


def _cell(report: _Report, name: str, key: str) -> Child:
    entry = report.get("intervals", {}).get(name, {}).get(key)
    if entry is not None:
        return estimate(entry)
    value = report["models"][name].get(key)
    return None if value is None else words.number(value)


def champion(entry: _Report) -> Markup:
    """Return facts of the comparison with the champion; `entry` is `champion` of the report."""
    pairs: list[tuple[str, Child]] = [
        ("Champion", tag("code", str(entry["digest"]))),
        (
            "Compared on the same rows",
            "yes" if entry["compared"] else "no; see the Job's report",
        ),
    ]
    if entry["compared"]:
        saw, unknown = entry.get("sawTestRows"), entry.get("unknownItemRows")
        biased = "; its metrics are too good on these" if saw else ""
        known = "unknown" if saw is None else f"{words.count(saw)}{biased}"
        pairs += [
            ("Rows of the test window in its training", known),
            ("Rows with an item unknown to it", words.count(unknown)),
        ]
    return facts(pairs)


def segments(entries: Sequence[_Report], own: Sequence[_Report]) -> Markup:
    """Return sizes, errors and differences of each segment; small segments are grey.

    `own` are the segments of the model's metrics, with their calibration errors.
    """
    errors = {entry["name"]: entry for entry in own}
    head = ["Segment", "Rows", "Users", "AUC", "AUC minus all rows", "AUC minus baseline",
            "Log loss", "Calibration error", "Calibration gap"]  # fmt: skip
    rows = []
    for entry in entries:
        whole = errors[entry["name"]]
        cells: list[Child] = [words.count(entry["rows"]), words.count(entry["users"])]
        if entry["counted"]:
            own_auc, gap = (entry["estimates"][key] for key in ("auc", "calibrationGap"))
            cells += [
                estimate(own_auc),
                estimate(entry["minusAll"]["auc"], sign=True),
                estimate(entry["minusBaseline"]["auc"], sign=True),
                estimate(entry["estimates"]["logLoss"]),
                words.number(whole["calibrationError"]),
                estimate(gap, sign=True),
            ]
        else:
            cells += [words.number(whole["auc"]), None, None, words.number(whole["logLoss"]),
                      words.number(whole["calibrationError"]), None]  # fmt: skip
        few = None if entry["counted"] else "few"
        rows.append(row(words.segment(entry["name"]), *cells, class_=few))
    return table(head, rows)


def item_groups(
    own: Sequence[_Report], base: Sequence[_Report], shown: Sequence[_Report]
) -> Markup:
    """Return the errors of each category of items, and its exposure against its demand."""
    theirs = {entry["name"]: entry for entry in base}
    exposed = {entry["name"]: entry for entry in shown}
    head = ["Items of", "Items", "Rows", "AUC", "Baseline AUC", "Log loss", "Calibration error",
            "Demand", "Shown", "Shown / demand"]  # fmt: skip
    rows = []
    for entry in own:
        place = exposed.get(entry["name"])
        ratio = place["ratio"] if place is not None else {}
        cells: list[Child] = [
            words.count(place["items"]) if place else None,
            words.count(entry["rows"]),
            words.number(entry["auc"]),
            words.number(theirs[entry["name"]]["auc"]),
            words.number(entry["logLoss"]),
            words.number(entry["calibrationError"]),
            words.share(place["relevanceShare"]["value"]) if place else None,
            words.share(place["exposureShare"]["value"]) if place else None,
            join(
                words.number(ratio.get("value"), 2),
                tag("small", words.ends(ratio, digits=2)),
            ),
        ]
        rows.append(
            row(words.segment(entry["name"]), *cells, class_=None if entry["counted"] else "few")
        )
    return table(head, rows)


def facts(pairs: Sequence[tuple[str, Child]]) -> Markup:
    """Return a description list; skips names without a value."""
    present = [join(tag("dt", name), tag("dd", value)) for name, value in pairs if value]
    return tag("dl", *present)
