"""A request of each user of a data version: what the user did up to then is the session."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from recommender_contract.ids import IdKind, IdKinds
from recommender_contract.resource import mapping
from recommender_training.answers.requests import Asked
from recommender_training.data import load
from recommender_training.ingestion import id_table


def requests(
    lake: Path, data_version: str, kinds: IdKinds, top_n: int, now: int | None = None
) -> tuple[int, Iterator[Asked]]:
    """The number of users, and a request of each at `now`, in the order of their numbers.

    `now` is in seconds since 1970; without it the time is one second after the newest event.
    Features are left out, so the version's own table of users counts. Raises InputError:
    DataVersionMissing, InvalidMapping if the ids are of another kind than the version's.
    """
    of_lake = mapping.IdKinds(user=kinds.user, item=kinds.item)
    id_table.check_kinds(lake, of_lake)
    _, data = load.load_dataset(lake, data_version, None)
    events, users = data.events.acts, data.users.ids
    at = int(data.events.time[-1]) + 1 if now is None else now
    names: Sequence[int | str] = users.tolist()
    if kinds.user is IdKind.TEXT:
        names = id_table.texts(lake, "user", users)
    # Events are in the order of time, and stay so for each user.
    order = np.argsort(events.user, kind="stable")
    order = order[events.time[order] < at]
    ends = np.searchsorted(events.user[order], np.arange(len(users) + 1))

    def each() -> Iterator[Asked]:
        for row, name in enumerate(names):
            own = order[ends[row] : ends[row + 1]]
            columns = (data.items.ids[events.item[own]], events.time[own], events.value[own])
            session = [
                {"item": item, "timestamp": time, "value": value}
                for item, time, value in zip(*(each.tolist() for each in columns), strict=True)
            ]
            request = {"user_id": int(users[row]), "user": {}, "context": {}, "session": session}
            yield Asked({**request, "timestamp": at, "top_n": top_n}, user=name)

    return len(users), each()
