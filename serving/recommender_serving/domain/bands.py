"""The bands of numbers that divide users and predictions: few, with names: pure."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping

from recommender_contract.bands import name_of, text_of
from recommender_contract.events import MAX_SEGMENTS
from recommender_contract.features import BANDED, Kind
from recommender_serving.domain.features import Feature, Value, days_since

#: Most bands of a feature. The collector keeps ten values of each, one of them for `unknown`.
MOST_BANDS = 9
#: Most characters of a header: of three features with eight edges of 24 characters.
MOST_HEADER = 1024
_NUMBER = r"-?[0-9]{1,17}(?:\.[0-9]{1,21})?(?:e[+-]?[0-9]{1,3})?"
_OF_FEATURE = re.compile(
    rf"([a-z][a-z0-9_]{{0,39}})=({_NUMBER}(?:,{_NUMBER}){{0,{MOST_BANDS - 2}}})"
)
#: The inner ends of bands, by feature; a time has them for its age in days.
Bands = Mapping[str, tuple[float, ...]]
#: What separates features in the header.
_BETWEEN = ";"


def edges_of(feature: Feature) -> tuple[float, ...]:
    """Return the inner ends of at most MOST_BANDS bands; none of a feature without any.

    Of many bands, as many neighbours are one as are needed, so bands with equal shares of the
    users stay nearly equal.
    """
    if feature.kind not in BANDED:
        return ()
    joined = -(-(len(feature.edges) + 1) // MOST_BANDS)
    return feature.edges[joined - 1 :: joined]


def of_features(features: Mapping[str, Feature], names: Iterable[str]) -> Bands:
    """Return the bands of those features among `names` that have some."""
    found = {name: edges_of(features[name]) for name in names if name in features}
    return {name: edges for name, edges in found.items() if edges}


def value_of(
    feature: Feature | None, value: Value | None, edges: tuple[float, ...], now: int
) -> str | None:
    """Return the band of the value of a request at the time `now`; None if it is in none.

    `edges` may be those of another version, which may read the age of a time whose calendar this
    one reads.
    """
    if feature is None or value is None or feature.kind not in BANDED or not edges:
        return None
    if not isinstance(value, int | float):
        return None
    number = days_since(value, now) if feature.kind is Kind.TIMESTAMP else float(value)
    return name_of(number, edges) if math.isfinite(number) else None


def header_of(bands: Bands) -> str:
    """Return the bands as a header; empty without any, or if they are too long."""
    texts = [f"{name}={','.join(map(text_of, edges))}" for name, edges in bands.items()]
    text = _BETWEEN.join(texts[:MAX_SEGMENTS])
    return text if len(text) <= MOST_HEADER else ""


def parse(text: str) -> Bands:
    """Read such a header.

    Raises:
        ValueError: it is none.
    """
    parts = text.split(_BETWEEN) if 0 < len(text) <= MOST_HEADER else []
    found = list(map(_OF_FEATURE.fullmatch, parts))
    if not 0 < len(found) <= MAX_SEGMENTS or None in found:
        raise ValueError(f"it is not <feature>=<edge>[,<edge>...][;...]: {text[:100]!r}")
    bands = {each[1]: tuple(map(float, each[2].split(","))) for each in found if each is not None}
    for name, edges in bands.items():
        rising = all(low < high for low, high in itertools.pairwise(edges))
        if not rising or not all(map(math.isfinite, edges)):
            raise ValueError(f"the edges of {name} do not increase")
    return bands
