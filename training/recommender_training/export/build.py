"""Turn fitted models into exported modules: fold what never changes, keep what a request needs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional

from recommender_contract.resource.hyperparameters import FeatureGroup
from recommender_training.common.arrays import Floats
from recommender_training.data.dataset import Dataset
from recommender_training.export import item_pages, new_items, overlap_serving, towers
from recommender_training.export.logistic import LogisticServing, TrendingLogistic
from recommender_training.export.ranker import RankerServing, TrendingRanker
from recommender_training.export.request import places_of
from recommender_training.export.torchscript import own_storage
from recommender_training.features import attributes, group_numbers, item_groups
from recommender_training.features.assembly import Constants
from recommender_training.features.catalogue_state import CatalogueState
from recommender_training.features.item_content import item_tags
from recommender_training.features.request_columns import Layout
from recommender_training.fitted.retrieval import RetrievalModels
from recommender_training.mitigation.exposure import Bonus
from recommender_training.models import logistic, neighbours
from recommender_training.models.item_weights import Weights
from recommender_training.models.next_items import NextItems
from recommender_training.models.ranker import Ranker
from recommender_training.models.repeats import Repeats
from recommender_training.statistics.calibration import Calibration


@dataclass(frozen=True)
class ExportInputs:
    """Inputs of an export besides the weights: the data, and counts and factors at its time."""

    data: Dataset
    constants: Constants
    state: CatalogueState
    retrieval: Weights | None  # [I, I]; None where lists are not ordered by it
    history_length: int
    sources: RetrievalModels = field(default_factory=RetrievalModels)
    repeats: Repeats | None = None  # where items may come again
    next_items: NextItems | None = None  # where they count

    def ordered_by(self, sources: RetrievalModels) -> ExportInputs:
        """The same with other sources of a list's order."""
        found = sources.repeats_before(self.data, None, self.history_length)
        after = sources.next_before(self.data, None)
        return replace(self, sources=sources, repeats=found, next_items=after)


def shared_state(
    known: ExportInputs, calibration: Calibration, bonus: Bonus | None
) -> dict[str, Tensor]:
    """Buffers of both models."""
    data, counts = known.data, known.state.counts
    of_items = np.zeros(data.items.count, dtype=np.float32)
    if bonus is not None:
        of_items = bonus.of_items(item_groups.membership(bonus.by, data.items, counts))
    standing = _standing(known, of_items)
    tags = item_tags(data.items)
    return {
        "user_ids": torch.from_numpy(data.users.ids),
        "user_side": torch.from_numpy(data.side_of_users(np.arange(data.users.count))),
        **_side(data),
        "item_ids": torch.from_numpy(data.items.ids),
        "times": torch.from_numpy(data.items.times),
        "tags": tags.places,
        "tag_shares": tags.shares,
        "events": torch.from_numpy(counts.events),
        "positives": torch.from_numpy(counts.positives),
        "total": torch.from_numpy(counts.total),
        "centre": torch.tensor(known.constants.centre),
        "prior": torch.tensor(known.constants.prior),
        "temperature": torch.tensor(calibration.temperature),
        "offset": torch.tensor(calibration.offset),
        "bonus": torch.from_numpy(of_items),
        "standing": standing,
        **_retrieval(known.retrieval, known.sources.order.items),
        **_repeats(known),
        **_next_items(known),
        **_trends(known),
        **towers.tower_state(known.sources, len(standing)),
        **item_pages.ivf_state(known.sources, standing, counts),
        **new_items.new_item_state(known.sources, data, counts),
    }


def _side(data: Dataset) -> dict[str, Tensor]:
    """How the declared features of user and context are read."""
    own = data.attributes
    columns, lanes = attributes.of_columns(own), attributes.of_lanes(own)
    offsets = attributes.offsets(attributes.sizes(data))
    return {
        "side_limits": attributes.limits(columns),
        "side_served": attributes.served(columns),
        "side_timed": attributes.timed(columns),
        "side_edges": attributes.edges(lanes),
        "side_banded": attributes.banded(lanes),
        "side_offsets": torch.from_numpy(np.repeat(offsets, [each.lanes for each in own])),
        **Layout.of(own).state(),
    }


def _standing(known: ExportInputs, bonus: Floats) -> Tensor:
    """[P] order of items whatever the request: popularity, towers, bonus."""
    order = torch.from_numpy(known.sources.standing(known.state.counts) + bonus)
    room = places_of(len(order)) - len(order) - 1
    return functional.pad(order, (1, room), value=float("-inf"))


def _retrieval(weights: Weights | None, counts: float) -> dict[str, Tensor]:
    """[I, I] dense weights, or of sparse ones the places [I, K] and weights [I, K]; else empty.

    `counts` is what they are multiplied by.
    """
    state = {"retrieval": torch.zeros(0, 0), "neighbour_weights": torch.zeros(0, 0)}
    state["neighbours"] = torch.zeros(0, 0, dtype=torch.int32)
    if sp.issparse(weights):
        places, values = neighbours.table(weights)
        state["neighbours"] = torch.from_numpy(places)
        state["neighbour_weights"] = torch.from_numpy(values) * counts
    elif weights is not None:
        state["retrieval"] = torch.from_numpy(weights) * counts
    return state


def _repeats(known: ExportInputs) -> dict[str, Tensor]:
    """How items come again; empty where they never may."""
    found, after = known.repeats, known.sources.repeat_after
    if found is None or after is None:
        return {
            "repeat_table": torch.zeros(0),
            "repeat_gaps": torch.zeros(0),
            "repeat_seconds": torch.tensor(0),
        }
    return {
        "repeat_table": torch.from_numpy(found.table) * known.sources.order.repeats,
        "repeat_gaps": torch.from_numpy(found.gaps),
        "repeat_seconds": torch.tensor(after),
    }


def _next_items(known: ExportInputs) -> dict[str, Tensor]:
    """What came after what: states are the items, then the pairs; empty where it does not count.

    Of state s the `next_places` and `next_weights` are from `next_starts` at s to s + 1.
    `next_pairs` has the codes of the pairs (`models.next_items`), after one that no pair has.
    """
    found, order = known.next_items, known.sources.order
    counts = {"of_one": order.next, "of_two": order.pair}
    tables = [] if found is None else [getattr(found, name) * by for name, by in counts.items()]
    if found is None or not sum(table.nnz for table in tables):
        names = ("next_starts", "next_places", "next_pairs")
        none = {name: torch.zeros(0, dtype=torch.int64) for name in names}
        return {**none, "next_weights": torch.zeros(0)}
    one, two = tables
    starts = np.concatenate([one.indptr, one.indptr[-1:], one.nnz + two.indptr[1:]])
    return {
        "next_starts": torch.from_numpy(starts.astype(np.int64)),
        "next_places": torch.from_numpy(np.r_[one.indices, two.indices].astype(np.int32) + 1),
        "next_weights": torch.from_numpy(np.r_[one.data, two.data].astype(np.float32)),
        "next_pairs": torch.from_numpy(np.r_[-1, found.pairs].astype(np.int64)),
    }


def _trends(known: ExportInputs) -> dict[str, Tensor]:
    """What events of late count; empty where they do not."""
    order = known.sources.order
    if not order.trend > 0:
        return {"trend_weight": torch.zeros(0), "trend_sharpness": torch.zeros(0)}
    return {
        "trend_weight": torch.tensor([order.trend]),
        "trend_sharpness": torch.tensor([order.sharpness]),
    }


def ranker_module(
    model: Ranker, known: ExportInputs, calibration: Calibration, bonus: Bonus | None = None
) -> RankerServing:
    """The deep ranker as an exported module. Batch norms are folded into the layers before."""
    model.eval()
    taste = known.state.taste
    with torch.no_grad():
        gain, shift = _folded(model.norm)
        gain_2, shift_2 = _folded(model.norm_2)
        vectors = model.item_vectors()
        state = {
            "taste_centre": torch.tensor(taste.centre),
            "taste_bias": torch.from_numpy(taste.bias),
            "taste_factors": torch.from_numpy(taste.factors),
            "mean": model.mean,
            "scale": model.scale,
            "item_vectors": vectors,
            "level_vectors": model.level.weight,
            "recency_bias": model.recency.weight[:, 0],
            "queries": model.query(vectors) / vectors.shape[1] ** 0.5,
            "user_vectors": model.user.weight,
            "user_rows": _user_rows(model),
            "side_vectors": _joined(model.side, vectors),
            "by_user": model.by_user.weight.t() * gain,
            "by_item": model.by_item.weight.t() * gain,
            "by_match": model.by_match.weight.t() * gain,
            "by_pooled": model.by_pooled.weight.t() * gain,
            "by_pooled_match": model.by_pooled_match.weight.t() * gain,
            "by_numbers": model.by_numbers.weight.t() * gain,
            "first_bias": model.by_user.bias * gain + shift,
            "hidden": model.hidden.weight.t() * gain_2,
            "hidden_bias": model.hidden.bias * gain_2 + shift_2,
            "out": model.out.weight[0],
            "out_bias": model.out.bias,
            "wide": model.wide.weight[0],
            "wide_user": model.wide_user.weight[0],
            "wide_item": model.wide_item.weight[0],
            "wide_match": model.wide_match.weight[0],
            **overlap_serving.overlap_state(model),
            **_extra_state(known),
        }
        detached = {name: own_storage(value) for name, value in state.items()}
    state = {**shared_state(known, calibration, bonus), **detached}
    tags, groups = item_tags(known.data.items), known.constants.groups
    candidates = known.sources.plan.candidates or 0
    made = TrendingRanker if known.sources.order.trend > 0 else RankerServing
    return made(state, known.history_length, tags, candidates, groups).eval()


def _user_rows(model: Ranker) -> Tensor:
    """[U + 1] the row of each user in `user_vectors`; empty where each has its own."""
    rows = model.user_rows.rows
    return torch.zeros(0, dtype=torch.int32) if rows is None else rows


def _joined(tables: nn.ModuleList, like: Tensor) -> Tensor:
    """[P, D] all rows of the tables, as wide as `like`."""
    return torch.cat([like[:0], *(table.get_parameter("weight") for table in tables)])


def _extra_state(known: ExportInputs) -> dict[str, Tensor]:
    """[A, I] demographic and [I, W] rolling numbers; empty where the ranker reads none."""
    groups, tables = known.constants.groups, known.state.extras
    state = {name: torch.zeros(0) for name in ("by_bucket", "rolling")}
    of_rated = ("rated", "rated_lanes", "rated_offsets")
    state |= {name: torch.zeros(0, dtype=torch.int64) for name in of_rated}
    if FeatureGroup.DEMOGRAPHIC_RATES in groups and tables is not None:
        prior = known.constants.prior
        first = group_numbers.first_columns(known.data)
        state["by_bucket"] = group_numbers.demographic_table(
            known.state.counts, tables, prior, first
        )
        state["rated"] = torch.tensor(attributes.rated(known.data), dtype=torch.int64)
        state["rated_lanes"] = torch.tensor(attributes.rated_lanes(known.data), dtype=torch.int64)
        state["rated_offsets"] = torch.from_numpy(first)
    if FeatureGroup.ROLLING_POPULARITY in groups and tables is not None:
        state["rolling"] = group_numbers.rolling_table(tables)
    return state


def logistic_module(
    model: logistic.LogisticModel,
    known: ExportInputs,
    calibration: Calibration,
    bonus: Bonus | None = None,
) -> LogisticServing:
    """The logistic regression as an exported module; the standardisation is folded in."""
    numbers = model.numbers / model.scale
    bias = model.bias - float((numbers * model.mean).sum())
    items = known.data.items
    item = model.item + items.tags @ model.tag
    item = np.r_[0.0, item] + bias  # row 0: an unknown item, which has no category
    state = {
        "numbers": torch.from_numpy(numbers),
        "item": torch.from_numpy(item.astype(np.float32)),
        "side": torch.from_numpy(model.side),
        "cross": torch.from_numpy(model.cross),
        "crossed_tags": torch.from_numpy(logistic.crossed_tags(items).toarray()),
    }
    shared = shared_state(known, calibration, bonus)
    candidates = known.sources.plan.candidates or 0
    made = TrendingLogistic if known.sources.order.trend > 0 else LogisticServing
    return made({**shared, **state}, known.history_length, item_tags(items), candidates).eval()


def _folded(norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """Gain and shift of a batch norm in evaluation mode."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return gain, norm.bias - norm.running_mean * gain
