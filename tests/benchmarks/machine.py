"""What a benchmark ran on."""

from __future__ import annotations

import platform


def machine() -> str:
    """Return processor and Python, as the JSON line of a benchmark has them."""
    return f"{platform.machine()}, Python {platform.python_version()}"
