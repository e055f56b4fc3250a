"""Requests of past sessions, one per session: the unit of the drift statistics.

A session is the events of one user with gaps under 30 minutes. A request is drawn at a random
position of each session. The reference counts of an artifact and the demo's load generator both
use these requests, so that they follow the same distribution.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from recommender_contract.features import Kind
from recommender_training.common.arrays import Ints
from recommender_training.config.feature import Feature
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data.row_times import ALWAYS, COLUMN

#: Seconds without an event that end a session.
SESSION_GAP = 1800
HISTORY_LENGTH = 20
#: Whether an interaction is something that its user did (`labels.is_act`).
ACT = "act"

#: A request in the transformer's v1 format (docs/contracts.md).
Request = dict[str, Any]


def sample_session_requests(
    interactions: pl.DataFrame,
    users: pl.DataFrame,
    items: pl.DataFrame,
    seed: int,
    *,
    declared: FeatureSchema,
    history_length: int = HISTORY_LENGTH,
    top_n: int = 10,
    prefix: str = "s",
) -> Iterator[Request]:
    """Yield one request per session, in the order of user and time.

    `interactions` has user_id, item_id, value, timestamp and the declared context; without a
    column ACT, all of them are acts. `users` has user_id and the declared features, null if
    unknown. A request may be at any event, and its `session` has acts alone. Skips events of items
    that are not in `items`. The `session_id` is unique within one call: `<prefix>-<number of the
    session>`.
    """
    known = interactions.filter(pl.col("item_id").is_in(items["item_id"].implode()))
    frame = known.sort("user_id", "timestamp", "item_id")
    user, time = frame["user_id"].to_numpy(), frame["timestamp"].to_numpy()
    item, value = frame["item_id"].to_numpy(), frame["value"].to_numpy()
    if len(user) == 0:
        return
    side = _Side(users)
    context = [each for each in declared.context if each.served_as is None]
    stated = frame.select("user_id", *(each.name for each in context))
    drawn, user_start, time_start = _draw(user, time, seed)
    acts = frame[ACT].to_numpy() if ACT in frame.columns else np.ones(len(user), dtype=np.bool_)
    act_rows, acts_before = np.flatnonzero(acts), np.r_[0, np.cumsum(acts)]
    for number, position in enumerate(drawn.tolist()):
        end = int(acts_before[time_start[position]])
        start = max(int(acts_before[user_start[position]]), end - history_length)
        events = [
            {"item": int(item[row]), "timestamp": int(time[row]), "value": float(value[row])}
            for row in act_rows[start:end].tolist()
        ]
        yield {
            "user_id": int(user[position]),
            "session": events,
            "user": _stated(side.at(int(user[position]), int(time[position])), declared.users),
            "context": _stated(stated.row(position, named=True), context),
            "timestamp": int(time[position]),
            "top_n": top_n,
            "session_id": f"{prefix}-{number}",
        }


class _Side:
    """Rows of the users, of which one counts at a time (`row_times`)."""

    def __init__(self, users: pl.DataFrame) -> None:
        self._rows: dict[int, list[tuple[int, dict[str, Any]]]] = {}
        ordered = users.sort("user_id", *(each for each in (COLUMN,) if each in users.columns))
        for row in ordered.iter_rows(named=True):
            since = row.get(COLUMN)
            found = self._rows.setdefault(row["user_id"], [])
            found.append((ALWAYS if since is None else since, row))

    def at(self, user: int, time: int) -> Mapping[str, Any]:
        """The row of a user at a time; empty where nothing is known."""
        known = [row for since, row in self._rows.get(user, ()) if since <= time]
        return known[-1] if known else {}


def _draw(user: Ints, time: Ints, seed: int) -> tuple[Ints, Ints, Ints]:
    """Draw one event per session of N events, sorted by user and time.

    Return the drawn events, and for each event [N] the first one of its user and of its second.
    """
    new_user = np.r_[True, user[1:] != user[:-1]]
    new_session = new_user | np.r_[True, np.diff(time) >= SESSION_GAP]
    new_time = new_user | np.r_[True, time[1:] != time[:-1]]
    user_start, time_start = (
        np.maximum.accumulate(np.where(first, np.arange(len(user)), 0))
        for first in (new_user, new_time)
    )
    starts = np.flatnonzero(new_session)
    lengths = np.diff(np.r_[starts, len(user)])
    return starts + np.random.default_rng(seed).integers(0, lengths), user_start, time_start


def _stated(row: Mapping[str, Any], features: Sequence[Feature]) -> dict[str, Any]:
    """Return the known values of a row as a request has them."""
    return {
        each.name: _as_said(row[each.name], each.kind)
        for each in features
        if row.get(each.name) is not None
    }


def _as_said(value: Any, kind: Kind) -> Any:
    """Return a value of a table as a request has it."""
    if kind is Kind.BOOLEAN:
        return value == "true"
    if kind is Kind.MULTI_CATEGORICAL:
        return value.split(" ")
    if kind is Kind.EMBEDDING:
        return [float(number) for number in value.split(" ")]
    return value
