"""The error that commands print without a traceback."""

from __future__ import annotations

from pathlib import Path

TAIL_LINES = 25


class ClusterError(Exception):
    """A failure of a named part, with a message for people."""

    def __init__(self, part: str, message: str, log: Path | None = None) -> None:
        self.part = part
        text = f"{part}: {message}"
        if log is not None:
            text += f"\n--- last lines of {log}\n{tail(log)}"
        super().__init__(text)


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a log, or why there are none."""
    try:
        content = log.read_text(errors="replace").splitlines()
    except OSError as error:
        return f"(no log: {error.strerror})"
    return "\n".join(content[-lines:]) or "(the log is empty)"
