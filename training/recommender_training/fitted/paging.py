"""Choose pages of items (`models.item_pages`) for a large catalogue, or an exact scan.

Half of the sampled requests arrange the pages and say how many are read; the other half measures
which share of the exact candidates is then found. An index that finds too few never serves: the
scan is exact then, and the report has the reason.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from recommender_training.common.arrays import Floats, Ints
from recommender_training.common.progress import say
from recommender_training.config.lists import ItemIndex
from recommender_training.fitted.retrieval import RetrievalModels
from recommender_training.models import item_pages
from recommender_training.models.item_pages import ItemPages

#: The least share of the exact candidates that an index finds.
LEAST_RECALL = 0.98
#: Shares that pages are read for, in turn, until the other requests find enough too.
AIMS = (0.985, 0.99, 0.995, 0.999)
#: Reading more of the pages takes as long as all of them, in the order in which they lie.
MOST_READ = 0.25
#: Requests that are sampled, and at least.
SAMPLED, LEAST_SAMPLED = 400, 40


@dataclass(frozen=True)
class Sample:
    """What the first stage is made of: vectors of items [I, D], standing [I], requests [Q, D]."""

    vectors: Floats
    standing: Floats
    requests: Floats


def paged(sources: RetrievalModels, sample: Sample, seed: int) -> RetrievalModels:
    """The sources with pages, or without where these are not wanted or find too little."""
    if len(sample.requests) < LEAST_SAMPLED:
        return _refused(sources, f"{len(sample.requests)} requests are too few to measure it")
    half = sample.requests[::2]
    say(f"train: pages of {len(sample.vectors)} items, measured with {len(half)} requests")
    pages = item_pages.arrange(sample.vectors, sample.standing, half, seed)
    count = sources.plan.candidates or len(sample.vectors)
    own, others = (
        item_pages.ranks(pages, sample.vectors, sample.standing, each, count)
        for each in (half, sample.requests[1::2])
    )
    least = min(pages.count, -(-count // item_pages.PAGE))
    for aim in AIMS:
        read = max(least, item_pages.pages_for(own, aim))
        recall = item_pages.recall_of(others, read)
        if read > MOST_READ * pages.count:
            break
        if recall >= LEAST_RECALL:
            return _accepted(sources, replace(pages, read=read), recall, len(others))
    return _refused(
        sources,
        f"{recall:.1%} of the candidates are found by reading {read / pages.count:.1%} of the "
        f"pages; {LEAST_RECALL:.0%} by reading {MOST_READ:.0%} are wanted",
    )


def _accepted(
    sources: RetrievalModels, pages: ItemPages, recall: float, measured: int
) -> RetrievalModels:
    facts: dict[str, object] = {
        "index": ItemIndex.APPROXIMATE.value,
        "pages": pages.count,
        "pagesRead": pages.read,
        "candidateRecall": round(recall, 4),
        "recallRequests": measured,
    }
    say(f"train: an approximate index finds {recall:.1%} of the candidates, with {pages.read} of "
        f"{pages.count} pages")  # fmt: skip
    return replace(sources, pages=pages, index=facts)


def _refused(sources: RetrievalModels, reason: str) -> RetrievalModels:
    say(f"train: an exact scan of the items: {reason}")
    return replace(sources, index={"index": ItemIndex.EXACT.value, "indexRefused": reason})


def wanted(sources: RetrievalModels) -> bool:
    """Whether pages are to be tried: an index finds candidates by the towers."""
    found = sources.plan.index is ItemIndex.APPROXIMATE
    return found and sources.towers is not None and sources.plan.candidates is not None


def drawn(count: int, seed: int) -> Ints:
    """Places of the sampled ones of so many requests, ascending."""
    if count <= SAMPLED:
        return np.arange(count, dtype=np.int64)
    return np.sort(np.random.default_rng(seed).choice(count, SAMPLED, replace=False))
