"""The facts that this process has handled, so that not every pass handles them again."""

from __future__ import annotations

import collections
import datetime

#: Period after which a fact that is still true is taken up again: its record is renewed, because
#: Kubernetes removes Events after an hour, or it is sent if that failed.
RENEW = datetime.timedelta(minutes=20)
#: Remembered pairs of receiver and fact. A forgotten one is looked up in its record.
REMEMBERED = 10_000


class SentFacts:
    """Facts by receiver and id."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._taken: collections.OrderedDict[tuple[str, str], datetime.datetime]
        self._taken = collections.OrderedDict()
        self._remembered = remembered

    def due(self, receiver: str, fact_id: str, now: datetime.datetime, *, lasting: bool) -> bool:
        """Return whether a fact is to be taken up now, and remember that it was."""
        key = (receiver, fact_id)
        before = self._taken.get(key)
        if before is not None and not (lasting and now - before >= RENEW):
            return False
        self._taken[key] = now
        self._taken.move_to_end(key)
        while len(self._taken) > self._remembered:
            self._taken.popitem(last=False)
        return True

    def forget(self, receiver: str, fact_id: str) -> None:
        """Let a fact that was dropped be taken up again."""
        self._taken.pop((receiver, fact_id), None)
