"""What a writer of files has read of the log since its last commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from recommender_collector.domain import rows
from recommender_collector.domain.declaration import Model
from recommender_collector.domain.events import Event, Id
from recommender_collector.domain.lines import entry_of
from recommender_collector.writers import batches, quarantine


class Rows(NamedTuple):
    """The rows of an event; ingestion refuses two of the same user, item, second and kind."""

    user: Id
    archived: bytes
    interactions: tuple[tuple[tuple[Id, Id, int, str], bytes], ...]


def rows_of(event: Event, model: Model) -> Rows:
    """Return the rows of an event."""
    second, kind = event.time // 1000, event.kind.value
    keys = ((event.user, item, second, kind) for item in event.items)
    found = zip(keys, rows.interactions(event, model), strict=False)
    return Rows(event.user, rows.archived(event), tuple(found))


class _Cut(NamedTuple):
    """An erasure: what was read before it, and its time in milliseconds since 1970."""

    events: int
    quarantined: int
    at: int


@dataclass(slots=True)
class MicroBatch:
    """The rows of a batch, ready to be written."""

    number: int
    offset: str
    events: list[Rows] = field(default_factory=list)
    quarantined: list[bytes] = field(default_factory=list)
    #: The last erasure of each user.
    erased: dict[Id, _Cut] = field(default_factory=dict)
    items: int = 0
    size: int = 0  # bytes of the lines
    since: float | None = None

    def take(self, line: bytes, at: int, model: Model) -> None:
        """Add a line of a record of the time `at`, in milliseconds since 1970.

        Whatever is in a line, it becomes rows or one row of the quarantine.
        """
        self.size += len(line)
        try:
            entry = entry_of(line)
            if isinstance(entry, Event):
                self.events.append(rows_of(entry, model))
                self.items += len(entry.items)
            else:
                cut = _Cut(len(self.events), len(self.quarantined), at)
                self.erased[entry.user] = cut
        except Exception as error:
            self.quarantined.append(quarantine.row_of(line, str(error) or type(error).__name__))

    def files(self) -> dict[str, Sequence[bytes]]:
        """Return the lines of each file, without what came before the erasure of its user."""
        left = [
            each
            for index, each in enumerate(self.events)
            if each.user not in self.erased or index >= self.erased[each.user].events
        ]
        interactions: dict[tuple[Id, Id, int, str], bytes] = {}
        for each in left:
            for key, row in each.interactions:
                interactions.setdefault(key, row)
        return {
            batches.INTERACTIONS: [*interactions.values()],
            batches.EVENTS: [each.archived for each in left],
            batches.QUARANTINE: [*self._quarantined()],
        }

    def _quarantined(self) -> list[bytes]:
        found = []
        for index, row in enumerate(self.quarantined):
            users = [user for user, cut in self.erased.items() if index < cut.quarantined]
            if not users or not quarantine.is_of(row, users):
                found.append(row)
        return found
