"""The client of the collector: counts of what users did, or the error that people see."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, Protocol

import aiohttp

from recommender_operator.adapters.pods.bounded_http import ExchangeError, exchange
from recommender_operator.adapters.pods.parsing import parsed
from recommender_operator.observed import CollectorReading, ModelObject

#: Maximum size of an answer in bytes: 100 phases of 6 arms have about 2 MiB.
LIMIT = 4 * 2**20
TIMEOUT = aiohttp.ClientTimeout(total=5, connect=2)
#: Time for which an answer is used again, also an error, in seconds: passes are more frequent than
#: anything changes, and a slow collector must not delay each of them.
FRESH = 20.0
#: The same for outcomes and erasures, unless it is an error: outcomes decide by days that are
#: over, and erasures take as long.
SETTLED = 300.0
#: Maximum number of answers that are kept.
KEPT = 1000
#: Maximum length of the token of the collector's admin port.
TOKEN_LIMIT = 4096


class UsersReader(Protocol):
    """Reads what users did; never raises."""

    async def read(
        self, model: ModelObject, experiment: str, phase: int | None = None
    ) -> CollectorReading:
        """Return the collector's answer about the experiment with an id, or why there is none.

        `phase`: the one whose details are read too.
        """
        ...

    async def outcomes(self, model: ModelObject, version: str) -> CollectorReading:
        """Return the outcomes of a version's predictions, or why they are unknown."""
        ...

    async def measure(self, model: ModelObject, measure: str) -> CollectorReading:
        """Return the collector's answer about the measure of a holdout, or why there is none."""
        ...


class ErasuresReader(Protocol):
    """Reads how far erasures are; never raises."""

    async def erasures(self, namespace: str, model: str) -> CollectorReading:
        """Return the collector's report on the erasures of a model, or why it is unknown."""
        ...


class NoCollector:
    """A reader without a collector, for a given reason."""

    def __init__(self, reason: str = "the chart has no collector: set collector.enabled") -> None:
        self._reading = CollectorReading(error=f"its users cannot be read: {reason}")

    async def read(
        self, _model: ModelObject, _experiment: str, _phase: int | None = None
    ) -> CollectorReading:
        """Return the reason."""
        return self._reading

    async def outcomes(self, _model: ModelObject, _version: str) -> CollectorReading:
        """Return the reason."""
        return self._reading

    async def measure(self, _model: ModelObject, _measure: str) -> CollectorReading:
        """Return the reason."""
        return self._reading

    async def erasures(self, _namespace: str, _model: str) -> CollectorReading:
        """Return the reason."""
        return self._reading


@dataclasses.dataclass(frozen=True)
class _Kept:
    until: float
    reading: CollectorReading


class CollectorReader:
    """A `UsersReader` of the collector of the release."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        namespace: str,
        clock: Callable[[], float] = time.monotonic,
        token_file: Path | None = None,
    ) -> None:
        """`namespace` has the models that the collector knows by their names.

        The first line of `token_file` is sent as a bearer token. It is read at each request, so a
        rotated Secret needs no restart.
        """
        self._session = session
        self._url = url.rstrip("/")
        self._namespace = namespace
        self._elsewhere = CollectorReading(
            error="its users cannot be read: the collector knows the models of namespace "
            f"{namespace}; create this one there"
        )
        self._clock = clock
        self._token_file = token_file
        self._kept: dict[str, _Kept] = {}

    @classmethod
    def session(cls) -> aiohttp.ClientSession:
        """Return a client session with the time limits of a request; the caller closes it."""
        return aiohttp.ClientSession(timeout=TIMEOUT)

    async def read(
        self, model: ModelObject, experiment: str, phase: int | None = None
    ) -> CollectorReading:
        """Return the collector's answer, or one that is at most FRESH seconds old."""
        details = "" if phase is None else f"?details={phase}"
        return await self._read(
            model.namespace, f"experiments/{model.name}/{experiment}{details}", FRESH
        )

    async def outcomes(self, model: ModelObject, version: str) -> CollectorReading:
        """Return the collector's answer, or one that is at most SETTLED seconds old."""
        return await self._read(model.namespace, f"outcomes/{model.name}/{version}", SETTLED)

    async def measure(self, model: ModelObject, measure: str) -> CollectorReading:
        """Return the collector's answer, or one that is at most FRESH seconds old."""
        return await self._read(
            model.namespace, f"experiments/{model.name}/{measure}?kind=holdout", FRESH
        )

    async def erasures(self, namespace: str, model: str) -> CollectorReading:
        """Return the collector's answer, or one that is at most SETTLED seconds old."""
        return await self._read(namespace, f"erasures/{model}", SETTLED)

    async def _read(self, namespace: str, path: str, fresh: float) -> CollectorReading:
        if namespace != self._namespace:
            return self._elsewhere
        kept, now = self._kept.get(path), self._clock()
        if kept is not None and now < kept.until:
            return kept.reading
        reading = await self._ask(path)
        now = self._clock()
        # An answer may have megabytes, so none stays that is not used any more.
        self._kept = {each: old for each, old in self._kept.items() if now < old.until}
        self._kept.pop(path, None)
        # At the end, so that the first one is the oldest.
        self._kept[path] = _Kept(now + (FRESH if reading.error else fresh), reading)
        while len(self._kept) > KEPT:
            self._kept.pop(next(iter(self._kept)))
        return reading

    async def _ask(self, path: str) -> CollectorReading:
        try:
            address = f"{self._url}/v1/{path}"
            headers = _bearer(self._token_file)
            answer = await exchange(self._session, "GET", address, limit=LIMIT, headers=headers)
            return CollectorReading(body=await parsed(parse, answer))
        except (ExchangeError, ValueError) as error:
            return CollectorReading(error=f"its users cannot be read: {error}")


def _bearer(token_file: Path | None) -> dict[str, str]:
    """Return the header with the token; nothing of it is in an error.

    Raises:
        ValueError: the file has none.
    """
    if token_file is None:
        return {}
    try:
        with token_file.open(encoding="ascii") as file:
            token = file.readline(TOKEN_LIMIT).strip()
    except (OSError, UnicodeDecodeError):
        token = ""
    if not token or not token.isprintable() or " " in token:
        raise ValueError(
            "the file of RECOMMENDER_EXPERIMENTS_TOKEN_FILE has no token: "
            "look at the Secret of collector.adminToken"
        )
    return {"Authorization": f"Bearer {token}"}


def parse(body: bytes) -> dict[str, object]:
    """Return the JSON object of an answer.

    Raises:
        ValueError: it is none; nothing of it is quoted.
    """
    try:
        answer = json.loads(body, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise ValueError(f"the collector returned no JSON at character {error.pos}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the collector returned no JSON: {type(error).__name__}") from None
    if not isinstance(answer, dict):
        raise ValueError("the collector returned no JSON object")
    return answer


def _refuse(_constant: str) -> NoReturn:
    raise ValueError("NaN and infinite numbers are not JSON")
