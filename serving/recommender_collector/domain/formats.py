"""The format of what the store keeps of experiments: pure."""

from __future__ import annotations

#: First value of each encoding. Another release that keeps something else has another number.
FORMAT = 1


class Damaged(ValueError):  # noqa: N818 - it is the value that is damaged
    """A value of the store does not have this format; the message never has the value."""

    def __init__(self, reason: str, experiment: str = "") -> None:
        super().__init__(reason)
        self.experiment = experiment


def check(is_valid: bool, reason: str) -> None:
    """Check a condition of the format.

    Raises:
        Damaged: it does not hold.
    """
    if not is_valid:
        raise Damaged(reason)
