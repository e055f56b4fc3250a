"""The four verdicts, and their combination."""

from __future__ import annotations

import enum
from collections.abc import Iterable


class Verdict(enum.StrEnum):
    """INCONCLUSIVE: too little data, or maybe chance. ERROR: the counters cannot be right."""

    PASS = "Pass"  # noqa: S105 (a verdict, not a password)
    FAIL = "Fail"
    INCONCLUSIVE = "Inconclusive"
    ERROR = "Error"


def combined(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst verdict: Fail, Error, Inconclusive, Pass; Inconclusive if there is none."""
    seen = set(verdicts)
    for verdict in (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE):
        if verdict in seen:
            return verdict
    return Verdict.PASS if seen else Verdict.INCONCLUSIVE
