"""The measured figures: data in docs/figures, of which a page has the headline ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "figures"


def read() -> list[dict[str, Any]]:
    """Return all figures, in the order of the files' names."""
    files = sorted(FOLDER.glob("*.json"))
    return [each for file in files for each in json.loads(file.read_text(encoding="utf-8"))]


def page() -> str:
    """Return the page of the headline figures."""
    files = ", ".join(f"[{path.stem}](figures/{path.name})" for path in sorted(FOLDER.glob("*")))
    return "\n".join(
        [
            "# Figures\n",
            "Measured on virtual machines with 2 cores and 24 GiB, on the date and with the "
            "command in the row; none is a promise.\n",
            "| what | figure | date | command |",
            "|---|---|---|---|",
            *(_row(figure) for figure in read() if figure.get("headline")),
            f"\nAll figures with machine and conditions are data: {files}. "
            "[Figures in full](lab/figures.md) has those that need a sentence.",
        ]
    )


def _row(figure: dict[str, Any]) -> str:
    value = figure["value"]
    shown = value if isinstance(value, str) else f"{value:,}"
    interval = figure.get("interval")
    parts = [shown, interval and f"[{interval[0]}, {interval[1]}]", figure.get("unit")]
    text = " ".join(part for part in parts if part)
    return f"| {figure['what']} | {text} | {figure['date']} | `{figure['command']}` |"
