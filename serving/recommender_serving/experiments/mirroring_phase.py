"""Headers of a call in a phase of traffic mirroring: pure, but for the draw."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from recommender_contract.headers import COPY_HEADER, FORWARDED_HEADER, SHADOW_HEADER, SHARES
from recommender_serving.experiments.assignment import is_version
from recommender_serving.experiments.parsed_headers import ParsedHeaders

_HEADER = re.compile(r"([a-z0-9-]{1,80}):([0-9]{1,5})")


class MirroringPhase(NamedTuple):
    """A candidate that gets copies of a share of the requests."""

    version: str
    share: int  # of 10,000


def parse_mirroring_phase(text: str, model: str) -> MirroringPhase:
    """Read the header of a route of the model.

    Raises:
        ValueError: it is not as docs/contracts.md says; the message says why.
    """
    found = _HEADER.fullmatch(text)
    if found is None or not is_version(found[1], model):
        raise ValueError(f"{text[:100]!r} is not <version of {model}>:<share>")
    shadow = MirroringPhase(found[1], int(found[2]))
    if not 1 <= shadow.share <= SHARES:
        raise ValueError(f"{text[:100]!r}: give a share from 1 to {SHARES}")
    return shadow


class MirroringHeaders:
    """Reads the headers of calls to one version; `ignored` counts those that do not parse.

    `draw` returns a random number below the given one. No id of a request decides, because its
    client chooses it.
    """

    def __init__(
        self,
        model: str,
        version: str,
        ignored: Callable[[], None],
        draw: Callable[[int], int],
    ) -> None:
        self._model = model
        self._version = version
        self._draw = draw
        self._parsed = ParsedHeaders(lambda text: parse_mirroring_phase(text, model), ignored)

    def is_copy(self, headers: Mapping[str, str]) -> bool:
        """Return whether a call is a copy, whose answer nobody sees."""
        by = headers.get(COPY_HEADER)
        return by is not None and is_version(by, self._model)

    def drawn(self, headers: Mapping[str, str]) -> str | None:
        """Return the candidate that gets a copy of a call; None for most calls.

        A copy and a forwarded request are never copied, so there is no loop.
        """
        text = headers.get(SHADOW_HEADER)
        if text is None or FORWARDED_HEADER in headers or COPY_HEADER in headers:
            return None
        shadow = self._parsed.parsed(text)
        if shadow is None or shadow.version == self._version:
            return None
        return shadow.version if self._draw(SHARES) < shadow.share else None
