"""The four verdicts, and how several make one."""

from __future__ import annotations

import enum
from collections.abc import Iterable


class Verdict(enum.StrEnum):
    """INCONCLUSIVE: too little data, or not beyond chance. ERROR: data that cannot be right."""

    PASS = "Pass"  # noqa: S105 (a verdict, not a password)
    FAIL = "Fail"
    INCONCLUSIVE = "Inconclusive"
    ERROR = "Error"


def combined(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict of all: Fail before Error before Inconclusive; nothing is no Pass."""
    seen = set(verdicts)
    for verdict in (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE):
        if verdict in seen:
            return verdict
    return Verdict.PASS if seen else Verdict.INCONCLUSIVE
