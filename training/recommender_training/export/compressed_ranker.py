"""The deep ranker with compressed tables: of the item-to-item weights, and of the users' vectors.

The item-to-item weights of the retrieval are nine tenths of the full graph's bytes and grow with
the square of the catalogue. The layers are left as they are: their products are a tenth of an
answer's time, and no quicker in whole numbers (ADR 0016).
"""

# No `from __future__ import annotations`: TorchScript evaluates the class annotations itself.
import torch
from torch import Tensor

from recommender_contract.resource.export import ExportSpec, Variant
from recommender_contract.resource.hyperparameters import FeatureGroup
from recommender_training.export import compression
from recommender_training.export.modules import ReadsTrends
from recommender_training.export.ranker import RankerServing
from recommender_training.features import graph
from recommender_training.features.item_content import ItemTags
from recommender_training.features.request_columns import add_side


class Int8Ranker(RankerServing):
    """Whole numbers in `retrieval` and `user_vectors`, with a scale for each row."""

    retrieval_scale: Tensor
    user_scale: Tensor

    def retrieved(self, session: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
        """[B, I] how well each item goes with the session."""
        rows, present, values, _ = session
        at = rows.clamp(min=0)
        event = graph.event_weights(present, values) * (rows >= 0).to(torch.float32)
        event = event * self.retrieval_scale[at]
        weights = self.retrieval[at].to(torch.float32)
        return torch.matmul(event.unsqueeze(1), weights).squeeze(1)

    def user_vector(self, user: Tensor, side: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """[B, D] vectors of the users."""
        row = self.user_row(user)
        known = self.user_vectors[row].to(torch.float32) * self.user_scale[row].unsqueeze(1)
        return add_side(known, self.side_vectors, side, self.side_number_rows)


class PrunedRanker(RankerServing):
    """`retrieval` [I, K] holds the largest weights of each item, `kept` their columns."""

    kept: Tensor

    def retrieved(self, session: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
        """[B, I] how well each item goes with the session."""
        rows, present, values, _ = session
        at = rows.clamp(min=0)
        event = graph.event_weights(present, values) * (rows >= 0).to(torch.float32)
        weights = self.retrieval[at] * event.unsqueeze(2)
        total = torch.zeros(rows.size(0), self.item_count)
        return total.scatter_add_(1, self.kept[at].to(torch.int64).flatten(1), weights.flatten(1))


class TrendingInt8Ranker(ReadsTrends, Int8Ranker):
    """The same, which reads trends."""


class TrendingPrunedRanker(ReadsTrends, PrunedRanker):
    """The same, which reads trends."""


def compress(full: RankerServing, variant: Variant, settings: ExportSpec) -> RankerServing:
    """The variant of a full graph, which is left as it is."""
    state = dict(full.named_buffers())
    groups = tuple(FeatureGroup(name) for name in full.groups)
    tags = ItemTags(full.tags, full.tag_shares, full.tag_ends[1:], full.tag_count)
    if variant is Variant.INT8:
        state["retrieval"], state["retrieval_scale"] = compression.to_int8(state["retrieval"])
        state["user_vectors"], state["user_scale"] = compression.to_int8(state["user_vectors"])
        int8 = TrendingInt8Ranker if full.by_trends else Int8Ranker
        return int8(state, full.history_length, tags, full.candidates, groups).eval()
    state["kept"], state["retrieval"] = compression.keep_largest(state["retrieval"], settings.keep)
    pruned = TrendingPrunedRanker if full.by_trends else PrunedRanker
    return pruned(state, full.history_length, tags, full.candidates, groups).eval()


def left_of(weights: Tensor, variant: Variant, settings: ExportSpec) -> Tensor:
    """[I, I] the item-to-item weights that a variant keeps."""
    if variant is Variant.INT8:
        return compression.from_int8(*compression.to_int8(weights))
    kept, values = compression.keep_largest(weights, settings.keep)
    return compression.from_kept(kept, values, weights.shape[1])
