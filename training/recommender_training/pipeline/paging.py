"""Try an approximate index of the items, as the settings and the size of the catalogue want it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recommender_training.config.training import TrainingConfig
from recommender_training.data.dataset import Dataset
from recommender_training.evaluation import ranking
from recommender_training.export.build import Knowledge
from recommender_training.features import assembly, history
from recommender_training.features.history import ItemCounts
from recommender_training.features.prepared import Prepared
from recommender_training.fitted import paging
from recommender_training.fitted.bundle import Bundle
from recommender_training.fitted.paging import Sample
from recommender_training.fitted.retrieval import RetrievalModels


def paged(bundle: Bundle, prepared: Prepared, known: Knowledge, config: TrainingConfig) -> Bundle:
    """The models with pages of items, where these are wanted and find enough.

    With a bonus of item groups the scan is exact: the pages do not follow it.
    """
    sources = bundle.sources
    unfit = paging.unfit(sources)
    if unfit is None and paging.wanted(sources) and bundle.bonus:
        unfit = "pages do not follow the bonus of mitigation.exposure"
    if unfit is not None:
        return replace(bundle, sources=paging.refused(sources, unfit))
    if not paging.wanted(sources):
        return bundle
    found = chosen(sources, prepared, config.seed)
    if found.pages is not None:
        found = paging.served(found, sampled(found, prepared, config.seed, known))
    return replace(bundle, sources=found)


def chosen(sources: RetrievalModels, prepared: Prepared, seed: int) -> RetrievalModels:
    """The sources with pages, if they find enough. The test window has no part in them."""
    return paging.paged(sources, sampled(sources, prepared, seed), seed)


def sampled(
    sources: RetrievalModels, prepared: Prepared, seed: int, known: Knowledge | None = None
) -> Sample:
    """Requests of the validation window, and the first stage as it is `known` to the graph.

    Without, as it was when the test window began, and as the evaluation sees it there.
    """
    if known is not None:
        return _sample(sources, prepared, seed, known.data, known.state.counts)
    start = prepared.split.test_start
    data = prepared.data.as_of(start)
    counts = history.counts_at(data.events, start, data.items.count)
    return _sample(sources, prepared, seed, data, counts)


def _sample(
    sources: RetrievalModels, prepared: Prepared, seed: int, data: Dataset, counts: ItemCounts
) -> Sample:
    length = prepared.history_length
    requests = ranking.reveal_half(prepared.data, prepared.split.validation, length).requests
    drawn = [requests[place] for place in paging.drawn(len(requests), seed)]
    items, standing = sources.item_vectors(data.items.known_at), sources.standing(counts)
    if not drawn:
        return Sample(items[1:].numpy(), standing, items[:0].numpy()[None])
    nothing = np.zeros(0, dtype=np.int64)
    forms = [drawn, [replace(each, session=nothing) for each in drawn]]
    batches = [ranking.together(data, each, length) for each in forms]
    inputs = [assembly.of_requests(data, prepared.constants, each) for each in batches]
    asked = [sources.request_vectors(each, items) for each in inputs]
    return Sample(items[1:].numpy(), standing, np.stack(asked))
