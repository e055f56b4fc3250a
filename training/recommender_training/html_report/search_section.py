"""The section on the search: its history, its best trials, the spread over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recommender_training.html_report import chart, tables, words
from recommender_training.html_report.chart import VIEW, Scale
from recommender_training.html_report.figures import figure
from recommender_training.html_report.markup import Markup, join, tag

_LEFT, _RIGHT = 44, VIEW - 12
#: Trials in the table.
_SHOWN = 10
#: Height of the plot in distances from the best loss to the median; higher losses are clipped.
_REACH = 4.0
_Report = Mapping[str, Any]


def render_search(found: _Report) -> list[Markup | None]:
    """Return the paragraphs, the figure and the table of the section."""
    return [
        tag("p", _summary(found)),
        tag("p", _seeds(found)),
        history(found),
        best_trials(found),
        tag("p", _caution(found), class_="note"),
    ]


def _summary(found: _Report) -> str:
    counts, trials = found["counts"], len(found["trials"])
    ended = [
        f"{counts[key]} {label}"
        for key, label in (
            ("pruned", "pruned"),
            ("diverged", "diverged"),
            ("failed", "failed with their process"),
        )
        if counts[key]
    ]
    tail = f" ({', '.join(ended)})" if ended else ""
    given = found["givenLogLoss"]
    than = "" if given is None else f"; the given configuration reaches {words.number(given)}"
    return (
        f"{found['sampler']} tried {trials} configurations{tail}, each on {len(found['folds'])} "
        f"folds before the test window. Trial {found['best']} is the best, with a mean log loss "
        f"of {words.number(found['bestLogLoss'])}{than}."
    )


def _seeds(found: _Report) -> str:
    seeds, spread = found["seeds"], found["spread"]
    if len(seeds) == 1:
        return f"The chosen configuration was fitted with one seed, {seeds[0]['seed']}."
    results = ", ".join(
        f"{label} {words.number(spread[key]['mean'])} with a standard deviation of "
        f"{words.number(spread[key]['standardDeviation'])}"
        for key, label in (("logLoss", "log loss"), ("auc", "AUC"))
    )
    return (
        f"With {len(seeds)} seeds, it reaches on the validation window: {results}. The model is "
        f"that of seed {seeds[0]['seed']}."
    )


def _caution(found: _Report) -> str:
    return (
        "The lowest of many losses is optimistic, and a lead smaller than the spread over seeds "
        "may be chance. The search did not use the test window."
        if len(found["trials"]) > 1
        else "The search did not use the test window."
    )


def history(found: _Report) -> Markup | None:
    """Plot the loss of each trial, the best so far as a line, pruned trials as rings at the top.

    The loss of a pruned trial covers fewer folds and is not comparable, so it is not plotted.
    """
    pruned = [trial["number"] for trial in found["trials"] if trial["state"] == "Pruned"]
    done = [trial for trial in found["trials"] if trial["state"] == "Complete"]
    if len(done) + len(pruned) < 2:
        return None
    top, bottom = 34, 190
    losses = sorted(trial["logLoss"] for trial in done)
    least, middle = losses[0], losses[len(losses) // 2]
    most = max(least + _REACH * (middle - least), losses[min(1, len(losses) - 1)])
    y = chart.around([loss for loss in losses if loss <= most], bottom, top)
    x = Scale(0, max(1, len(found["trials"]) - 1), _LEFT + 6, _RIGHT - 6)
    marks = [
        *[chart.dot(x(trial["number"]), y(trial["logLoss"]), "model", 2.5) for trial in done],
        *[chart.dot(x(number), top, "hollow", 2.5) for number in pruned],
    ]
    drawn = chart.drawing(
        "Validation log loss of each trial",
        246,
        chart.y_axis(y, _LEFT, _RIGHT, "log loss, mean of the folds"),
        chart.x_axis(x, bottom, bottom + 3, "trial", _whole),
        chart.curve([(x(at), y(loss)) for at, loss in _best_so_far(done, x.high)], "rule"),
        *marks,
        chart.dot(x(found["best"]), y(found["bestLogLoss"]), "want", 5),
        chart.legend(236, [("model", "complete"), ("hollow", "pruned"), ("want", "chosen")]),
    )
    far = sum(loss > y.high for loss in losses)
    caption = ["The line is the best loss so far."]
    if pruned:
        caption.append("Rings at the upper edge are pruned trials.")
    if far:
        caption.append(f"Completed trials with much higher losses are at the upper edge ({far}).")
    return figure("Search history", " ".join(caption), drawn)


def _whole(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else ""


def _best_so_far(done: Sequence[_Report], last: float) -> list[tuple[float, float]]:
    """Return the corners of the step line up to the last trial."""
    corners: list[tuple[float, float]] = []
    for trial in sorted(done, key=lambda trial: int(trial["number"])):
        if not corners or trial["logLoss"] < corners[-1][1]:
            if corners:
                corners.append((trial["number"], corners[-1][1]))
            corners.append((trial["number"], trial["logLoss"]))
    return [*corners, (last, corners[-1][1])]


def best_trials(found: _Report) -> Markup:
    """Return the best completed trials with their hyperparameters and the loss of each fold."""
    names = list(found["space"])
    done = [trial for trial in found["trials"] if trial["state"] == "Complete"]
    done.sort(key=lambda trial: (trial["logLoss"], trial["number"]))
    rows = [
        tables.row(
            str(trial["number"]),
            join(words.number(trial["logLoss"]), _folds(trial["foldLogLosses"])),
            *[f"{trial['hyperparameters'][name]:g}" for name in names],
        )
        for trial in done[:_SHOWN]
    ]
    return tables.table(["Trial", "Log loss", *names], rows)


def _folds(losses: Sequence[float]) -> Markup | None:
    if len(losses) < 2:
        return None
    return tag("small", ", ".join(words.number(loss) for loss in losses))
