"""Names of the bands of a number. Interim."""

from __future__ import annotations

from collections.abc import Sequence


def names(edges: Sequence[float], minimum: float | None) -> tuple[str, ...]:
    """Names."""
    if not edges:
        return ("all",)
    whole = all(float(e).is_integer() for e in edges) and (
        minimum is None or float(minimum).is_integer()
    )

    def t(x):
        return f"{x:g}"

    first = (
        f"{t(minimum)}-{t(edges[0] - 1)}" if whole and minimum is not None else f"<{t(edges[0])}"
    )
    mids = [f"{t(a)}-{t(b - 1 if whole else b)}" for a, b in zip(edges, edges[1:])]
    return (first, *mids, f"{t(edges[-1])}+")
