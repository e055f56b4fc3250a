"""The peers: simple recommenders whose lists every training report compares with the model's."""

from __future__ import annotations

#: Name of each in the report, and as text.
PEERS = {
    "popularity": "the most popular items of all time",
    "popularityHour": "the most popular items of the last hour",
    "popularityDay": "the most popular items of the last day",
    "popularityWeek": "the most popular items of the last week",
    "markovFirstOrder": "a first-order Markov chain",
    "markovSecondOrder": "a second-order Markov chain",
    "itemKnn": "item-based nearest neighbours",
    "ease": "EASE",
}
#: Those that are live: versions can follow them with `events.trending`.
LIVE = frozenset({"popularityHour", "popularityDay", "popularityWeek"})
#: NDCG@10 of the served lists less that of the best peer.
GAIN = "ndcgAt10MinusBestPeer"


def ndcg_of(peer: str) -> str:
    """Return the metric of a peer's lists."""
    return f"{peer}NdcgAt10"
