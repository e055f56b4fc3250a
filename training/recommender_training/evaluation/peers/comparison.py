"""The served lists against those of the peers, with intervals.

Differences are paired: the same requests, and the same resamples of users. The gain over the best
peer has an interval that holds for all peers at once, because the best of several looks better
than it is: its half width is the standard error times the 95th percentile of the largest
deviation of any of the differences, in standard errors (single-step max-t; Westfall and Young
1993). Legend of shapes: B resamples, P peers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from recommender_contract.peers import GAIN, ndcg_of
from recommender_training.common.arrays import Ints
from recommender_training.evaluation import confidence_intervals, ranking_metrics
from recommender_training.evaluation.confidence_intervals import Sampled
from recommender_training.evaluation.peers.peer_lists import PeerLists
from recommender_training.evaluation.predictions import TOP_K
from recommender_training.statistics import bootstrap
from recommender_training.statistics.bootstrap import Resamples

NDCG = f"ndcgAt{TOP_K}"


def peers_section(found: PeerLists, served: Ints, drawn: Resamples) -> dict[str, Any]:
    """The section `peers` of the report; `served` [all requests, K] are the lists of the model."""
    user = np.array([request.user for request in found.task.requests], dtype=np.int64)

    def sampled(top: Ints) -> dict[str, Sampled]:
        return {
            f"{name}At{TOP_K}": Sampled(
                float(values.mean()), bootstrap.mean(drawn, values, user), len(values)
            )
            for name, values in ranking_metrics.per_request(found.task, top).items()
        }

    own = sampled(served[found.places])
    theirs = {name: sampled(top) for name, top in found.top.items()}
    minus = {name: confidence_intervals.differences(own, each) for name, each in theirs.items()}
    best = max(theirs, key=lambda name: theirs[name][NDCG].value)
    gains = {name: each[NDCG] for name, each in minus.items()}
    return {
        "requests": len(user),
        "events": found.events,
        "easeItems": found.head,
        "best": best,
        "gain": simultaneous(drawn, gains, best),
        "recommender": confidence_intervals.estimates(own, drawn),
        "lists": {
            name: {
                **confidence_intervals.estimates(each, drawn),
                "minus": confidence_intervals.estimates(minus[name], drawn),
            }
            for name, each in theirs.items()
        },
    }


def simultaneous(
    drawn: Resamples, gains: Mapping[str, Sampled], best: str
) -> dict[str, float | None]:
    """The gain over the peer `best` with an interval that holds for all gains at once.

    Null without an interval, and where no resample differs from another.
    """
    values = np.array([each.value for each in gains.values()])  # [P]
    resampled = np.stack([each.resampled for each in gains.values()], axis=1)  # [B, P]
    own = gains[best]
    estimate = own.estimate(drawn)
    defined = resampled[np.isfinite(resampled).all(1)]
    if estimate["low"] is None or len(defined) < 2:
        return estimate
    error = defined.std(0, ddof=1)
    varies = error > 0
    at = list(gains).index(best)
    if not varies[at]:
        return estimate | {"low": None, "high": None}
    deviation = np.abs(defined - values)[:, varies] / error[varies]
    half = float(np.quantile(deviation.max(1), drawn.level) * error[at])
    return estimate | {
        "low": round(own.value - half, 6),
        "high": round(own.value + half, 6),
    }


def flat(section: Mapping[str, Any]) -> dict[str, float]:
    """The flat metrics: NDCG of each peer, and the gain over the best with its interval."""
    gain = section["gain"]
    return {
        **{ndcg_of(name): each[NDCG]["value"] for name, each in section["lists"].items()},
        GAIN: gain["value"],
        **confidence_intervals.ends(GAIN, gain),
    }
