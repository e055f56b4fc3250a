"""The product's counters on a metrics page, in time proportional to the size of the page.

The library's parser reads each character in Python, so it parses only names and labels of the
product's series, and the results are cached: without model and version, all pods have the same few
hundred series, and only the values differ.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families

from recommender_contract.metrics import CREATED
from recommender_operator.analysis.series_text import PREFIX, canonical
from recommender_operator.observed import PodCounters

#: Maximum size of a page in bytes. The largest allowed one, with 2,800 bins of features under the
#: longest names, has 1.9 MB; a usual one 50 kB.
PAGE_LIMIT = 2 * 2**20
#: Maximum number of the product's series on a page; the largest allowed page has about 5,800.
SERIES_LIMIT = 8_192
#: Maximum length of a line of the product, in characters; the longest allowed one has about 240.
LINE_LIMIT = 512
#: Maximum number of cached series.
REMEMBERED_SERIES = 16_384
_START = f"\n{PREFIX}"
_NO_METRICS = "is not in the Prometheus text format"
#: The labels of every series. A quote inside a value is escaped, so this never matches a part of
#: a value.
_WHOSE = re.compile(r'(?<=[{,])(?:model|version)="[^"\\,{}]*+",?')


def parse_page(page: str, only: tuple[str, ...] = ()) -> PodCounters:
    """Return the product's counters on a metrics page, by canonical series.

    With `only`, lines with other names are skipped; they are names of the product.

    Raises:
        ValueError: a line of the product is not in the text format; there are no series, or too
            many; a value is not finite, or a series has two values. The message quotes nothing of
            the page, which the pod's owner controls.
    """
    counters: dict[str, float] = {}
    for at, line in product_lines(page):
        if only and not line.startswith(only):
            continue
        try:
            _count(counters, line)
        except ValueError as error:
            number = page.count("\n", 0, at) + 1
            raise ValueError(f"line {number} of the page {error}") from None
        if len(counters) > SERIES_LIMIT:
            raise ValueError(f"the page has more than {SERIES_LIMIT} series {PREFIX}*")
    if not counters:
        raise ValueError(f"the page has no series {PREFIX}*")
    return counters


def product_lines(page: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that begin with the product's prefix, and where each begins.

    The other lines are searched by the C library and never exist as texts: two million empty ones
    would take more memory than the page.
    """
    at = 0 if page.startswith(PREFIX) else page.find(_START) + 1
    is_found = page.startswith(PREFIX, at)
    while is_found:
        end = page.find("\n", at)
        end = len(page) if end < 0 else end
        yield at, page[at:end]
        at = page.find(_START, end) + 1
        is_found = at > 0


def _count(counters: dict[str, float], line: str) -> None:
    """Add the counter of a line.

    Raises:
        ValueError: the line is invalid; the message continues `line N of the page`.
    """
    series, value = _split(line)
    key = _key(_WHOSE.sub("", series))
    if key is None:
        return
    if not math.isfinite(value):
        raise ValueError(f"has the value {value}")
    if key in counters:
        raise ValueError("repeats a series: the pod serves more than one version")
    counters[key] = value


def _split(line: str) -> tuple[str, float]:
    """Return series and value of a line, as written, without its timestamp."""
    if len(line) > LINE_LIMIT:
        raise ValueError(f"has more than {LINE_LIMIT} characters")
    end = line.rfind("}") + 1
    if end == 0:
        end = len(line.split(maxsplit=1)[0])
    rest = line[end:].split()
    # Python accepts 1_000 as a number; the format does not.
    if not 1 <= len(rest) <= 2 or "_" in rest[0]:
        raise ValueError(_NO_METRICS)
    try:
        return line[:end], float(rest[0])
    except ValueError as error:
        raise ValueError(_NO_METRICS) from error


@functools.lru_cache(maxsize=REMEMBERED_SERIES)
def _key(series: str) -> str | None:
    """Return the canonical text of a series; None if it is not a counter of the product.

    The library's parser raises various errors for invalid text, such as IndexError and KeyError.
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
