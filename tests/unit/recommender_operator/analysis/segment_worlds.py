"""Users on devices and of ages, and what the collector tells of them by segment."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tests.unit.recommender_operator.analysis.label_worlds import Shop

#: Sums that add up over the users of all devices.
_SUMMED = ("sums", "products")


@dataclasses.dataclass(frozen=True)
class Devices:
    """The users of each device are a shop of their own."""

    shops: Mapping[str, Shop]

    def week(self, rng: np.random.Generator, weekend: float = 1.0) -> list[dict[str, Any]]:
        """Return seven days of the collector's answer, with segments; `weekend` as of `Shop`."""
        weeks = {device: shop.week(rng, weekend) for device, shop in self.shops.items()}
        return [_day({device: week[n] for device, week in weeks.items()}) for n in range(7)]

    def daily(self, rng: np.random.Generator) -> list[dict[str, Any]]:
        """Return a week in which the same users come every day and do the same."""
        return [_day({device: shop.day(rng)[0] for device, shop in self.shops.items()})] * 7


@dataclasses.dataclass(frozen=True)
class Crossed:
    """Users who are in a segment of several features at once, as a shop for each combination."""

    features: Mapping[str, Sequence[str]]
    shop: Shop

    def daily(self, rng: np.random.Generator) -> list[dict[str, Any]]:
        """Return a week in which the same users come every day and do the same."""
        values = itertools.product(*self.features.values())
        cells = [(each, self.shop.day(rng)[0]) for each in values]
        segments = [
            _segment(feature, value, [part for of, part in cells if of[place] == value])
            for place, (feature, named) in enumerate(self.features.items())
            for value in named
        ]
        return [_summed([part for _, part in cells]) | {"segments": segments}] * 7


def _segment(feature: str, value: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    found = _summed(parts)
    del found["bins"]
    return {"feature": feature, "value": value, **found}


def _summed(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "users": sum(part["users"] for part in parts),
        **{name: _added([part[name] for part in parts]) for name in _SUMMED},
        "bins": [_added([part["bins"][n] for part in parts]) for n in range(10)],
    }


def _day(by_device: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    parts = list(by_device.values())
    return {
        **_summed(parts),
        "segments": [
            {
                "feature": "device", "value": None if device == "others" else device,
                "users": part["users"], **{name: part[name] for name in _SUMMED},
            }
            for device, part in by_device.items()
        ],
    }  # fmt: skip


def _added(parts: list[dict[str, float]]) -> dict[str, float]:
    return {name: sum(part[name] for part in parts) for name in parts[0]}
