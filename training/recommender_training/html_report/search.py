"""The part of the page on the search: its history, its best trials, the spread of the seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recommender_training.html_report import chart, tables, words
from recommender_training.html_report.chart import VIEW, Scale
from recommender_training.html_report.figures import figure
from recommender_training.html_report.markup import Markup, join, tag

_LEFT, _RIGHT = 44, VIEW - 12
#: Trials that the table shows.
_SHOWN = 10
#: Losses so far above the best (in spans from the best to the median) lie on the upper edge.
_REACH = 4.0
_Report = Mapping[str, Any]


def parts(found: _Report) -> list[Markup | None]:
    """The paragraphs, the drawing and the tables of the section."""
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
        f"{counts[key]} {what}"
        for key, what in (
            ("pruned", "ended early"),
            ("diverged", "diverged"),
            ("failed", "lost with their process"),
        )
        if counts[key]
    ]
    tail = f" ({', '.join(ended)})" if ended else ""
    given = found["givenLogLoss"]
    than = "" if given is None else f"; the given settings reach {words.number(given)}"
    return (
        f"{trials} settings were tried by {found['sampler']}{tail}, each on {len(found['folds'])} "
        f"folds before the test window. Trial {found['best']} was chosen with a mean log loss of "
        f"{words.number(found['bestLogLoss'])}{than}."
    )


def _seeds(found: _Report) -> str:
    seeds, told = found["seeds"], found["spread"]
    if len(seeds) == 1:
        return f"The chosen settings were fitted from one seed, {seeds[0]['seed']}."
    spread = ", ".join(
        f"{label} {words.number(told[key]['mean'])} with a standard deviation of "
        f"{words.number(told[key]['standardDeviation'])}"
        for key, label in (("logLoss", "log loss"), ("auc", "AUC"))
    )
    return (
        f"Fitted from {len(seeds)} seeds they reach on the validation window: {spread}. The model "
        f"is that of seed {seeds[0]['seed']}."
    )


def _caution(found: _Report) -> str:
    return (
        "The least of many losses flatters, and a lead of less than the seeds' spread may be "
        "luck. The test window was not part of the search."
        if len(found["trials"]) > 1
        else "The test window was not part of the search."
    )


def history(found: _Report) -> Markup | None:
    """Loss of each trial, the best so far as a line; pruned ones as rings at the upper edge.

    A pruned trial has the loss of fewer folds, which may be easier ones: it has no height.
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
        chart.legend(236, [("model", "complete"), ("hollow", "ended early"), ("want", "chosen")]),
    )
    far = sum(loss > y.high for loss in losses)
    caption = ["The line is the best so far."]
    if pruned:
        caption.append("Trials that were ended early are rings on the upper edge.")
    if far:
        caption.append(f"Completed trials far above lie on the upper edge ({far}).")
    return figure("Search history", " ".join(caption), drawn)


def _whole(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else ""


def _best_so_far(done: Sequence[_Report], last: float) -> list[tuple[float, float]]:
    """Corners of the falling stairs, to the last trial."""
    corners: list[tuple[float, float]] = []
    for trial in sorted(done, key=lambda trial: int(trial["number"])):
        if not corners or trial["logLoss"] < corners[-1][1]:
            if corners:
                corners.append((trial["number"], corners[-1][1]))
            corners.append((trial["number"], trial["logLoss"]))
    return [*corners, (last, corners[-1][1])]


def best_trials(found: _Report) -> Markup:
    """The best completed trials with their settings, and the loss of each fold."""
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
