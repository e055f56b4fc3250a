"""The versions of a model whose predictions have sums, and the days of these: pure."""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson

from recommender_collector.domain.checks import is_arm
from recommender_collector.domain.formats import FORMAT, Damaged, check
from recommender_collector.outcomes.prediction_segments import Values, is_known
from recommender_collector.outcomes.predictions import Cell, LabelRule

MOST_VERSIONS = 8  # of a model
#: Days of a version that are kept: the first ones, which later ones are compared with, and the
#: latest.
FIRST_DAYS, LATEST_DAYS = 14, 46


@dataclass(slots=True)
class VersionEntry:
    """Entry of the index for a version.

    `since` is unique: a version that lost its sums and gets new ones has another number, so that
    what users added to the former ones is never subtracted from the new ones.
    """

    since: int
    users: int = 0  # added up over the days
    ignored: int = 0  # predictions that do not count
    days: list[int] = field(default_factory=list)  # sorted
    void: set[int] = field(default_factory=set)  # of these days, those whose sums were lost
    segments: Values = field(default_factory=dict)  # in which its predictions count


@dataclass(slots=True)
class VersionIndex:
    """The versions with sums, all by one rule; `last` is the newest `since`."""

    rule: str
    last: int = 0
    versions: dict[str, VersionEntry] = field(default_factory=dict)

    def has(self, cell: Cell) -> bool:
        """Return whether there are sums of a version and a day."""
        found = self.versions.get(cell.version)
        if found is None or found.since != cell.since:
            return False
        return cell.day in found.days and cell.day not in found.void

    def add(self, name: str, day: int, at: int, rule: LabelRule) -> tuple[Cell, list[Cell]]:
        """Give a version sums of a day; return them, and those that make room for them.

        If there are too many versions, one makes room whose days are closed, or else that with
        the fewest users: whoever sends events may make up versions, but not their users as easily.
        """
        dropped: list[Cell] = []
        if name not in self.versions:
            if len(self.versions) >= MOST_VERSIONS:
                least = min(self.versions, key=lambda each: self._worth(each, at, rule))
                former = self.versions.pop(least)
                dropped += [Cell(least, each, former.since) for each in former.days]
            self.last = max(self.last + 1, at)
            self.versions[name] = VersionEntry(self.last)
        found = self.versions[name]
        if day not in found.days:
            found.days = sorted((*found.days, day))
        while len(found.days) > FIRST_DAYS + LATEST_DAYS:
            old = found.days.pop(FIRST_DAYS)
            found.void.discard(old)
            dropped.append(Cell(name, old, found.since))
        return Cell(name, day, found.since), dropped

    def _worth(self, name: str, at: int, rule: LabelRule) -> tuple[bool, int, int, str]:
        found = self.versions[name]
        latest = max(found.days, default=0)
        return rule.closes(latest) > at, found.users, latest, name

    def encode(self) -> bytes:
        """Return the index as JSON."""
        versions = {name: _fields(each) for name, each in self.versions.items()}
        return orjson.dumps((FORMAT, self.rule, self.last, versions))

    @classmethod
    def decode(cls, text: bytes) -> VersionIndex:
        """Return the index of such a text.

        Raises:
            Damaged: the text has another format.
        """
        try:
            format_, rule, last, found = orjson.loads(text)
            check(format_ == FORMAT and all(map(is_arm, found)), "the index has another format")
            return cls(str(rule), int(last), {name: _version(*of) for name, of in found.items()})
        except (ValueError, TypeError, AttributeError) as error:
            raise Damaged(f"the index: {type(error).__name__}") from None


def _fields(of: VersionEntry) -> tuple[object, ...]:
    segments = (of.segments,) if of.segments else ()
    return (of.since, of.users, of.ignored, of.days, sorted(of.void), *segments)


def _version(
    since: int,
    users: int,
    ignored: int,
    days: list[int],
    void: list[int],
    segments: Values | None = None,
) -> VersionEntry:
    known = {} if segments is None else segments  # an earlier release kept none
    check(is_known(known), "the segments of the index have another format")
    numbers = [*map(int, days)], {*map(int, void)}
    return VersionEntry(int(since), int(users), int(ignored), *numbers, known)
