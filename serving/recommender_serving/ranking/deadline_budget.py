"""The time until a client's deadline, shared out among the models: pure."""

from __future__ import annotations

from collections.abc import Sequence

RESERVE = 0.002  # seconds for the popularity list and the encoding of the answer
LEAST = 0.001  # seconds below which a model is not called at all
LATER = 1 / 3  # most of the time that is kept for each later model


def stage_timeout(timeouts: Sequence[float], left: float) -> float:
    """Return the seconds of the first of the models with these timeouts.

    `left` are the seconds until the deadline. Each later model keeps its own timeout, but at most
    a third, so that the better model has most of a short time. 0 means: do not call it.
    """
    spare = left - RESERVE
    kept = sum(min(timeout, spare * LATER) for timeout in timeouts[1:])
    seconds = min(timeouts[0], spare - kept)
    return seconds if seconds >= LEAST else 0.0
