"""Selection of items by a request, whatever the models think of them: plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: Values of item features, by the name of the feature.
Rules = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Selection:
    """The items that one request asks for; the default is any item.

    An item fits `allow` if a category of it is listed for each named feature, and `deny` if none
    is for any.
    """

    seeds: tuple[int, ...] = ()  # "more like these"
    candidates: tuple[int, ...] = ()  # only these, if there are any
    excluded: frozenset[int] = frozenset()
    allow: Rules = field(default_factory=dict)
    deny: Rules = field(default_factory=dict)

    @property
    def restricts(self) -> bool:
        """True if some items are not wanted."""
        return bool(self.candidates or self.excluded or self.allow or self.deny)

    @property
    def usual(self) -> bool:
        """True for an ordinary request, as the training data has them."""
        return not (self.seeds or self.restricts)


ANY = Selection()
