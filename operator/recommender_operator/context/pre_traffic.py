"""When a candidate without users is asked: for answers to copies, or for lists to mix."""

from __future__ import annotations

import dataclasses
from typing import Protocol

from recommender_operator.api.spec import RecommenderModelSpec
from recommender_operator.observed import PLAIN, Routing, ServiceState, VersionObject
from recommender_operator.resources import interleaving_headers


class Seen(Protocol):
    """The parts of a model, its versions and their services that are read."""

    @property
    def spec(self) -> RecommenderModelSpec: ...

    @property
    def held(self) -> bool: ...

    @property
    def candidate(self) -> VersionObject | None: ...

    @property
    def champion(self) -> VersionObject | None: ...

    @property
    def standby(self) -> VersionObject | None: ...

    def service(self, version: str) -> ServiceState | None: ...

    def is_ready(self, version: str) -> bool: ...


def routing_of(seen: Seen, found: Routing) -> Routing:
    """Return the routing before the first step, as the services allow it.

    A service of an earlier release would count copies and its lists as requests of users, and a
    champion of one mixes nothing. What holds a rollout holds the start of a phase, but does not
    interrupt it. Lists are not mixed with those of a standby, which is not compared.

    Once lists are mixed, the header stays. Without it, lists would not be reported as those of
    nobody, and clicks on their items would count for the version that gave these items before,
    which is mostly the champion.
    """
    candidate = seen.candidate
    mixed = candidate.status.interleaving if candidate is not None else None
    is_current = answers_lists(seen)
    if found.interleaving and mixed is not None and mixed.runs:
        if is_current and seen.standby is None:
            return found
        return dataclasses.replace(
            found, interleaving=interleaving_headers.alone(found.interleaving)
        )
    if not is_current:
        return PLAIN
    if found.shadow and candidate is not None and candidate.status.steps:
        return found
    if found.interleaving and not _is_current(seen, seen.champion):
        return PLAIN
    waits = seen.spec.paused or seen.held or seen.standby is not None
    return PLAIN if waits else found


def answers_lists(seen: Seen) -> bool:
    """Return whether the candidate is ready, and reports its lists as those that nobody sees."""
    return _is_ready(seen, seen.candidate) and _is_current(seen, seen.candidate)


def awaited(seen: Seen) -> str:
    """Return the version without whose service no lists can be mixed; empty if it is there."""
    candidate, champion = seen.candidate, seen.champion
    if candidate is not None and not answers_lists(seen):
        return candidate.name
    return champion.name if champion is not None and not _is_current(seen, champion) else ""


def standby_tells_nothing(seen: Seen) -> bool:
    """Return whether a standby answers that may not report its lists as those of nobody.

    A rollout does not deploy it again, so it may have the settings of an earlier release.
    """
    return seen.standby is not None and not _is_current(seen, seen.standby)


def _is_ready(seen: Seen, version: VersionObject | None) -> bool:
    return version is not None and seen.is_ready(version.name)


def _is_current(seen: Seen, version: VersionObject | None) -> bool:
    service = seen.service(version.name) if version is not None else None
    return service is not None and not service.outdated
