"""Choose pages of items (`models.item_pages`) for a large catalogue, or an exact scan.

Half of the sampled requests arrange the pages and say how many are read; the other half measures
which share of the exact candidates is then found (`paged`). Both happen with what was known when
the test window began, so that its events have no part in which pages an evaluation reads. What the
graph finds with these pages, with all that it knows, is measured once more (`served`). An index
that finds too few never serves: the scan is exact then, and the report has the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
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
#: The same with the newer counts of the export: pages are chosen for just enough, and would
#: otherwise be refused for the least change of these.
LEAST_SERVED = 0.97
#: Shares that pages are read for, in turn, until the other requests find enough too.
AIMS = (0.985, 0.99, 0.995, 0.999)
#: Reading more of the pages takes as long as all of them, in the order in which they lie.
MOST_READ = 0.25
#: Requests that are sampled, and at least.
SAMPLED, LEAST_SAMPLED = 400, 40


@dataclass(frozen=True)
class Sample:
    """What the first stage is made of at a time."""

    vectors: Floats  # [I, D] of the items
    standing: Floats  # [I]
    #: [K, Q, D] the requests in each of their forms, as they were and without a session: pages
    #: have to find enough for each form alone.
    requests: Floats

    @property
    def own(self) -> Floats:
        """[K, Q, D] the requests that pages are made from."""
        return self.requests[:, ::2]

    @property
    def others(self) -> Floats:
        """[K, Q, D] the requests that measure them."""
        return self.requests[:, 1::2]

    def ranks(self, pages: ItemPages, requests: Floats, count: int) -> list[Ints]:
        """[Q, C] of each form, `item_pages.ranks`."""
        return [
            item_pages.ranks(pages, self.vectors, self.standing, each, count) for each in requests
        ]


def paged(sources: RetrievalModels, sample: Sample, seed: int) -> RetrievalModels:
    """The sources with pages, or without where these are not wanted or find too little."""
    sampled = sample.requests.shape[1]
    if sampled < LEAST_SAMPLED:
        return refused(sources, f"{sampled} requests are too few to measure it")
    say(f"train: pages of {len(sample.vectors)} items, measured with {sampled // 2} requests")
    half = np.concatenate(sample.own)
    pages = item_pages.arrange(sample.vectors, sample.standing, half, seed)
    count = _candidates(sources, sample)
    own, others = (sample.ranks(pages, each, count) for each in (sample.own, sample.others))
    least = min(pages.count, -(-count // item_pages.PAGE))
    for aim in AIMS:
        read = max(least, *(item_pages.pages_for(each, aim) for each in own))
        recall = _least_recall(others, read)
        if read > MOST_READ * pages.count:
            break
        if recall >= LEAST_RECALL:
            return _accepted(sources, replace(pages, read=read), recall, sampled // 2)
    return refused(
        sources,
        f"{recall:.1%} of the candidates are found by reading {read / pages.count:.1%} of the "
        f"pages; {LEAST_RECALL:.0%} by reading {MOST_READ:.0%} are wanted",
    )


def served(sources: RetrievalModels, sample: Sample) -> RetrievalModels:
    """The sources with what their pages find in a `sample` of what the graph knows.

    Without pages where this is too little. Neither the pages nor their number change.
    """
    pages = sources.pages
    if pages is None:
        return sources
    found = sample.ranks(pages, sample.others, _candidates(sources, sample))
    recall = _least_recall(found, pages.read)
    if recall < LEAST_SERVED:
        reason = f"{recall:.1%} of the candidates are found at the export; {LEAST_SERVED:.0%}"
        return refused(replace(sources, pages=None), f"{reason} are wanted")
    return _accepted(sources, pages, recall, sample.others.shape[1])


def _candidates(sources: RetrievalModels, sample: Sample) -> int:
    return sources.plan.candidates or len(sample.vectors)


def _least_recall(ranks: Sequence[Ints], read: int) -> float:
    """The least share that is found of the candidates of one form of the requests."""
    return min(item_pages.recall_of(each, read) for each in ranks)


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


def refused(sources: RetrievalModels, reason: str) -> RetrievalModels:
    """The sources without an index, and why."""
    say(f"train: an exact scan of the items: {reason}")
    return replace(sources, index={"index": ItemIndex.EXACT.value, "indexRefused": reason})


def unfit(sources: RetrievalModels) -> str | None:
    """Why no pages are tried although the settings want them, if so."""
    if sources.plan.index_refused is not None:
        return sources.plan.index_refused
    if sources.plan.index is ItemIndex.APPROXIMATE and sources.towers is None:
        return "an index finds candidates by the towers, and there are none"
    return None


def wanted(sources: RetrievalModels) -> bool:
    """Whether pages are to be tried: an index finds candidates by the towers."""
    found = sources.plan.index is ItemIndex.APPROXIMATE
    return found and sources.towers is not None and sources.plan.candidates is not None


def drawn(count: int, seed: int) -> Ints:
    """Places of the sampled ones of so many requests, ascending."""
    if count <= SAMPLED:
        return np.arange(count, dtype=np.int64)
    return np.sort(np.random.default_rng(seed).choice(count, SAMPLED, replace=False))
