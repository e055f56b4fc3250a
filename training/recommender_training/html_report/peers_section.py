"""The section on peers: the served lists against those of simple recommenders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recommender_contract.peers import PEERS
from recommender_training.html_report import tables, words
from recommender_training.html_report.markup import Markup, tag


def render_peers(section: Mapping[str, Any]) -> list[Markup]:
    """Return the gain over the best peer in a sentence, and the lists of all of them."""
    # By name among equals: an artifact has the report with its keys in another order.
    ordered = sorted(
        section["lists"].items(), key=lambda each: (-float(each[1]["ndcgAt10"]["value"]), each[0])
    )
    rows = [_row("Model", section["recommender"], None)]
    rows += [_row(_name(name), entry, entry["minus"]["ndcgAt10"]) for name, entry in ordered]
    head = ["Lists", "NDCG@10", "Precision@10", "Model minus this one, NDCG@10"]
    return [tag("p", _gain(section)), tables.table(head, rows), tag("p", _method(section),
            class_="note")]  # fmt: skip


def _name(peer: str) -> str:
    text = PEERS.get(peer, peer)
    return text[:1].upper() + text[1:]


def _gain(section: Mapping[str, Any]) -> str:
    gain, best = section["gain"], PEERS.get(section["best"], section["best"])
    text = f"The best of the simple recommenders is {best}"
    if gain["low"] is None:
        return f"{text}. There are too few users to compare it with the model."
    if gain["low"] > 0:
        verdict = "The model's lists are better"
    elif gain["high"] < 0:
        verdict = "The model's lists are worse"
    else:
        verdict = "The model's lists are not measurably different"
    return (
        f"{text}. {verdict}: NDCG@10 differs by {words.signed(gain['value'])} "
        f"({words.ends(gain, sign=True)}, an interval for all peers at once)."
    )


def _row(name: str, entry: Mapping[str, Any], minus: Mapping[str, Any] | None) -> Markup:
    return tables.row(
        name,
        tables.estimate(entry["ndcgAt10"]),
        tables.estimate(entry["precisionAt10"]),
        None if minus is None else tables.estimate(minus, sign=True),
    )


def _method(section: Mapping[str, Any]) -> str:
    return (
        f"{words.count(section['requests'])} requests, the same as the model's, with the same "
        "sessions and items to choose from; relevant are the positive events that follow. Peers "
        f"are fitted to the newest {words.count(section['events'])} events before the window; "
        "popularity of the last hour, day and week is counted up to each request. EASE knows the "
        f"{words.count(section['easeItems'])} items that are liked most."
    )
