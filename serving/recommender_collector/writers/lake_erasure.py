"""Erases users from the batches on disk, in short steps beside the reading.

    <root>/_erasing/<offset>-<number>.json   users to erase from all batches before this number
    <root>/_erasing/progress.json            the erasures under way, and the next batch to search

An erasure is in this journal before the offset of the log moves past it, and leaves it when no
batch has a row of the user. All that wait are taken together, so each ends within two passes. A
killed writer goes on with the batch in which it was; to search one again does no harm.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

import orjson

from recommender_collector.domain import file_rows
from recommender_collector.domain.events import Id
from recommender_collector.domain.lines import is_id
from recommender_collector.writers import file_batches, quarantine, removal
from recommender_collector.writers.file_batches import Batches

logger = logging.getLogger(__name__)
FOLDER, PROGRESS = "_erasing", "progress.json"
#: Batches searched within it are searched again after a kill: a sync of each would cost more.
SAVE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of the journal."""

    users: tuple[Id, ...]
    before: int  # number of the first batch after the erasure
    at: int  # milliseconds since 1970 of the earliest of its records


@dataclass(slots=True)
class _Pass:
    """A search through the batches."""

    entries: dict[str, _Entry]  # by name of the file
    next: int = 0  # number of a batch
    removed: int = 0
    steps: Iterator[int] | None = None


class Erasing:
    """The erasures of one model that are not through with its files. `column` has the user."""

    def __init__(
        self,
        files: Batches,
        column: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._files = files
        self._folder = files.root / FOLDER
        self._clock = clock
        self._column = column
        self._entries: dict[str, _Entry] = {}
        self._damaged: list[int] = []
        self._pass: _Pass | None = None

    @property
    def oldest(self) -> int | None:
        """Time of the oldest erasure in the journal, in milliseconds since 1970."""
        return min((*self._damaged, *(each.at for each in self._entries.values())), default=None)

    @property
    def ended(self) -> int | None:
        """When the journal became empty, in milliseconds since 1970; None if it never was used.

        Its folder changed last then, which a killed writer does not forget.
        """
        try:
            return int(self._folder.stat().st_mtime * 1000)
        except FileNotFoundError:
            return None

    @property
    def open(self) -> int:
        """Number of users to erase."""
        return sum(len(each.users) for each in self._entries.values())

    def is_open(self, user: Id) -> bool:
        """Return whether a user is in the journal, or may be in a damaged entry of it."""
        return bool(self._damaged) or any(user in each.users for each in self._entries.values())

    def add(self, offset: str, users: Mapping[Id, int], before: int) -> None:
        """Put users into the journal, with the time of their erasure; durable when it returns.

        Args:
            offset: of the log, up to which these erasures were read.
            users: with the milliseconds since 1970 of their erasure.
            before: number of the first batch that has nothing from before it.
        """
        name = f"{offset}-{before}.json"
        entry = _Entry(tuple(users), before, min(users.values()))
        content = {"users": entry.users, "before": before, "at": entry.at}
        file_batches.replace(self._folder / name, orjson.dumps(content))
        self._entries[name] = entry

    def advance(self, seconds: float) -> None:
        """Work for about so many seconds. Its parts take as long as a few MiB of the disk.

        Raises:
            OSError: nothing is lost; call it again.
        """
        ends = self._clock() + seconds
        while self._entries:
            run = self._pass or _Pass(dict(self._entries))
            self._pass = run
            steps = run.steps or self._search(run)
            run.steps = None  # after an error, once more from the batch in which it was
            removed = next(steps, None)
            if removed is None:
                self._end(run)
            else:
                run.steps = steps
                run.removed += removed
            if self._clock() >= ends:
                return

    def _search(self, run: _Pass) -> Iterator[int]:
        end = max(each.before for each in run.entries.values())
        saved = self._clock()
        for number in self._files.numbers():
            if not run.next <= number < end:
                continue
            users = {
                user
                for each in run.entries.values()
                if number < each.before
                for user in each.users
            }
            for name, without in filters(self._column, users).items():
                yield from removal.steps(self._files.folder(number) / name, without)
            run.next = number + 1
            if self._clock() - saved >= SAVE_SECONDS:
                progress = {"entries": sorted(run.entries), "next": run.next}
                file_batches.replace(self._folder / PROGRESS, orjson.dumps(progress))
                saved = self._clock()
            yield 0

    def _end(self, run: _Pass) -> None:
        for name in (PROGRESS, *run.entries):
            (self._folder / name).unlink(missing_ok=True)
        file_batches.sync(self._folder)
        for name in run.entries:
            del self._entries[name]
        self._pass = None
        users = len({user for each in run.entries.values() for user in each.users})
        logger.info(
            "%s: %d users erased, %d rows removed", self._files.root.name, users, run.removed
        )

    def load(self) -> None:
        """Read the journal, which a killed writer may have left.

        Raises:
            OSError: call it again.
        """
        self._damaged.clear()
        for path in sorted(self._folder.glob("[0-9]*.json")):
            try:
                self._entries.setdefault(path.name, _entry_of(path.read_bytes()))
            except (ValueError, KeyError, TypeError) as error:
                self._damaged.append(int(path.stat().st_mtime * 1000))
                logger.error(
                    "%s cannot be read (%s), so its users stay in the files: erase them once "
                    "more, and remove it", path, str(error)[:100],
                )  # fmt: skip
        if self._pass is not None:
            return
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            found = orjson.loads((self._folder / PROGRESS).read_bytes())
            entries = {name: self._entries[name] for name in found["entries"]}
            if entries:
                self._pass = _Pass(entries, int(found["next"]))


def filters(column: str, users: Collection[Id]) -> dict[str, Callable[[bytes], bytes]]:
    """Return functions that take the lines of users out of a block, by name of the file.

    `column` has the user in the rows for training.
    """
    mapped = removal.Finder(users, lambda line, of: file_rows.is_row_of(line, column, of))
    events = removal.Finder(users, lambda line, of: file_rows.is_row_of(line, "user", of))
    return {
        file_batches.INTERACTIONS: mapped.without,
        file_batches.EVENTS: events.without,
        file_batches.QUARANTINE: lambda block: removal.kept(
            block, lambda row: quarantine.is_of(row, users)
        ),
    }


def _entry_of(content: bytes) -> _Entry:
    found = orjson.loads(content)
    users, before, at = found["users"], found["before"], found["at"]
    if not (users and all(map(is_id, users)) and type(before) is int and type(at) is int):
        raise ValueError("no users, batch and time")
    return _Entry(tuple(users), before, at)
