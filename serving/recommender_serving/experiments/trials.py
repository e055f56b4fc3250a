"""Headers of one call in an experiment: pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from recommender_contract.headers import (
    BANDS_HEADER,
    CALL_HEADER,
    EXPERIMENT_HEADER,
    FORWARDED_HEADER,
    PLACES_HEADER,
)
from recommender_serving.domain import bands
from recommender_serving.domain.bands import Bands
from recommender_serving.domain.features import Features
from recommender_serving.domain.types import RecommendRequest
from recommender_serving.experiments.assignment import (
    Assignment,
    Experiment,
    is_version,
    parse_experiment,
    randomization_unit,
)
from recommender_serving.experiments.parsed_headers import ParsedHeaders

MAX_PLACES = 64
_CALL = re.compile(r"[0-9a-f]{32}")
_PLACES = re.compile(r"[0-9]{1,2}(?:,[0-9]{1,2}){0,63}")


@dataclass(frozen=True, slots=True)
class Trial:
    """The experiment of a call, as this version sees it."""

    experiment: Experiment
    header: str  # as it came, to pass on
    own: str  # the version of this process
    receiver: str  # the version that got the call from the route
    forwarded: bool  # by another version: never forwarded again
    places: tuple[int, ...] = ()  # of the instances in the call of the client; none: all
    call: str | None = None  # the digits of a forwarded one
    features: Features = field(default_factory=dict)  # of this version
    bands: Bands = field(default_factory=dict)  # of the receiver, for numbers that divide users

    def assignment(self, request: RecommendRequest) -> Assignment | None:
        """Return the assignment of a request; None if it is in no experiment."""
        user = randomization_unit(request)
        if user is None:
            return None
        assignment = self.experiment.assignment(user, self.receiver)
        segments = self.experiment.segments_of(request, self.features, self.bands)
        return assignment._replace(segments=segments) if segments else assignment

    def away(self, assignment: Assignment | None) -> str | None:
        """Return the other version that should answer, if this one may ask it."""
        if assignment is None or self.forwarded or assignment.arm == self.own:
            return None
        return None if assignment.arm in self.experiment.withdrawn else assignment.arm


class Trials:
    """Reads the headers of calls to one version; `ignored` counts those that do not parse.

    `features` are those of the version.
    """

    def __init__(
        self,
        model: str,
        version: str,
        ignored: Callable[[], None],
        features: Features | None = None,
    ) -> None:
        self._model = model
        self._version = version
        self._features: Features = features or {}
        self._parsed = ParsedHeaders(lambda text: parse_experiment(text, model), ignored)
        self._bands = ParsedHeaders(bands.parse, ignored)
        self._own: tuple[tuple[str, ...], Bands] = ((), {})

    def trial_of(self, headers: Mapping[str, str]) -> Trial | None:
        """Return the experiment of a call; None outside of experiments."""
        text = headers.get(EXPERIMENT_HEADER)
        if text is None:
            return None
        experiment = self._parsed.parsed(text)
        if experiment is None:
            return None
        by = headers.get(FORWARDED_HEADER)
        receiver = by if by is not None and is_version(by, self._model) else self._version
        places = _places(headers.get(PLACES_HEADER)) if by is not None else ()
        call = headers.get(CALL_HEADER, "") if by is not None else ""
        return Trial(
            experiment,
            text,
            self._version,
            receiver,
            forwarded=by is not None,
            places=places,
            call=call if _CALL.fullmatch(call) else None,
            features=self._features,
            bands=self._bands_of(experiment, headers, forwarded=by is not None),
        )

    def _bands_of(
        self, experiment: Experiment, headers: Mapping[str, str], *, forwarded: bool
    ) -> Bands:
        """Return the bands of the receiver; none if it is of a release that does not say them."""
        if not experiment.segments:
            return {}
        if forwarded:
            text = headers.get(BANDS_HEADER)
            return (self._bands.parsed(text) if text else None) or {}
        if self._own[0] != experiment.segments:
            found = bands.of_features(self._features, experiment.segments)
            self._own = experiment.segments, found
        return self._own[1]


def _places(text: str | None) -> tuple[int, ...]:
    """Return places that another transformer gave; none if it gave none of use."""
    if text is None or not _PLACES.fullmatch(text):
        return ()
    places = tuple(map(int, text.split(",")))
    rising = all(one < other for one, other in itertools.pairwise(places))
    return places if rising and places[-1] < MAX_PLACES else ()
