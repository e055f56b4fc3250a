"""Try an approximate index of the items, as the settings and the size of the catalogue want it."""

from __future__ import annotations

from dataclasses import replace

from recommender_training.config.training import TrainingConfig
from recommender_training.evaluation import ranking
from recommender_training.export.build import Knowledge
from recommender_training.features import assembly
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
    if not paging.wanted(sources) or bundle.bonus:
        return bundle
    sample = sampled(sources, prepared, known, config.seed)
    return replace(bundle, sources=paging.paged(sources, sample, config.seed))


def sampled(sources: RetrievalModels, prepared: Prepared, known: Knowledge, seed: int) -> Sample:
    """The first stage at the export, and requests of the validation window; never the test one."""
    data = prepared.data
    requests = ranking.reveal_half(
        data, prepared.split.validation, prepared.history_length
    ).requests
    chosen = [requests[place] for place in paging.drawn(len(requests), seed)]
    items = sources.item_vectors()
    standing = sources.standing(known.state.counts)
    if not chosen:
        return Sample(items[1:].numpy(), standing, items[:0].numpy())
    batch = ranking.together(data, chosen, prepared.history_length)
    inputs = assembly.of_requests(known.data, known.constants, batch)
    asked = sources.request_vectors(inputs, items)
    return Sample(items[1:].numpy(), standing, asked)
