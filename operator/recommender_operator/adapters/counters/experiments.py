"""What users did in an experiment, from the collector; people see why if it cannot be read."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from typing import NoReturn, Protocol

import aiohttp

from recommender_operator.adapters.pods.http import ExchangeError, exchange
from recommender_operator.observed import ExperimentReading, ModelObject

#: Maximum size of an answer in bytes: 100 phases of 6 arms have about 2 MiB.
LIMIT = 4 * 2**20
TIMEOUT = aiohttp.ClientTimeout(total=5, connect=2)
#: Time for which an answer is used again, also an error, in seconds: looks are more frequent than
#: anything changes, and a slow collector must not delay each of them.
FRESH = 20.0
#: Maximum number of answers that are kept.
KEPT = 1000


class ExperimentReader(Protocol):
    """Reads the moments of an experiment; never raises."""

    async def read(
        self, model: ModelObject, experiment: str, phase: int | None = None
    ) -> ExperimentReading:
        """Return the collector's answer about the experiment with an id, or why there is none.

        `phase`: the one whose details are read too.
        """
        ...


class NoCollector:
    """An `ExperimentReader` without a collector, for a given reason."""

    def __init__(self, reason: str = "the chart has no collector: set collector.enabled") -> None:
        self._reading = ExperimentReading(error=f"its users cannot be read: {reason}")

    async def read(
        self, _model: ModelObject, _experiment: str, _phase: int | None = None
    ) -> ExperimentReading:
        """Return the reason."""
        return self._reading


@dataclasses.dataclass(frozen=True)
class _Kept:
    at: float
    reading: ExperimentReading


class CollectorReader:
    """An `ExperimentReader` of the collector of the release."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        namespace: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`namespace` has the models that the collector knows by their names."""
        self._session = session
        self._url = url.rstrip("/")
        self._namespace = namespace
        self._elsewhere = NoCollector(
            f"the collector knows the models of namespace {namespace}; create this one there"
        )
        self._clock = clock
        self._kept: dict[tuple[str, str, int | None], _Kept] = {}

    @classmethod
    def session(cls) -> aiohttp.ClientSession:
        """Return a client session with the time limits of a request; the caller closes it."""
        return aiohttp.ClientSession(timeout=TIMEOUT)

    async def read(
        self, model: ModelObject, experiment: str, phase: int | None = None
    ) -> ExperimentReading:
        """Return the collector's answer, or one that is at most FRESH seconds old."""
        if model.namespace != self._namespace:
            return await self._elsewhere.read(model, experiment)
        key, now = (model.name, experiment, phase), self._clock()
        kept = self._kept.get(key)
        if kept is not None and now - kept.at < FRESH:
            return kept.reading
        reading = await self._ask(*key)
        self._kept.pop(key, None)
        # At the end, so that the first one is the oldest.
        self._kept[key] = _Kept(self._clock(), reading)
        while len(self._kept) > KEPT:
            self._kept.pop(next(iter(self._kept)))
        return reading

    async def _ask(self, model: str, experiment: str, phase: int | None) -> ExperimentReading:
        details = "" if phase is None else f"?details={phase}"
        address = f"{self._url}/v1/experiments/{model}/{experiment}{details}"
        try:
            answer = await exchange(self._session, "GET", address, limit=LIMIT)
            return ExperimentReading(body=parse(answer))
        except (ExchangeError, ValueError) as error:
            return ExperimentReading(error=f"its users cannot be read: {error}")


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
