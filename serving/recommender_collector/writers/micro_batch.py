"""Lines that a writer of files has read since its last commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from recommender_collector.domain import file_rows
from recommender_collector.domain.declaration import Model
from recommender_collector.domain.events import Event, Id
from recommender_collector.domain.lines import entry_of
from recommender_collector.writers import file_batches, quarantine


class Read(NamedTuple):
    """An event, and its line in the log. Rows of its items would take a hundred times as much."""

    event: Event
    line: bytes


def rows_of(event: Event, model: Model) -> tuple[bytes, list[bytes]]:
    """Return the archived row of an event, and its rows for training, one for each item."""
    return file_rows.archive_line(event), file_rows.interaction_rows(event, model)


class _Cut(NamedTuple):
    """An erasure: what was read before it, and its time in milliseconds since 1970."""

    events: int
    quarantined: int
    at: int


@dataclass(slots=True)
class MicroBatch:
    """The events of a batch."""

    number: int
    offset: str
    events: list[Read] = field(default_factory=list)
    quarantined: list[bytes] = field(default_factory=list)
    #: The last erasure of each user.
    erased: dict[Id, _Cut] = field(default_factory=dict)
    items: int = 0
    size: int = 0  # bytes of the lines
    since: float | None = None

    def take(self, line: bytes, at: int) -> None:
        """Add a line of a record of the time `at`, in milliseconds since 1970.

        Whatever is in a line, it becomes an event or one row of the quarantine.
        """
        self.size += len(line)
        try:
            entry = entry_of(line)
            if isinstance(entry, Event):
                self.events.append(Read(entry, line))
                self.items += len(entry.items)
            else:
                cut = _Cut(len(self.events), len(self.quarantined), at)
                self.erased[entry.user] = cut
        except Exception as error:
            self.quarantined.append(quarantine.row_of(line, str(error) or type(error).__name__))

    def files(self, model: Model) -> dict[str, Sequence[bytes]]:
        """Return the lines of each file, without what came before the erasure of its user.

        An event of which no rows can be made is one row of the quarantine. Ingestion refuses two
        rows of the same user, item, second and kind.
        """
        interactions: dict[tuple[Id, Id, int, str], bytes] = {}
        archived, quarantined = [], [*self._quarantined()]
        for index, (event, line) in enumerate(self.events):
            user = event.user
            if user in self.erased and index < self.erased[user].events:
                continue
            try:
                whole, found = rows_of(event, model)
            except Exception as error:
                quarantined.append(quarantine.row_of(line, str(error) or type(error).__name__))
                continue
            archived.append(whole)
            second, kind = event.time // 1000, event.kind.value
            for item, row in zip(event.items, found, strict=False):
                interactions.setdefault((user, item, second, kind), row)
        return {
            file_batches.INTERACTIONS: [*interactions.values()],
            file_batches.EVENTS: archived,
            file_batches.QUARANTINE: quarantined,
        }

    def _quarantined(self) -> list[bytes]:
        found = []
        for index, row in enumerate(self.quarantined):
            users = [user for user, cut in self.erased.items() if index < cut.quarantined]
            if not users or not quarantine.is_of(row, users):
                found.append(row)
        return found
