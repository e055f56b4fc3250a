"""The latency of each side by the rate of requests, as an SVG file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 420, 60, 130, 40, 50
COLOURS = ("#0b6e99", "#888888", "#1a9850", "#d95f02", "#7570b3", "#e7298a", "#a6761d")
TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
Points = Sequence[tuple[float, float]]


def write(path: Path, title: str, lines: Mapping[str, Points], limit: float) -> None:
    """Draw lines of (requests a second, milliseconds) with a limit across; the y axis is a log."""
    points = [point for line in lines.values() for point in line if math.isfinite(point[1])]
    most, high = max(x for x, _ in points), max(limit, *(y for _, y in points))
    low = min(1.0, *(y for _, y in points))

    def place(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (WIDTH - LEFT - RIGHT) * x / most
        share = math.log(min(y, high) / low) / math.log(high / low)
        return round(across, 1), round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share, 1)

    def text(x: float, y: float, words: str, anchor: str = "start", colour: str = "#333") -> str:
        return (
            f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'
        )

    edge = WIDTH - RIGHT
    parts = [text(LEFT, 20, title), text(edge, HEIGHT - 10, "requests a second", "end")]
    for tick in TICKS:
        if low <= tick <= high:
            y = place(0, tick)[1]
            parts += [_line(LEFT, y, edge, y, "#ddd"), text(LEFT - 6, y + 4, f"{tick} ms", "end")]
    for x in sorted({x for x, _ in points}):
        parts.append(text(place(x, low)[0], HEIGHT - BOTTOM + 16, f"{x:g}", "middle"))
    y = place(0, limit)[1]
    parts.append(_line(LEFT, y, edge, y, "#c00", dashes="4"))
    for number, (name, line) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        drawn = [place(x, y) for x, y in line if math.isfinite(y)]
        path_ = " ".join(f"{x},{y}" for x, y in drawn)
        parts.append(f'<polyline points="{path_}" fill="none" stroke="{colour}" />')
        parts += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}" />' for x, y in drawn]
        parts.append(text(edge + 10, TOP + 18 * (number + 1), name, colour=colour))
    body = "\n".join(parts)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{head}font-family="sans-serif" font-size="12">\n{body}\n</svg>\n')


def _line(x: float, y: float, to_x: float, to_y: float, colour: str, dashes: str = "0") -> str:
    ends = f'x1="{x}" y1="{y}" x2="{to_x}" y2="{to_y}"'
    return f'<line {ends} stroke="{colour}" stroke-dasharray="{dashes}" />'
