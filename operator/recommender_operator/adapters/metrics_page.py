"""The product's counters on a metrics page, in time proportional to the page.

The library's parser looks at each character of each line in Python. It parses what a series is
called once, and the answer is remembered: without model and version, all pods have the same few
hundred series at every look, and only the values differ. Lines of others are not parsed at all.
"""

from __future__ import annotations

import functools
import math
import re

from prometheus_client.parser import text_string_to_metric_families

from recommender_operator.analysis.series import PREFIX, canonical
from recommender_operator.analysis.window import CREATED
from recommender_operator.observed import PodCounters

#: Bytes of a page. The largest that the contract allows, with a thousand genders, occupations and
#: genres each, takes 1.7 MB; a usual one 50 kB.
PAGE_LIMIT = 2 * 2**20
#: The product's series of a page; the largest that the contract allows has about 6,100.
SERIES_LIMIT = 8_192
#: Characters of a line of the product's. The longest of the contract has about 200.
LINE_LIMIT = 512
#: Names of series that are remembered.
REMEMBERED_SERIES = 16_384
_NO_METRICS = "is not in the text format of metrics"
#: The labels that every series has. A quote inside of a value is escaped, so that this matches no
#: part of one.
_WHOSE = re.compile(r'(?<=[{,])(?:model|version)="[^"\\,{}]*+",?')


def parse_page(page: str, only: tuple[str, ...] = ()) -> PodCounters:
    """Return the product's counters on a metrics page, by canonical series.

    With `only`, lines that begin with none of these names are not looked at.

    Raises:
        ValueError: a line of the product's is not in the text format; there is none of them, or
            too many; a value is not finite, or there are two values for one series. The text
            quotes nothing of the page: whoever runs the pod wrote it.
    """
    counters: dict[str, float] = {}
    for number, line in enumerate(page.split("\n"), 1):
        if not line.startswith(only or PREFIX):
            continue
        try:
            series, value = _split(line)
            key = _key(_WHOSE.sub("", series))
        except ValueError as error:
            raise ValueError(f"line {number} of the page {error}") from None
        if key is None:
            continue
        if not math.isfinite(value):
            raise ValueError(f"line {number} of the page has the value {value}")
        if key in counters:
            raise ValueError(
                f"line {number} of the page has a series that is there twice: the pod serves more "
                "than one version"
            )
        if len(counters) >= SERIES_LIMIT:
            raise ValueError(f"the page has more than {SERIES_LIMIT} series {PREFIX}*")
        counters[key] = value
    if not counters:
        raise ValueError(f"the page has no series {PREFIX}*")
    return counters


def _split(line: str) -> tuple[str, float]:
    """Return the series of a line, as written, and its value; a timestamp is left out."""
    if len(line) > LINE_LIMIT:
        raise ValueError(f"has more than {LINE_LIMIT} characters")
    end = line.rfind("}") + 1
    if end == 0:
        end = len(line.split(maxsplit=1)[0])
    rest = line[end:].split()
    # Python takes 1_000 for a number; the format does not.
    if not 1 <= len(rest) <= 2 or "_" in rest[0]:
        raise ValueError(_NO_METRICS)
    try:
        return line[:end], float(rest[0])
    except ValueError as error:
        raise ValueError(_NO_METRICS) from error


@functools.lru_cache(maxsize=REMEMBERED_SERIES)
def _key(series: str) -> str | None:
    """Return the canonical text of a series as written; None for one that counts nothing.

    The library's parser raises IndexError, KeyError and others on text that is cut or no metrics
    page at all; to a reader these are one thing.
    """
    try:
        ((sample,),) = (family.samples for family in text_string_to_metric_families(f"{series} 0"))
        if (sample.value, sample.timestamp) != (0, None):
            raise ValueError("text after the labels")
        if sample.name.endswith("_created") and sample.name != CREATED:
            return None
        return canonical(sample.name, sample.labels)
    except Exception as error:
        raise ValueError(_NO_METRICS) from error
