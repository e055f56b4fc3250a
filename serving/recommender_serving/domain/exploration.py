"""What the resource says of exploration: plain data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Exploration:
    """Of so many answers, the last place gets one of the `pool` best items for it, by chance."""

    share: float  # of the answers that can explore
    pool: int  # items
