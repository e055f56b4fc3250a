"""Files that a release wrote, in a folder by its version, and the command that records them.

Two releases meet in an upgrade: tests let the present code read what the former one wrote.
"""

from __future__ import annotations

from pathlib import Path

#: The newest one.
FORMER = Path(__file__).parent / "0.1.0"
