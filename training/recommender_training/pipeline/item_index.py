"""Try an approximate index of the items, as the settings and the size of the catalogue want it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recommender_training.config.training import TrainingConfig
from recommender_training.data.dataset import Dataset
from recommender_training.evaluation import ranking_metrics
from recommender_training.export.build import ExportInputs
from recommender_training.features import assembly, event_history
from recommender_training.features.event_history import ItemCounts
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted import ivf_selection
from recommender_training.fitted.bundle import Bundle
from recommender_training.fitted.ivf_selection import FirstStageSample
from recommender_training.fitted.retrieval import RetrievalModels


def with_item_index(
    bundle: Bundle, prepared: PreparedData, known: ExportInputs, config: TrainingConfig
) -> Bundle:
    """The models with cells of items, where these are wanted and find enough.

    With a bonus of item groups the scan is exact: the pages do not follow it.
    """
    sources = bundle.sources
    unfit = ivf_selection.index_refusal(sources)
    if unfit is None and ivf_selection.index_wanted(sources) and bundle.bonus:
        unfit = "pages do not follow the bonus of mitigation.exposure"
    if unfit is not None:
        return replace(bundle, sources=ivf_selection.exact_scan(sources, unfit))
    if not ivf_selection.index_wanted(sources):
        return bundle
    found = select_item_index(sources, prepared, config.seed)
    if found.ivf is not None:
        found = ivf_selection.verify_index(
            found, first_stage_sample(found, prepared, config.seed, known)
        )
    return replace(bundle, sources=found)


def select_item_index(
    sources: RetrievalModels, prepared: PreparedData, seed: int
) -> RetrievalModels:
    """The sources with cells, if they find enough. The test window has no part in them."""
    return ivf_selection.select_index(sources, first_stage_sample(sources, prepared, seed), seed)


def first_stage_sample(
    sources: RetrievalModels, prepared: PreparedData, seed: int, known: ExportInputs | None = None
) -> FirstStageSample:
    """Requests of the validation window, and the first stage as it is `known` to the graph.

    Without, as it was when the test window began, and as the evaluation sees it there.
    """
    if known is not None:
        return _sample(sources, prepared, seed, known.data, known.state.counts)
    start = prepared.split.test_start
    data = prepared.data.as_of(start)
    counts = event_history.counts_at(data.events, start, data.items.count)
    return _sample(sources, prepared, seed, data, counts)


def _sample(
    sources: RetrievalModels, prepared: PreparedData, seed: int, data: Dataset, counts: ItemCounts
) -> FirstStageSample:
    length = prepared.history_length
    requests = ranking_metrics.reveal_half(
        prepared.data, prepared.split.validation, length
    ).requests
    drawn = [requests[place] for place in ivf_selection.sample_request_rows(len(requests), seed)]
    items, standing = sources.item_vectors(data.items.known_at), sources.standing(counts)
    if not drawn:
        return FirstStageSample(items[1:].numpy(), standing, items[:0].numpy()[None])
    nothing = np.zeros(0, dtype=np.int64)
    forms = [drawn, [replace(each, session=nothing) for each in drawn]]
    batches = [ranking_metrics.together(data, each, length) for each in forms]
    inputs = [assembly.of_requests(data, prepared.constants, each) for each in batches]
    asked = [sources.request_vectors(each, items) for each in inputs]
    return FirstStageSample(items[1:].numpy(), standing, np.stack(asked))
