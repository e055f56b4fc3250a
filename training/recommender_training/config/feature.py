"""One feature that a team declares: its kind, its bounds and what it is used for."""

from __future__ import annotations

import itertools
import math
from typing import Self

from pydantic import model_validator
from pydantic.alias_generators import to_snake

from recommender_contract.features import LISTS, ONLY, RESERVED, Kind
from recommender_contract.resource import feature
from recommender_training.config.calendar import fault


class Feature(feature.Feature):
    """One declared feature, whose settings fit together."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.name in RESERVED:
            raise ValueError(f"the name {self.name} is taken: choose another, and set column")
        for setting, kinds in zip(map(to_snake, ONLY), ONLY.values(), strict=True):
            if getattr(self, setting) is not None and self.kind not in kinds:
                of = " or ".join(kinds)
                raise ValueError(f"{setting} is a setting of {of}, not of {self.kind}: remove it")
        if self.kind is Kind.EMBEDDING and self.length is None:
            raise ValueError("an Embedding needs its length: set length")
        self._bands_are_consistent()
        banded = {"edges": self.edges, "bands": self.bands}
        if problem := fault(self.calendar, self.time_zone, self.unit, banded):
            raise ValueError(problem)
        if self.hash_buckets is not None:
            self._buckets_are_no_groups()
        if self.fairness and self.kind is Kind.EMBEDDING:
            raise ValueError("fairness needs categories or bands, not Embedding: remove it")
        if self.segments and self.kind in LISTS:
            raise ValueError(f"segments needs one category or band, not {self.kind}: remove it")
        if self.cold_start and (self.ages or self.kind in LISTS):
            raise ValueError(
                f"coldStart needs one value that time does not change, not {self.kind}: remove it"
            )
        if self.served_as is not None:
            self._served_value_is_one(self.served_as)
        return self

    def _buckets_are_no_groups(self) -> None:
        if self.max_categories is not None:
            raise ValueError("hashBuckets and maxCategories exclude each other: remove one")
        uses = {"fairness": self.fairness, "segments": self.segments, "coldStart": self.cold_start}
        for name, given in uses.items():
            if given:
                raise ValueError(
                    f"{name} needs categories, and hashBuckets={self.hash_buckets} mixes them in "
                    "buckets: remove one"
                )

    def _bands_are_consistent(self) -> None:
        edges = self.edges or ()
        if any(a >= b for a, b in itertools.pairwise(edges)):
            raise ValueError("edges must increase")
        if edges and self.bands:
            raise ValueError("edges and bands exclude each other: remove one")
        if edges and self.transform:
            raise ValueError("edges and transform exclude each other: remove one")
        if self.lowest >= self.highest:
            raise ValueError("minimum must be below maximum")
        if edges and not self.lowest < edges[0] <= edges[-1] <= self.highest:
            raise ValueError("edges must be above minimum and not above maximum")

    def _served_value_is_one(self, value: str) -> None:
        if self.kind is Kind.TIMESTAMP:
            raise ValueError(f"servedAs={value!r}: no time fits every request: remove it")
        if self.kind in LISTS:
            raise ValueError(f"servedAs={value!r} is one value, not {self.kind}: remove it")
        if self.kind is Kind.BOOLEAN and value not in ("false", "true"):
            raise ValueError(f"servedAs={value!r}: a Boolean is true or false")
        if self.kind is not Kind.NUMERIC:
            return
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or not self.lowest <= number <= self.highest:
            raise ValueError(f"servedAs={value!r}: give a number from minimum to maximum")

    @property
    def lowest(self) -> float:
        """The smallest value; of a Timestamp the smallest age."""
        if self.kind is Kind.TIMESTAMP:
            return 0.0
        return -math.inf if self.minimum is None else self.minimum

    @property
    def highest(self) -> float:
        """The largest value."""
        return math.inf if self.maximum is None else self.maximum
