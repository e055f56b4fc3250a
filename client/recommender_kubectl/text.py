"""Text for people: tables, colours, durations and numbers."""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Iterable, Sequence

#: What a cell shows if there is nothing to show, as kubectl does.
NOTHING = "<none>"

GOOD, BAD, WAITING, DIM, BOLD = "32", "31", "33", "2", "1"
_PAINT = re.compile(r"\x1b\[[0-9;]*m")
#: Matches what `Style.paint` adds to a text.
_PAINTED = re.compile(rf"(\x1b\[(?:0|{GOOD}|{BAD}|{WAITING}|{DIM}|{BOLD})m)")
_TONES = {
    **dict.fromkeys(
        ("Pass", "Promote", "Promoted", "Serving", "Succeeded", "Preferred", "NotWorse"), GOOD
    ),
    **dict.fromkeys(
        (
            "Fail",
            "RollBack",
            "Futile",
            "Blocked",
            "Error",
            "Failed",
            "Rejected",
            "RolledBack",
            "Locked",
            "Worse",
        ),
        BAD,
    ),
    **dict.fromkeys(
        ("Inconclusive", "KeepRunning", "Paused", "Canary", "Unknown", "Undecided"), WAITING
    ),
    "Superseded": DIM,
}


@dataclasses.dataclass(frozen=True)
class Style:
    """Style of text in a terminal; the default is that of a file or a pipe."""

    colour: bool = False
    #: Columns of the terminal; None does not wrap, so that grep finds whole lines.
    width: int | None = None

    def paint(self, text: str, tone: str) -> str:
        """Return a text in a colour."""
        return f"\x1b[{tone}m{text}\x1b[0m" if self.colour and text else text

    def word(self, text: str) -> str:
        """Return a stage, an outcome or a verdict in its colour."""
        tone = _TONES.get(text)
        return self.paint(text, tone) if tone else text


def table(header: Sequence[str], rows: Iterable[Sequence[str]], style: Style) -> list[str]:
    """Return a table as kubectl prints it: capitals, columns three spaces apart, no frame."""
    cells = [[style.paint(name, DIM) for name in header], *[list(row) for row in rows]]
    widths = [max(_length(row[i]) for row in cells) for i in range(len(header))]
    lines = []
    for row in cells:
        padded = [cell + " " * (widths[i] - _length(cell)) for i, cell in enumerate(row)]
        lines.append("   ".join(padded).rstrip())
    return lines


def facts(pairs: Iterable[tuple[str, str]], style: Style) -> list[str]:
    """Return a line for each pair of a name and a text; empty texts are left out."""
    shown = [(name, text) for name, text in pairs if text]
    width = max((len(name) for name, _ in shown), default=0)
    lines = []
    for name, text in shown:
        lines += wrapped(style.paint(name.ljust(width), DIM) + "   " + text, width + 3, style)
    return lines


def wrapped(text: str, indent: int, style: Style) -> list[str]:
    """Return a text in lines of the terminal's width; all but the first are indented."""
    if style.width is None:
        return [text]
    width, lines = max(style.width, indent + 20), [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if _length(longer) > width and lines[-1].strip():
            lines.append(" " * indent + word)
        else:
            lines[-1] = longer
    return lines


def number(value: float | None) -> str:
    """Return a metric with four digits, as the operator's messages have them."""
    return NOTHING if value is None else f"{value:.4g}"


def interval(low: float | None, high: float | None) -> str:
    """Return the ends of an interval; an end may be unbounded."""
    if low is None and high is None:
        return NOTHING
    ends = ("" if end is None else number(end) for end in (low, high))
    return "..".join(ends)


def duration(seconds: float) -> str:
    """Return a duration in its largest units."""
    whole = max(0, round(seconds))
    if whole < 120:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 120:
        return f"{minutes} min"
    if minutes < 48 * 60:
        rest = f" {minutes % 60} min" if minutes % 60 else ""
        return f"{minutes // 60} h{rest}"
    return f"{round(minutes / 1440)} d"


def ago(then: datetime.datetime | None, now: datetime.datetime) -> str:
    """Return how long ago a time was; empty if there is none."""
    return f"{duration((now - then).total_seconds())} ago" if then else ""


def bar(share: float, width: int = 24) -> str:
    """Return a bar for a share from 0 to 1."""
    full = round(min(1.0, max(0.0, share)) * width)
    return "[" + "#" * full + "-" * (width - full) + "]"


def printable(text: str, style: Style) -> str:
    """Return a text with control characters escaped, but for the colours of the style.

    Texts of the cluster, such as the end of a Job's log, could otherwise change the title of the
    terminal, hide what follows or forge a line: further lines of a text are indented.
    """
    shown = []
    for line in text.split("\n"):
        parts = _PAINTED.split(line) if style.colour else [line]
        shown.append("".join(p if n % 2 else _escaped(p) for n, p in enumerate(parts)))
    return "\n    ".join(shown)


def _escaped(text: str) -> str:
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def unpainted(text: str) -> str:
    """Return a text without its colours."""
    return _PAINT.sub("", text)


def _length(text: str) -> int:
    return len(unpainted(text))
