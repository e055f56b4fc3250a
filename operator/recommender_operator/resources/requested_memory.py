"""Memory that deployed versions request: from the stored objects, which may be of another spec."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from recommender_operator.api.quantities import number
from recommender_operator.resources.labels import Component, Manifest


def of_service(service: Manifest) -> int:
    """Return the bytes that an InferenceService requests with its minimum numbers of pods."""
    total = Decimal(0)
    for component in Component:
        pods = service.get("spec", {}).get(component) or {}
        model = [pods["model"]] if "model" in pods else []
        asked = requested([*model, *(pods.get("containers") or ())])
        total += asked * int(pods.get("minReplicas", 1))
    return int(total)


def requested(containers: Sequence[Manifest]) -> Decimal:
    """Return the bytes of memory that containers request."""
    values: Iterable[Any] = (
        ((each.get("resources") or {}).get("requests") or {}).get("memory", 0)
        for each in containers
    )
    return sum((_bytes(value) for value in values), Decimal(0))


def _bytes(value: Any) -> Decimal:
    """Return a stored request as a number of bytes; 0 if another program wrote its form."""
    try:
        return number(str(value))
    except ValueError:
        return Decimal(0)
