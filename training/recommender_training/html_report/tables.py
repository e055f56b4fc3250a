"""The tables of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recommender_training.html_report import words
from recommender_training.html_report.markup import Child, Markup, join, tag

_Report = Mapping[str, Any]

#: Rows of the table of metrics: key, words, and whether more or less is better, if either.
_METRICS = (
    ("auc", "AUC", "more"),
    ("logLoss", "Log loss", "less"),
    ("calibrationError", "Calibration error", "less"),
    ("calibrationGap", "Calibration gap, signed", ""),
    ("precisionAt10", "Precision@10", "more"),
    ("recallAt10", "Recall@10", "more"),
    ("ndcgAt10", "NDCG@10", "more"),
    ("coverageAt10", "Coverage of the catalogue@10", "more"),
    ("noveltyAt10", "Novelty@10, bits", ""),
    ("popularityRankAt10", "Popularity rank@10, 1 the most popular", ""),
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
    """A table that scrolls by itself where the screen is narrow."""
    top = tag("thead", tag("tr", *[tag("th", each, scope="col") for each in head]))
    return tag("div", tag("table", top, tag("tbody", *rows)), class_="scroll")


def row(first: Child, *others: Child, class_: str | None = None) -> Markup:
    """A row whose first cell is its name."""
    return tag(
        "tr",
        tag("td", first),
        *[tag("td", each or words.ABSENT) for each in others],
        class_=class_,
    )


def estimate(told: _Report, *, sign: bool = False) -> Markup:
    """A value with its interval below."""
    write = words.signed if sign else words.number
    below = tag("small", words.ends(told, sign=sign)) if told.get("low") is not None else None
    return join(write(told["value"]), below)


def metrics(report: _Report, minus: _Report) -> Markup:
    """Every metric of each model with its interval, and the paired differences to the baseline.

    `minus` has the differences, and is empty where there is nothing to compare with.
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
    told = report.get("intervals", {}).get(name, {}).get(key)
    if told is not None:
        return estimate(told)
    value = report["models"][name].get(key)
    return None if value is None else words.number(value)


def champion(told: _Report) -> Markup:
    """How the version that served was compared; `told` is `champion` of the report."""
    pairs: list[tuple[str, Child]] = [
        ("Champion", tag("code", str(told["digest"]))),
        (
            "Compared on the same rows",
            "yes" if told["compared"] else "no; the Job's report has why",
        ),
    ]
    if told["compared"]:
        saw, unknown = told.get("sawTestRows"), told.get("unknownItemRows")
        flattered = "; these flatter it" if saw else ""
        known = "not known" if saw is None else f"{words.count(saw)}{flattered}"
        pairs += [
            ("Rows of the test window that it was fitted on", known),
            ("Rows whose item it does not know", words.count(unknown)),
        ]
    return facts(pairs)


def segments(entries: Sequence[_Report], own: Sequence[_Report]) -> Markup:
    """Sizes, errors and differences of each segment; those too small to judge in grey.

    `own` are the segments of the model's metrics, which have their calibration error.
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
    """Errors of each genre, and its exposure against its relevance."""
    theirs = {entry["name"]: entry for entry in base}
    exposed = {entry["name"]: entry for entry in shown}
    head = ["Genre", "Items", "Rows", "AUC", "Baseline AUC", "Log loss", "Calibration error",
            "Asked for", "Shown", "Shown / asked for"]  # fmt: skip
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
            join(words.number(ratio.get("value"), 2), tag("small", words.ends(ratio, digits=2))),
        ]
        rows.append(
            row(words.plain(entry["name"]), *cells, class_=None if entry["counted"] else "few")
        )
    return table(head, rows)


def facts(pairs: Sequence[tuple[str, Child]]) -> Markup:
    """Names with what they are; those without a value are left out."""
    present = [join(tag("dt", name), tag("dd", value)) for name, value in pairs if value]
    return tag("dl", *present)
