"""Format numbers and names for people."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

ABSENT = "–"
_MINUS = "−"
#: Between two numbers.
_RANGE, _DASH = re.compile(r"(?<=\d)-(?=\d)"), "–"


def number(value: float | None, digits: int = 4) -> str:
    """Format a number with `digits` decimals; a dash for None."""
    return ABSENT if value is None else f"{value:.{digits}f}".replace("-", _MINUS)


def signed(value: float | None, digits: int = 4) -> str:
    """Format a difference with its sign."""
    return ABSENT if value is None else f"{value:+.{digits}f}".replace("-", _MINUS)


def share(value: float | None) -> str:
    """Format a share from 0 to 1 as a percentage with one decimal."""
    return ABSENT if value is None else f"{100 * value:.1f} %"


def percent(value: float) -> str:
    """Format a small share as a percentage with two significant digits at least."""
    digits = 1 if value >= 0.01 or value <= 0 else min(4, 1 - math.floor(math.log10(100 * value)))
    return f"{100 * value:.{digits}f} %"


def count(value: float | None) -> str:
    """Format a whole number with commas at the thousands."""
    return ABSENT if value is None else f"{value:,.0f}"


def ends(estimate: Mapping[str, Any], *, sign: bool = False, digits: int = 4) -> str:
    """Format the interval of an estimate, such as `0.7370 to 0.7913`; a dash without one."""
    if estimate.get("low") is None or estimate.get("high") is None:
        return ABSENT
    write = signed if sign else number
    return f"{write(estimate['low'], digits)} to {write(estimate['high'], digits)}"


def segment(name: str) -> str:
    """Format `age:45-49` as `age 45–49`, and `gender:F` as `gender F`."""
    feature, _, value = name.partition(":")
    if not value:
        return name
    return f"{feature.replace('_', ' ')} {_RANGE.sub(_DASH, value)}"


def plain(name: str) -> str:
    """Format `genre:Sci-Fi` as `Sci-Fi`: where all names are of one feature."""
    return name.partition(":")[2] or name
