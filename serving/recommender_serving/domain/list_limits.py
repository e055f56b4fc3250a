"""What the resource says of the lists as a whole: plain data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Diversity:
    """At most so many items of a list have the same category of the feature."""

    feature: str
    max_per_category: int


@dataclass(frozen=True, slots=True)
class Exposure:
    """At least this share of each beginning of a list has one of the categories."""

    feature: str
    categories: frozenset[str]
    min_share: float


@dataclass(frozen=True, slots=True)
class ListLimits:
    """The limits of each answer; the default limits nothing."""

    diversity: tuple[Diversity, ...] = ()
    exposure: tuple[Exposure, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.diversity or self.exposure)


UNLIMITED = ListLimits()
