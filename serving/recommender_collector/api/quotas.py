"""Quotas of sources, users and models."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Hashable

import orjson

from recommender_collector.api.request_bodies import Refused
from recommender_collector.domain.batch_validation import Accepted, Batch, Rejected
from recommender_collector.domain.lines import Lines
from recommender_collector.domain.token_buckets import Rates, TokenBuckets

_USER = 3  # the place of the user in a line


class Quotas:
    """Bounds what one source, one user and one model send to a pod."""

    def __init__(self, rates: Rates, clock: Callable[[], float] = time.monotonic) -> None:
        self._rates = rates
        self._sources, self._models, self._users = (
            TokenBuckets(rate, clock) if rate else None
            for rate in (rates.source, rates.model, rates.user)
        )

    def admit(self, batch: Batch, source: str | None) -> None:
        """Take the events from the quotas; reject those of users who have sent too many.

        Raises:
            Refused: the quota of the source or of a model is used up, or that of every user.
        """
        counts = {model: len(found.lines) for model, found in batch.events.items()}
        if source is not None:
            _check(self._sources, source, f"source {source!r}", self._rates.source)
        for model in counts:
            _check(self._models, model, f"model {model!r}", self._rates.model)
        if self._users is not None:
            self._leave_out(batch, self._users)
        for model, found in batch.events.items():
            if self._models is not None:
                self._models.take(model, len(found.lines))
            if self._sources is not None and source is not None:
                self._sources.take(source, len(found.lines))

    def _leave_out(self, batch: Batch, users: TokenBuckets) -> None:
        longest, kept = 0.0, {}
        for model, found in batch.events.items():
            texts = found.lines.text.split(b"\n")
            named = [orjson.loads(text)[_USER] for text in texts]
            counts = Counter(named)
            waits = {user: users.wait((model, user)) for user in counts}
            for user, wait in waits.items():
                longest = max(longest, wait)
                if not wait:
                    users.take((model, user), counts[user])
            if not any(waits.values()):
                kept[model] = found
                continue
            if fitting := _fitting(found, [not waits[user] for user in named]):
                kept[model] = fitting
            for place, user, text in zip(found.places, named, texts, strict=True):
                if waits[user]:
                    error = _said("user", self._rates.user, waits[user])
                    batch.rejected.append(
                        Rejected(place, orjson.loads(text)[1], "user", f"user: {error}")
                    )
        if longest and not kept:
            raise Refused(429, _said("user", self._rates.user, longest), math.ceil(longest))
        batch.events = kept
        batch.rejected.sort(key=lambda each: each.index)


def _check(buckets: TokenBuckets | None, name: Hashable, what: str, rate: float) -> None:
    if buckets is not None and (wait := buckets.wait(name)):
        raise Refused(429, _said(what, rate, wait), math.ceil(wait))


def _said(what: str, rate: float, wait: float) -> str:
    return (
        f"the {what} has sent more than {rate:g} events a second: "
        f"send it again in {math.ceil(wait)} s"
    )


def _fitting(found: Accepted, fits: list[bool]) -> Accepted | None:
    entries = zip(found.places, found.kinds, found.lines, fits, strict=True)
    left = [(place, kind, line) for place, kind, line, is_fitting in entries if is_fitting]
    if not left:
        return None
    places, kinds, lines = zip(*left, strict=True)
    return Accepted(places, kinds, Lines.of(lines))
