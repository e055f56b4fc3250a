"""The figures of the page, each from a part of the evaluation report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recommender_training.html_report import chart, words
from recommender_training.html_report.chart import VIEW, Scale
from recommender_training.html_report.markup import Markup, join, tag

_LEFT, _RIGHT = 44, VIEW - 12
_Report = Mapping[str, Any]


def figure(title: str, caption: str, drawn: Markup) -> Markup:
    """Return a drawing with its title and caption."""
    return tag("figure", tag("figcaption", tag("b", title), caption), drawn)


def learning_curve(learning: _Report) -> Markup | None:
    """Plot the validation loss at each evaluation; the lowest point marks the kept weights."""
    looks = [(float(epoch), float(loss)) for epoch, loss in learning.get("looks", [])]
    if len(looks) < 2:
        return None
    top, bottom = 34, 190
    x = Scale(0, looks[-1][0], _LEFT, _RIGHT)
    y = chart.around([loss for _, loss in looks], bottom, top)
    best = min(looks, key=lambda look: look[1])
    drawn = chart.drawing(
        "Validation log loss by epoch",
        226,
        chart.y_axis(y, _LEFT, _RIGHT, "log loss on the validation window"),
        chart.x_axis(x, bottom, bottom + 3, "epoch"),
        chart.curve([(x(epoch), y(loss)) for epoch, loss in looks], "model"),
        *[chart.dot(x(epoch), y(loss), "model", 2.5) for epoch, loss in looks],
        chart.dot(x(best[0]), y(best[1]), "want", 5),
    )
    caption = (
        f"The model keeps the weights of epoch {best[0]:.1f} (green), with a loss of "
        f"{words.number(best[1])}."
    )
    return figure("Learning curve", caption, drawn)


def reliability(model: Sequence[_Report], base: Sequence[_Report]) -> Markup | None:
    """Plot share of positives against mean probability by bin, with the rows of each bin."""
    if not model:
        return None
    top, bottom, foot = 34, 250, 300
    end = _end_of(*model, *base)
    x, y = Scale(0, end, _LEFT, _RIGHT), Scale(0, end, bottom, top)
    rows = Scale(0, max(point["rows"] for point in model), 0, foot - bottom - 22)
    bars = [
        chart.bar(
            x(point["meanProbability"]) - 6,
            foot - rows(point["rows"]),
            12,
            rows(point["rows"]),
            "faint",
        )
        for point in model
    ]
    series = [
        chart.dot(x(point["meanProbability"]), y(point["positiveShare"]), class_)
        for points, class_ in ((base, "hollow"), (model, "model"))
        for point in points
    ]
    drawn = chart.drawing(
        "Share of positives by predicted probability",
        340,
        chart.y_axis(y, _LEFT, _RIGHT, "share of positive responses"),
        chart.x_axis(x, foot, foot + 3, "predicted probability"),
        chart.line(x(0), y(0), x(end), y(end), "dash"),
        *bars,
        *series,
        chart.legend(334, [("model", "model"), ("hollow", "baseline")]),
    )
    caption = (
        "On the dashed line, predictions match the outcomes; below it, they are too high. The "
        "bars at the bottom show the rows in each bin."
    )
    return figure("Reliability", caption, drawn)


def _end_of(*points: _Report) -> float:
    """Return the end of the axes: 1, or where positives are rare less, so that points differ."""
    most = max(max(point["meanProbability"], point["positiveShare"]) for point in points)
    return 1.0 if most > 0.5 else max(1.1 * most, 1e-6)


#: Metrics of the gain figure: key, label, and 1 if higher is better, else -1.
_GAINS = (
    ("auc", "AUC", 1),
    ("logLoss", "log loss saved", -1),
    ("precisionAt10", "precision@10", 1),
    ("recallAt10", "recall@10", 1),
    ("ndcgAt10", "NDCG@10", 1),
)


def gains(minus: _Report, reference: str) -> Markup | None:
    """Plot paired differences with intervals; the model is better right of zero."""
    rows = [
        (
            label,
            *sorted(sign * minus[name][end] for end in ("low", "high")),
            sign * minus[name]["value"],
        )
        for name, label, sign in _GAINS
        if name in minus and minus[name]["low"] is not None
    ]
    if not rows:
        return None
    left, top = 104, 12
    bottom = top + 26 * len(rows)
    x = chart.around(
        [0.0, *(end for _, low, high, _ in rows for end in (low, high))], left, _RIGHT
    )
    marks = []
    for index, (label, low, high, value) in enumerate(rows):
        y = top + 26 * index + 13
        class_ = "want" if low > 0 else ("base" if high < 0 else "pop")
        marks.append(chart.text(2, y, label, class_="t strong"))
        marks.append(chart.line(x(low), y, x(high), y, class_))
        marks.append(chart.dot(x(value), y, class_))
    drawn = chart.drawing(
        f"Gain over {reference} with intervals",
        bottom + 38,
        chart.x_axis(
            x, bottom, top, f"gain over {reference}", lambda v: words.signed(v, x.digits)
        ),
        chart.line(x(0), top, x(0), bottom, "rule"),
        *marks,
    )
    caption = (
        "Right of zero, the model is better. Green: the whole interval is right of zero; grey: "
        "the difference may be chance."
    )
    return figure(f"Gain over {reference}", caption, drawn)


def segments(entries: Sequence[_Report], base: _Report, overall: float) -> Markup | None:
    """Plot the AUC of each segment with its interval, the baseline's AUC, and that of all rows.

    `base` has the baseline's AUC by name of the segment.
    """
    shown = [entry for entry in entries if entry["counted"]]
    if not shown:
        return None
    values = [overall]
    for entry in shown:
        auc = entry["estimates"]["auc"]
        values += [end for end in (*auc.values(), base[entry["name"]]) if end is not None]
    left, top = 92, 12
    bottom = top + 24 * len(shown)
    x = chart.around(values, left, _RIGHT)
    marks = []
    for index, entry in enumerate(shown):
        y, auc = top + 24 * index + 12, entry["estimates"]["auc"]
        marks.append(chart.text(2, y, words.segment(entry["name"]), class_="t strong"))
        if auc["low"] is not None:
            marks.append(chart.line(x(auc["low"]), y, x(auc["high"]), y, "model"))
        marks.append(chart.dot(x(base[entry["name"]]), y, "hollow"))
        marks.append(chart.dot(x(auc["value"]), y, "model"))
    drawn = chart.drawing(
        "AUC by segment",
        bottom + 56,
        chart.x_axis(x, bottom, top, "AUC"),
        chart.line(x(overall), top, x(overall), bottom, "dash"),
        *marks,
        chart.legend(bottom + 46, [("model", "model"), ("hollow", "baseline")]),
    )
    caption = "Bars are the interval of each segment; the dashed line is the AUC of all rows."
    return figure("AUC by user segment", caption, drawn)


def popularity(bands: Sequence[_Report]) -> Markup | None:
    """Plot demand, exposure by the model and by the popularity list, by popularity band."""
    if not bands:
        return None
    series = (
        ("want", "demand", [band["relevanceShare"] for band in bands]),
        ("model", "model", [band["exposureShare"]["recommender"] for band in bands]),
        ("pop", "popularity list", [band["exposureShare"]["popularity"] for band in bands]),
    )
    top, bottom = 34, 190
    y = Scale(0, max(max(values) for *_, values in series) or 1.0, bottom, top)
    width = (_RIGHT - _LEFT) / len(bands)
    bars = [
        chart.bar(
            _LEFT + width * (index + 0.1 + 0.27 * offset), y(value), width * 0.25,
            bottom - y(value), class_,
        )
        for offset, (class_, _, values) in enumerate(series)
        for index, value in enumerate(values)
    ]  # fmt: skip
    below = [
        chart.text(_LEFT + width * (index + 0.5), bottom + 10, f"{band['items']}", anchor="middle")
        for index, band in enumerate(bands)
    ]
    middle = (_LEFT + _RIGHT) / 2
    label = "number of items in each tenth, most popular first"
    drawn = chart.drawing(
        "Share of recommendations by popularity of the items",
        246,
        chart.y_axis(y, _LEFT, _RIGHT, "share of recommendations", lambda v: f"{100 * v:.0f} %"),
        *bars,
        *below,
        chart.text(middle, bottom + 26, label, anchor="middle", class_="t label"),
        chart.legend(bottom + 46, [(class_, words_) for class_, words_, _ in series]),
    )
    caption = (
        "Each band had about a tenth of all past interactions. Bars on the left far above the "
        "green ones show popularity bias."
    )
    return figure("Popularity", caption, drawn)


def exposure(groups: Sequence[_Report]) -> Markup | None:
    """Plot each category's share of recommendations against its share of the demand."""
    shown = sorted(
        (group for group in groups if group["counted"]),
        key=lambda group: -float(group["relevanceShare"]["value"]),
    )
    if not shown:
        return None
    left, top = 92, 12
    bottom = top + 20 * len(shown)
    high = max(g[part]["value"] for g in shown for part in ("exposureShare", "relevanceShare"))
    x = Scale(0, high * 1.05, left, _RIGHT)
    marks = []
    for index, group in enumerate(shown):
        y = top + 20 * index + 10
        seen, wanted = (x(group[part]["value"]) for part in ("exposureShare", "relevanceShare"))
        marks.append(chart.text(2, y, words.plain(group["name"]), class_="t strong"))
        marks.append(chart.line(seen, y, wanted, y, "rule"))
        marks.append(chart.dot(wanted, y, "want"))
        marks.append(chart.dot(seen, y, "model"))
    drawn = chart.drawing(
        "Exposure and demand by category",
        bottom + 56,
        chart.x_axis(x, bottom, top, "share", lambda v: f"{100 * v:.0f} %"),
        *marks,
        chart.legend(bottom + 46, [("want", "demand"), ("model", "shown by the model")]),
    )
    caption = "Blue left of green: the category is shown less often than users demand it."
    return figure("Exposure by category", caption, drawn)


def side_by_side(*drawn: Markup | None) -> Markup | None:
    """Place the figures that are not None side by side on wide screens."""
    present = [each for each in drawn if each is not None]
    return tag("div", join(*present), class_="figures") if present else None
