"""The list of erasures beside raw files: `<source>/_erasures/*.jsonl`.

The collector's writer adds a file for each erasure, before it removes the user's rows from its
own files (docs/erasure.md). A line is `{"user": digest, "time": RFC 3339}`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from recommender_contract.erasures import DIGEST
from recommender_training.common.errors import InputError
from recommender_training.data import time_format

FOLDER = "_erasures"


def read_erasure_list(source: Path) -> dict[str, int]:
    """Return the time of the last erasure of each user, by digest; empty without a list.

    Raises InputError `UnreadableData`: an erasure that is skipped would be forgotten.
    """
    found: dict[str, int] = {}
    for path in sorted((source / FOLDER).glob("*.jsonl")):
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            for number, line in enumerate(lines, start=1):
                user, time = _entry(line, number)
                found[user] = max(time, found.get(user, 0))
        except (OSError, ValueError) as error:
            raise InputError(
                "UnreadableData",
                f"{path} is no list of erasures ({error}): restore it, or remove it and erase its "
                "users with `recommender-training erase`",
            ) from error
    return found


def _entry(line: str, number: int) -> tuple[str, int]:
    entry = json.loads(line)
    if not isinstance(entry, dict):
        raise ValueError(f"line {number} is not an object")
    user, time = entry.get("user"), entry.get("time")
    if not isinstance(user, str) or re.fullmatch(DIGEST, user) is None:
        raise ValueError(f"line {number}: user is {str(user)[:40]!r}, not 32 hex digits")
    if not isinstance(time, str):
        raise ValueError(f"line {number}: time is {str(time)[:40]!r}, not a text")
    return user, time_format.parse_time(time)
