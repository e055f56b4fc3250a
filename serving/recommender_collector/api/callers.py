"""Who sends events: API keys, each of a model and a source, in a folder of a mounted Secret."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from recommender_collector.api.request_bodies import Refused
from recommender_collector.domain.checks import is_source
from recommender_collector.domain.events import Id
from recommender_collector.domain.store_updates import number
from recommender_collector.domain.validation import Proof, Rules
from recommender_contract.signed_ids import verified
from recommender_runtime.key_file import FRESH_SECONDS, KeyFile, read_keys

logger = logging.getLogger(__name__)
#: Entries of the Secret that are read.
MOST = 100
#: The source of the transformers, whose key is of all models.
SERVING = "serving"


@dataclasses.dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request, and what it may send."""

    models: Mapping[str, Rules]
    source: str | None = None


class Callers:
    """Knows callers by digests of their keys.

    An entry `MODEL.SOURCE` has the keys of a source, one a line. It is revoked by its removal,
    within seconds. Keys are required if there is a folder for them.
    """

    def __init__(
        self,
        models: Mapping[str, Rules],
        folder: Path | None = None,
        serving: KeyFile | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._anybody = Caller(models)
        self._folder = folder
        self._serving = serving
        self._clock = clock
        self._until = float("-inf")
        self._known: dict[bytes, Caller] = {}
        self._problems: frozenset[str] = frozenset()

    def caller(self, authorization: bytes | None) -> Caller:
        """Return the caller with this header.

        Raises:
            Refused: the key is unknown, or there is none and one is required.
        """
        if authorization is None:
            if self._folder is None:
                return self._anybody
            raise Refused(401, "give the key of a source: Authorization: Bearer <key>")
        scheme, _, key = authorization.partition(b" ")
        now = self._clock()
        if now >= self._until:
            self._until = now + FRESH_SECONDS
            self._known = self._read()
        caller = self._known.get(_digest(key.strip()))
        if caller is None or scheme.lower() != b"bearer":
            if self._folder is None:  # the header may be for a proxy
                return self._anybody
            raise Refused(401, "the key is not known (any more): ask who runs the collector")
        return caller

    def _read(self) -> dict[bytes, Caller]:
        known: dict[bytes, Caller] = {}
        if self._serving is not None:
            every = {
                name: dataclasses.replace(rules, source=SERVING)
                for name, rules in self._anybody.models.items()
            }
            found = self._serving.keys()
            known |= {_digest(key): Caller(every, SERVING) for key in found}
        problems: set[str] = set()
        for path in self._entries(problems):
            model, _, source = path.name.rpartition(".")
            rules = self._anybody.models.get(model)
            keys, problem = read_keys(path)
            if rules is None or not is_source(source) or source == SERVING:
                problem = "is not MODEL.SOURCE of a declared model and a source of its own"
            if problem or rules is None:
                problems.add(f"the API key {path.name} {problem}: it is not used")
                continue
            caller = Caller({model: dataclasses.replace(rules, source=source)}, source)
            known |= {_digest(key): caller for key in keys}
        for problem in problems - self._problems:
            logger.warning("%s", problem)
        self._problems = frozenset(problems)
        return known

    def _entries(self, problems: set[str]) -> list[Path]:
        """Return the entries of the Secret; the kubelet keeps other files with two dots."""
        if self._folder is None:
            return []
        try:
            found = sorted(p for p in self._folder.iterdir() if not p.name.startswith("."))
        except OSError as error:
            problems.add(f"the API keys cannot be read: {error.strerror}")
            return []
        if len(found) > MOST:
            problems.add(f"there are more than {MOST} API keys: the others are not used")
        return found[:MOST]


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def with_proofs(
    models: Mapping[str, Rules], file: KeyFile, count: Callable[[str, bool], None]
) -> dict[str, Rules]:
    """Return the rules that verify request ids; `count` gets the model and the result of each."""
    return {
        name: dataclasses.replace(rules, proof=proof_of(name, file, count))
        for name, rules in models.items()
    }


def proof_of(model: str, file: KeyFile, count: Callable[[str, bool], None]) -> Proof:
    """Return a function that verifies the request ids of a model."""

    def proof(request: str, user: Id) -> tuple[str, bool | None]:
        keys = file.keys()
        if not keys:
            return request, None
        id_ = verified(request, model, number(user), keys)
        count(model, id_ is not None)
        return (request, False) if id_ is None else (id_, True)

    return proof
