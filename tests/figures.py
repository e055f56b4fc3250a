"""The measured figures: data in docs/figures, of which a page has the headline ones.

    python -m lab.benchmarks.freshness | python -m tests.figures

puts what a benchmark printed into the figures that name it as their source, with the date and
the machine. `make reference` then writes the page.
"""

from __future__ import annotations

import datetime
import functools
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "figures"
Figure = dict[str, Any]


def read(file: Path) -> list[Figure]:
    """Return the figures of a file."""
    figures: list[Figure] = json.loads(file.read_text(encoding="utf-8"))
    return figures


def files() -> list[Path]:
    """Return the files of figures, by name."""
    return sorted(FOLDER.glob("*.json"))


def measured(figure: Figure, line: Mapping[str, Any], date: str) -> Figure:
    """Return a figure with the values of a benchmark's line, or unchanged if it has others."""
    source = figure.get("source", {})
    given = {"benchmark": source.get("benchmark", "")} | source.get("given", {})
    if any(line.get(name) != value for name, value in given.items()):
        return figure
    new = figure | {"value": _at(line, source["value"]), "date": date, "machine": line["machine"]}
    if "interval" in source:
        new["interval"] = [_at(line, key) for key in source["interval"]]
    return new


def page() -> str:
    """Return the page of the headline figures."""
    links = ", ".join(f"[{file.stem}](figures/{file.name})" for file in files())
    headlines = [each for file in files() for each in read(file) if each.get("headline")]
    return "\n".join(
        [
            "# Figures\n",
            "Measured on virtual machines with 2 cores and 24 GiB, on the date and with the "
            "command in the row; none is a promise.\n",
            "| what | figure | date | command |",
            "|---|---|---|---|",
            *(_row(figure) for figure in headlines),
            f"\nAll figures with machine and conditions are data: {links}. "
            "[Figures in full](lab/figures.md) has those that need a sentence.",
        ]
    )


def _at(line: Mapping[str, Any], key: str) -> Any:
    """Return the value at a key of a line, whose parts are separated by dots."""
    return functools.reduce(lambda part, name: part[name], key.split("."), line)


def _row(figure: Figure) -> str:
    value = figure["value"]
    shown = value if isinstance(value, str) else f"{value:,}"
    interval = figure.get("interval")
    parts = [shown, interval and f"[{interval[0]}, {interval[1]}]", figure.get("unit")]
    text = " ".join(part for part in parts if part)
    return f"| {figure['what']} | {text} | {figure['date']} | `{figure['command']}` |"


def main(output: Iterable[str]) -> None:
    """Put the lines of JSON among a benchmark's output into the figures."""
    lines = [json.loads(text) for text in output if text.startswith("{")]
    today = f"{datetime.datetime.now(datetime.UTC):%F}"
    for file in files():
        figures = read(file)
        for line in lines:
            figures = [measured(figure, line, today) for figure in figures]
        text = json.dumps(figures, indent=1, ensure_ascii=False)
        file.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.stdin)
