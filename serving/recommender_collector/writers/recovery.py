"""Takes quarantined lines back that this release understands, such as those of a later release.

They become a batch of their own, whose `recovered.json` says which rows of which quarantine they
were. The rows leave that quarantine before another batch is written. Whatever is killed, each
event is in exactly one place.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from recommender_collector.domain import erasure_list
from recommender_collector.domain.declaration import Model
from recommender_collector.domain.events import Erasure
from recommender_collector.domain.lines import entry_of
from recommender_collector.writers import file_batches, quarantine, removal
from recommender_collector.writers.file_batches import Batches, BatchesDamaged
from recommender_collector.writers.micro_batch import Read, rows_of

logger = logging.getLogger(__name__)
RECOVERED = "recovered.json"
#: Bytes of rows of one batch.
MOST_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Found:
    """Rows of the quarantine of a batch that are events, or of users who were erased since."""

    batch: int
    rows: tuple[bytes, ...]
    events: tuple[Read, ...]

    def record(self) -> bytes:
        """Return the record of these rows, which no others have."""
        return orjson.dumps({"from": self.batch, "rows": [*map(_digest, self.rows)]})


class Recovery:
    """The quarantines of one model, which it searches once."""

    def __init__(
        self, files: Batches, model: Model, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._files = files
        self._model = model
        self._clock = clock
        self._left: list[int] | None = None  # numbers of batches, the last one first

    @property
    def is_done(self) -> bool:
        """True if all quarantines were searched."""
        return self._left == []

    def find(self, seconds: float) -> Found | None:
        """Search for so many seconds at most; return what is to be taken back.

        It is found again until `settle` has removed it.

        Raises:
            OSError: call it again.
        """
        ends = self._clock() + seconds
        if self._left is None:
            self._left = self._files.numbers()[::-1]
        while self._left:
            try:
                found = self._found(self._left[-1])
            except BatchesDamaged as error:  # an old one, which stays as it is
                logger.error("the quarantine of this batch is left alone: %s", error)
                found = None
            if found is not None:
                return found
            self._left.pop()
            if self._clock() >= ends:
                break
        return None

    def settle(self) -> None:
        """Remove the rows that the newest batch took from their quarantine, if it took any.

        Raises:
            OSError, BatchesDamaged: call it again, before another batch is written.
        """
        number, _ = self._files.newest()
        path = self._files.folder(number) / RECOVERED
        try:
            record: Any = orjson.loads(path.read_bytes())
            taken, batch = frozenset(record["rows"]), int(record["from"])
        except FileNotFoundError:
            return
        except (ValueError, KeyError, TypeError) as error:
            text = f"{path} cannot be read ({str(error)[:100]}): restore it; without it, events"
            raise BatchesDamaged(f"{text} would be written twice") from error
        path = self._files.folder(batch) / file_batches.QUARANTINE
        for _ in removal.steps(
            path, lambda block: removal.kept(block, lambda row: _digest(row) in taken)
        ):
            pass

    def _found(self, number: int) -> Found | None:
        path = self._files.folder(number) / file_batches.QUARANTINE
        taken: list[bytes] = []
        events: dict[bytes, Read] = {}  # one of each line
        size = 0
        try:
            with path.open("rb") as rows:
                for row in rows:
                    event = _read(row, self._model)
                    if event is not None:
                        taken.append(row.rstrip(b"\n"))
                        events[taken[-1]] = event
                        size += len(row)
                    if size >= MOST_BYTES:
                        break
        except FileNotFoundError:
            return None
        if not taken:
            return None
        erased = self._files.erased_after(number)
        left = [
            each
            for each in events.values()
            if erasure_list.user_digest(each.event.user) not in erased
        ]
        logger.info(
            "%s: %d quarantined events of batch %d are taken back", path, len(left), number
        )
        return Found(number, tuple(taken), tuple(left))


def _read(row: bytes, model: Model) -> Read | None:
    """Return the event of a quarantined line; None if it would be quarantined again."""
    line = quarantine.line_of(row)
    if line is None:
        return None
    try:
        entry = entry_of(line)
        if isinstance(entry, Erasure):
            return None
        rows_of(entry, model)
    except Exception:  # as when it was read from the log
        return None
    return Read(entry, line)


def _digest(row: bytes) -> str:
    return hashlib.blake2b(row, digest_size=16).hexdigest()
