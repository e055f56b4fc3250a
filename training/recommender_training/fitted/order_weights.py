"""What each source counts in the order of a list, beside the response, which counts 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from recommender_training.config.lists import ListPlan

#: What a fit starts from, and what serves where it finds nothing better: chosen by rolling origin
#: on MovieLens 100K (ADR 0008, ADR 0013). Without item-to-item weights popularity counts more.
ITEMS, LIFT, POPULARITY, POPULARITY_ALONE, REPEATS = 20.0, 4.0, 1.0, 4.0, 1.0
#: What all of it counts where the labelled rows are items that were shown: enough to choose
#: candidates. The response is then the chance of a click if an item is shown, which is what a list
#: wants; what users did together tells what earlier models showed (ADR 0064).
SHOWN_ITEMS = 0.01
#: Sources that count only where lists gain by them; those of a group are tried together.
TRENDS, TRANSITIONS = ("trend",), ("next", "pair")


@dataclass(frozen=True)
class OrderWeights:
    """The weight of each source."""

    #: Score of the item-to-item weights.
    items: float = ITEMS
    #: Lift of the towers.
    lift: float = LIFT
    #: Log popularity.
    popularity: float = POPULARITY
    #: How likely an item of the session comes again (`models.repeats`), where it may.
    repeats: float = REPEATS
    #: What came after the newest event, and after the newest two (`models.next_items`).
    next: float = 0.0
    pair: float = 0.0
    #: How much more popular an item is of late than in the data (`models.trends`).
    trend: float = 0.0
    #: Times the sum of the sources it is the log of an item's chance, but for a constant.
    sharpness: float = 1.0
    #: The largest weight relative to its start: tolerances grow with it.
    size: float = 1.0

    @classmethod
    def start(cls, plan: ListPlan, *, shown: bool = False) -> OrderWeights:
        """Those that a fit starts from, for labels of `shown` items or others."""
        alone = plan.weights is None
        return cls(popularity=POPULARITY_ALONE if alone else POPULARITY).scaled(
            SHOWN_ITEMS if shown else 1.0
        )

    def scaled(self, by: float) -> OrderWeights:
        """All of them, multiplied."""
        return self.times(dict.fromkeys(self.facts, by))

    def with_sources(self, *groups: Sequence[str]) -> OrderWeights:
        """The same, for a fit that may have these sources, too."""
        return replace(self, **{name: 1.0 for group in groups for name in group})

    def times(self, factors: Mapping[str, float]) -> OrderWeights:
        """Each multiplied by its factor; 1 where it has none."""
        found = {name: value * factors.get(name, 1.0) for name, value in self.facts.items()}
        size = self.size * max(factors.values(), default=1.0)
        return replace(self, **found, size=size)

    @property
    def facts(self) -> dict[str, float]:
        """By name, for a report."""
        own = ("sharpness", "size")
        return {name: value for name, value in asdict(self).items() if name not in own}

    @classmethod
    def read(cls, report: Mapping[str, float]) -> OrderWeights:
        """From a report; those of earlier releases lack the newer sources."""
        return cls(**{name: float(report.get(name, known)) for name, known in cls().facts.items()})
