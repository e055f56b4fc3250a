"""An event of a user, and what an impression says of its answer: pure."""

from __future__ import annotations

from typing import NamedTuple

from recommender_contract.events import HELD, OTHERS, Kind

#: Arms that are no versions: the only one of an interleaving, and those of a holdout's measure.
INTERLEAVED = "interleaved"
GROUPS = frozenset({HELD, OTHERS})

Id = int | str
#: A value of a declared feature of the context: of a MultiCategorical and an Embedding a list.
ContextValue = str | float | bool | list[str] | list[float]
#: The features of a context by their declared names.
Context = dict[str, ContextValue]


class Exposure(NamedTuple):
    """The part of an experiment in which an impression was."""

    experiment: str  # 8 hex digits
    phase: int  # 0 to 99; a constant set of shares of users
    arm: str  # version to which the user is assigned, whatever answered
    cap: float  # most revenue of one user that counts
    #: What the request said of its user, or "unknown": feature and value, sorted by feature.
    segments: tuple[tuple[str, str], ...] = ()


class Explored(NamedTuple):
    """The place of an impression whose item was drawn: each of the pool was as likely."""

    place: int  # from 0, among the items
    pool: tuple[Id, ...]  # best first; one of them is the item at the place


class Interleaved(NamedTuple):
    """Which version gave each item of an impression whose list mixes those of two."""

    id: str  # of the interleaving, 8 hex digits
    candidate: str
    teams: str  # a letter for each item: A the version that answered, B the candidate, - neither


class Served(NamedTuple):
    """How a request of an experiment was served, as the serving path measured it."""

    milliseconds: float
    slower_than: int  # milliseconds: what took longer is slow
    failed: bool  # the version of the user answered with an error, whatever the user got


class Event(NamedTuple):
    """One valid event."""

    id: str  # unique in the model
    kind: Kind
    user: Id
    items: tuple[Id, ...]  # at most one, but for an impression
    time: int  # milliseconds since 1970
    value: float | None = None  # money of a purchase, seconds of a dwell, else a rating
    request: str | None = None  # id of the request whose answer was shown
    session: str | None = None
    query: str | None = None  # words of a search
    context: Context | None = None  # by declared name
    version: str | None = None  # that answered the request
    path: str | None = None  # one of Source
    exposure: Exposure | None = None
    #: Of the declared label, for the first items of an impression.
    probabilities: tuple[float, ...] | None = None
    explored: Explored | None = None  # by what answered the request
    #: The group of its user in the measure of a holdout, which is counted as an experiment.
    holdout: Exposure | None = None
    #: What the request said of declared features, by which its predictions are divided.
    label_segments: tuple[tuple[str, str], ...] | None = None
    interleaved: Interleaved | None = None
    served: Served | None = None
    of_group: int | None = None  # items of the group that the experiment watches
    source: str | None = None  # whose key it was sent with
    #: Whether the serving path gave the request to the user; None if nobody can know.
    proven: bool | None = None

    @property
    def exposures(self) -> tuple[Exposure, ...]:
        """The experiment, the measure of a holdout and the interleaving that the event is in."""
        mixed = None if self.interleaved is None else self._mixed(self.interleaved)
        return tuple(each for each in (self.exposure, self.holdout, mixed) if each is not None)

    @staticmethod
    def _mixed(of: Interleaved) -> Exposure:
        return Exposure(of.id, 0, INTERLEAVED, 1.0)

    def disagrees(self, exposure: Exposure) -> bool:
        """Return whether a version answered that is not the user's; groups are no versions."""
        return exposure is self.exposure and self.version not in (None, exposure.arm)


class Erasure(NamedTuple):
    """The request to forget a user. It covers everything before it in the log."""

    user: Id
