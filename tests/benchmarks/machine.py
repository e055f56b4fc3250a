"""The machine that runs a benchmark."""

from __future__ import annotations

import platform


def machine() -> str:
    """Return processor and Python for the JSON line of a benchmark."""
    return f"{platform.machine()}, Python {platform.python_version()}"
