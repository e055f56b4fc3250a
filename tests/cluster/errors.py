"""The one error that the commands show to a person."""

from __future__ import annotations

from pathlib import Path

TAIL_LINES = 25


class ClusterError(Exception):
    """Something failed in a named part; the message is meant to be read as it is."""

    def __init__(self, part: str, message: str, log: Path | None = None) -> None:
        self.part = part
        text = f"{part}: {message}"
        if log is not None:
            text += f"\n--- last lines of {log}\n{tail(log)}"
        super().__init__(text)


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log, or a word that says why there are none."""
    try:
        content = log.read_text(errors="replace").splitlines()
    except OSError as error:
        return f"(no log: {error.strerror})"
    return "\n".join(content[-lines:]) or "(the log is empty)"
