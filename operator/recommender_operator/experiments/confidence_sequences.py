"""Confidence sequences: intervals that hold at all looks together, however many there are.

Source: I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy and A. Ramdas, Time-uniform central
limit theory and asymptotic confidence sequences, Ann. Stat. 52 (2024), arXiv:2103.06476: a normal
mixture over the drift of a Brownian motion, which a mean over many users approaches. "Asymptotic":
it holds once the variance is known well, so nothing is tested below `estimates.MIN_USERS`.
"""

from __future__ import annotations

import math

#: Users of both arms at which the sequence is narrowest. Fixed in advance, because a choice after
#: looking at the data would void the level. A wrong choice costs little: see
#: docs/lab/statistics.md.
NARROWEST_AT = 1000


def multiplier(users: int, alpha: float) -> float:
    """Return how many standard errors a one-sided end is away after so many users of both arms.

    The end of the sequence that excludes what lies beyond is ever wrong with probability `alpha`.
    """
    spent = -2 * math.log(alpha)
    share = users * (spent + math.log(spent) + 1) / NARROWEST_AT
    within = math.log1p(math.sqrt(share + 1) / (2 * alpha))
    return math.sqrt(2 * (share + 1) / share * within)
