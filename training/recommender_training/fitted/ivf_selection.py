"""Choose the cells of an IVF index (`models.ivf_index`) for a large catalogue, or an exact scan.

Half of the sampled requests arrange the cells and say how many are read; the other half measures
which share of the exact candidates is then found (`select_index`). Both happen with what was known
when the test window began, so that its events have no part in which cells an evaluation reads.
What the graph finds with these cells, with all that it knows, is measured once more
(`verify_index`). An index that finds too few never serves: the scan is exact then, and the report
has the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recommender_contract.resource.hyperparameters import ItemIndex
from recommender_training.common.arrays import Floats, Ints
from recommender_training.common.progress import say
from recommender_training.fitted.retrieval import RetrievalModels
from recommender_training.models import ivf_index
from recommender_training.models.ivf_index import IvfIndex

#: The least share of the exact candidates that an index finds.
LEAST_RECALL = 0.98
#: The same with the newer counts of the export: cells are chosen for just enough, and would
#: otherwise be refused for the least change of these.
LEAST_RECALL_AT_EXPORT = 0.97
#: Shares that cells are read for, in turn, until the other requests find enough too.
AIMS = (0.985, 0.99, 0.995, 0.999)
#: Reading more of the cells takes as long as all of them, in the order in which they lie.
MOST_READ = 0.25
#: Requests that are sampled, and at least.
SAMPLED, LEAST_SAMPLED = 400, 40


@dataclass(frozen=True)
class FirstStageSample:
    """Vectors of the first stage at a time."""

    vectors: Floats  # [I, D] of the items
    standing: Floats  # [I]
    #: [K, Q, D] the requests in each of their forms, as they were and without a session: cells
    #: have to find enough for each form alone.
    requests: Floats

    @property
    def own(self) -> Floats:
        """[K, Q, D] the requests that cells are made from."""
        return self.requests[:, ::2]

    @property
    def others(self) -> Floats:
        """[K, Q, D] the requests that measure them."""
        return self.requests[:, 1::2]

    def ranks(self, ivf: IvfIndex, requests: Floats, count: int) -> list[Ints]:
        """[Q, C] of each form, `ivf_index.cell_ranks`."""
        return [
            ivf_index.cell_ranks(ivf, self.vectors, self.standing, each, count)
            for each in requests
        ]


def select_index(sources: RetrievalModels, sample: FirstStageSample, seed: int) -> RetrievalModels:
    """The sources with cells, or without where these are not wanted or find too little."""
    sampled = sample.requests.shape[1]
    if sampled < LEAST_SAMPLED:
        return exact_scan(sources, f"{sampled} requests are too few to measure it")
    say(f"train: pages of {len(sample.vectors)} items, measured with {sampled // 2} requests")
    half = np.concatenate(sample.own)
    ivf = ivf_index.build_index(sample.vectors, sample.standing, half, seed)
    count = _candidates(sources, sample)
    own, others = (sample.ranks(ivf, each, count) for each in (sample.own, sample.others))
    least = min(ivf.cells, -(-count // ivf_index.CELL_SIZE))
    for aim in AIMS:
        read = max(least, *(ivf_index.probes_for(each, aim) for each in own))
        recall = _least_recall(others, read)
        if read > MOST_READ * ivf.cells:
            break
        if recall >= LEAST_RECALL:
            return _accepted(sources, replace(ivf, probes=read), recall, sampled // 2)
    return exact_scan(
        sources,
        f"{recall:.1%} of the candidates are found by reading {read / ivf.cells:.1%} of the "
        f"pages; {LEAST_RECALL:.0%} by reading {MOST_READ:.0%} are wanted",
    )


def verify_index(sources: RetrievalModels, sample: FirstStageSample) -> RetrievalModels:
    """The sources with what their cells find in a `sample` of what the graph knows.

    Without cells where this is too little. Neither the cells nor their number change.
    """
    ivf = sources.ivf
    if ivf is None:
        return sources
    found = sample.ranks(ivf, sample.others, _candidates(sources, sample))
    recall = _least_recall(found, ivf.probes)
    if recall < LEAST_RECALL_AT_EXPORT:
        reason = (
            f"{recall:.1%} of the candidates are found at the export; {LEAST_RECALL_AT_EXPORT:.0%}"
        )
        return exact_scan(replace(sources, ivf=None), f"{reason} are wanted")
    return _accepted(sources, ivf, recall, sample.others.shape[1])


def _candidates(sources: RetrievalModels, sample: FirstStageSample) -> int:
    return sources.plan.candidates or len(sample.vectors)


def _least_recall(ranks: Sequence[Ints], read: int) -> float:
    """The least share that is found of the candidates of one form of the requests."""
    return min(ivf_index.recall_of(each, read) for each in ranks)


def _accepted(
    sources: RetrievalModels, ivf: IvfIndex, recall: float, measured: int
) -> RetrievalModels:
    facts: dict[str, object] = {
        "index": ItemIndex.APPROXIMATE.value,
        "pages": ivf.cells,
        "pagesRead": ivf.probes,
        "candidateRecall": round(recall, 4),
        "recallRequests": measured,
    }
    say(f"train: an approximate index finds {recall:.1%} of the candidates, with {ivf.probes} of "
        f"{ivf.cells} pages")  # fmt: skip
    return replace(sources, ivf=ivf, index=facts)


def exact_scan(sources: RetrievalModels, reason: str) -> RetrievalModels:
    """The sources without an index, and why."""
    say(f"train: an exact scan of the items: {reason}")
    return replace(sources, index={"index": ItemIndex.EXACT.value, "indexRefused": reason})


def index_refusal(sources: RetrievalModels) -> str | None:
    """The reason for which no cells are tried although the settings want them, or None."""
    if sources.plan.index_refused is not None:
        return sources.plan.index_refused
    if sources.plan.index is ItemIndex.APPROXIMATE and sources.towers is None:
        return "an index finds candidates by the towers, and there are none"
    return None


def index_wanted(sources: RetrievalModels) -> bool:
    """True if cells are to be tried: an index finds candidates by the towers."""
    found = sources.plan.index is ItemIndex.APPROXIMATE
    return found and sources.towers is not None and sources.plan.candidates is not None


def sample_request_rows(count: int, seed: int) -> Ints:
    """Places of the sampled ones of so many requests, ascending."""
    if count <= SAMPLED:
        return np.arange(count, dtype=np.int64)
    return np.sort(np.random.default_rng(seed).choice(count, SAMPLED, replace=False))
