"""The preference of users between two versions, by clicks in lists with items of both.

Every user sees items of both side by side, so differences between users cancel, and a preference
shows with far fewer users than two arms need. It says which version is preferred, not by how much
a metric changes: a first look, no verdict.

Source: O. Chapelle, T. Joachims, F. Radlinski and Y. Yue, Large-scale validation and analysis of
interleaved search evaluation, TOIS 30 (2012).
"""

from __future__ import annotations

import dataclasses
import enum
import math

from recommender_operator.experiments import confidence_sequences
from recommender_operator.experiments.arm_moments import Moments
from recommender_operator.experiments.estimates import MIN_CONTRIBUTORS, MIN_USERS

#: Components of a user: how far its clicks preferred the candidate's items, or the champion's
#: (their difference over their sum, so from 0 to 1), and whether there were any (1).
COMPONENTS = ("ahead", "behind", "clicked")


class InterleavingVerdict(enum.StrEnum):
    PREFERRED = "Preferred"
    NOT_WORSE = "NotWorse"
    WORSE = "Worse"
    KEEP_RUNNING = "KeepRunning"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preference:
    """The mean over the users with a click: -1 (all on the champion's items) to 1."""

    outcome: InterleavingVerdict
    users: int  # who were shown a mixed list
    clicked: int  # of them, those with a click on an item that one version gave
    value: float | None = None
    #: Ends of a confidence sequence; each is ever wrong with probability alpha.
    low: float | None = None
    high: float | None = None


def preference(found: Moments, *, alpha: float, enough: int) -> Preference:
    """Return whom the users prefer; it may be looked at at any time.

    After `enough` users with a click a candidate that is not worse passes.

    Raises:
        ValueError: the sums contradict each other.
    """
    sums, products = found.sums, found.products
    ahead, behind, clicked = (sums[name] for name in COMPONENTS)
    if clicked != int(clicked) or clicked > found.users or ahead + behind > clicked + 1e-6:
        raise ValueError(f"clicked: {clicked:g} of {found.users} users is impossible")
    count = int(clicked)
    seen = Preference(outcome=InterleavingVerdict.KEEP_RUNNING, users=found.users, clicked=count)
    if count < 2:
        return seen
    mean = (ahead - behind) / count
    seen = dataclasses.replace(seen, value=mean)
    squares = products["ahead*ahead"] + products["behind*behind"]
    # Users without a preference add nothing; those with a small one add little (Kish).
    effective = (ahead + behind) ** 2 / squares if squares else 0.0
    if count < MIN_USERS or effective < MIN_CONTRIBUTORS:
        return seen
    variance = max(0.0, squares - count * mean**2) / (count - 1)
    half = confidence_sequences.multiplier(count, alpha) * math.sqrt(variance / count)
    low, high = max(-1.0, mean - half), min(1.0, mean + half)
    if high < 0:
        outcome = InterleavingVerdict.WORSE
    elif low > 0:
        outcome = InterleavingVerdict.PREFERRED
    else:
        outcome = (
            InterleavingVerdict.NOT_WORSE if count >= enough else InterleavingVerdict.KEEP_RUNNING
        )
    return dataclasses.replace(seen, outcome=outcome, low=low, high=high)
