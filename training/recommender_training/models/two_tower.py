"""Two towers: a request and an item each become a vector, their product is how well they match.

The item's tower reads id, declared features and times; the request's reads what is known of user
and context and the events of the session, pooled. Neither reads the user's id, since most users of
a later window are new. Both losses are a softmax over items (`RetrievalLoss`):

- SampledSoftmax: over the items of the batch. These are drawn in proportion to their popularity,
  so log q, the log of that share, is subtracted from their logits (Yi et al., RecSys 2019). Not
  from that of the liked item, which is there by right and not by chance (Khrylchenko et al.,
  RecSys 2025); where it is liked in another row of the batch, too, it is no negative.
- FullSoftmax: over the catalogue, which costs [B, I] and needs no correction.

An evaluation is over the catalogue with either, some items at a time.

Where items have a history, a liked item and those of the session are as they were at the time of
the request, and so is a negative of the batch at that of its own. A softmax over the catalogue
sees liked and other items alike at one time: that of the oldest of some requests near in time in a
fit, of the last training pair in an evaluation.

Legend of shapes: B batch, L session, I items, D width.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from recommender_contract.resource.hyperparameters import RetrievalLoss
from recommender_training.common.arrays import Ints
from recommender_training.data.dataset import Dataset
from recommender_training.data.id_rows import IdRows
from recommender_training.data.row_times import END
from recommender_training.features.assembly import Inputs
from recommender_training.features.graph import (
    RECENCY_BUCKETS,
    VALUE_LEVELS,
    newer_events,
)
from recommender_training.features.item_content import Content, content
from recommender_training.models import request_embeddings
from recommender_training.models.embedding_lookup import IdLookup, embedding, lookup
from recommender_training.models.item_vectors import (
    ItemContent,
    hidden_ids,
    hidden_names,
    named_at,
    whole_table,
)
from recommender_training.models.request_embeddings import Spans
from recommender_training.models.tower_examples import Batch

#: The tables of items.
ITEM_TABLE, BIAS_TABLE = "item.weight", "bias"
#: Catalogues of different times that a batch sees at most.
_CATALOGUES = 8
#: Rows and items whose logits an evaluation holds at once.
_EVALUATION_ROWS, _EVALUATION_ITEMS = 1024, 16_384


@dataclass(frozen=True)
class TowerSize:
    """Shapes of the towers' weights, and settings of their fit."""

    side: tuple[int, ...]  # buckets of each declared feature of user and context
    width: int
    history_length: int
    dropout: float
    loss: RetrievalLoss
    #: When an evaluation sees the whole catalogue, in seconds since 1970.
    items_at: int = END
    spans: Spans = ()  # lanes and numbers of each declared feature of user and context


class TwoTower(nn.Module):
    """Loss of the liked item of each pair; `lift` is what is served."""

    log_share: Tensor

    def __init__(
        self, size: TowerSize, content: Content, log_share: Tensor, table: IdRows | None = None
    ) -> None:
        """`content` is what is known of the items; `log_share` [I] of the liked items; `table` is
        that of the items' ids, where some share rows.
        """
        super().__init__()
        table = table or IdRows.own(content.count)
        width = size.width
        self.size = size
        self.content = ItemContent(content)
        self.register_buffer("log_share", log_share)
        self.item_rows = IdLookup(table)
        self.item = embedding(table.count, width)
        self.of_content = embedding(content.columns, width)
        self.side = nn.ModuleList(embedding(buckets, width) for buckets in size.side)
        self.level = embedding(VALUE_LEVELS, width)
        self.level_bias = embedding(VALUE_LEVELS, 1)
        self.recency = embedding(RECENCY_BUCKETS, 1)
        # As the item-to-item weights have it: e times less with every eight newer events.
        self.newer = nn.Parameter(-torch.arange(size.history_length).float().unsqueeze(1) / 8.0)
        self.up = nn.Linear(width, 2 * width)
        self.by_side = nn.Linear(width, 2 * width, bias=False)
        self.down = nn.Linear(2 * width, width)
        self.out = nn.Linear(width, width, bias=False)
        nn.init.eye_(self.out.weight)
        #: Popularity while the towers were fitted, from which it is learned on.
        self.bias = nn.Parameter(log_share.clone())
        self.drop = nn.Dropout(size.dropout)

    def item_vectors(self, time: int = END) -> Tensor:
        """[I + 1, D] vectors of the items at a time; row 0 is the unknown item."""
        ids, weights = self.item.weight, self.of_content.weight
        return whole_table(ids, weights, self.content, self.item_rows, time)

    def vectors_of(self, rows: Tensor, times: Tensor | None = None) -> Tensor:
        """[R, D] vectors of the items at `rows` [R]; in training some ids are hidden."""
        own = self.item_rows(hidden_ids(rows, self.content.count + 1) if self.training else rows)
        side: Tensor = self.content(rows, self.of_content.weight, times)
        return lookup(self.item.weight, own) + side

    def request_vectors(self, items: Tensor, inputs: Inputs) -> Tensor:
        """[B, D] vectors of the requests; the session names rows of `items`."""
        return self.of_session(lookup(items, inputs.session), inputs)

    def of_session(self, session: Tensor, inputs: Inputs) -> Tensor:
        """[B, D] vectors of the requests, from those of the items of their sessions [B, L, D].

        A null key with the logit 0 takes the weight of an empty session.
        """
        present, level = inputs.present, inputs.level
        keys = self.drop(session + lookup(self.level.weight, level))
        logits = (
            lookup(self.newer, newer_events(present).clamp(max=len(self.newer) - 1)).squeeze(2)
            + lookup(self.level_bias.weight, level).squeeze(2)
            + lookup(self.recency.weight, inputs.recency).squeeze(2)
        )
        logits = functional.pad(logits.masked_fill(~present, float("-inf")), (1, 0))
        weights = torch.softmax(logits, 1)[:, 1:]
        pooled = torch.bmm(weights.unsqueeze(1), keys).squeeze(1)
        known = torch.zeros_like(pooled)
        for own in request_embeddings.embedding_tables(
            self.side, self.size.spans, inputs.side, inputs.vector
        ):
            known = known + request_embeddings.embed_request(*own)
        hidden = self.drop(torch.relu(self.up(pooled) + self.by_side(known)))
        return torch.as_tensor(self.out(pooled) + self.down(hidden))

    @property
    def row_tables(self) -> tuple[str, ...]:
        """The tables of which a batch reads few rows; the whole softmax reads them all."""
        return () if self.size.loss is RetrievalLoss.FULL_SOFTMAX else (ITEM_TABLE, BIAS_TABLE)

    def rows_of(self, batch: Batch, tables: Collection[str]) -> dict[str, Tensor]:
        """[B, 1 + L] or [B, 1] the rows that `forward` reads of each of the `tables`.

        Some ids are hidden.
        """
        found = {}
        if ITEM_TABLE in tables:
            found[ITEM_TABLE] = self.item_rows(hidden_names(_named(batch)))
        if BIAS_TABLE in tables:
            found[BIAS_TABLE] = batch.target.unsqueeze(1) - 1
        return found

    def forward(self, batch: Batch, read: Mapping[str, Tensor] | None = None) -> Tensor:
        """[B] negative log likelihood of the liked items; over the catalogue when evaluating.

        `read` has of some tables the rows that `rows_of` named, [B, ., D].
        """
        liked = batch.target - 1
        if not self.training:
            items = self.item_vectors(self.size.items_at)
            parts = torch.split(torch.arange(len(liked), device=liked.device), _EVALUATION_ROWS)
            return torch.cat(
                [
                    catalogue_loss(
                        self.request_vectors(items, batch.inputs.take(rows)),
                        items[1:],
                        self.bias,
                        liked[rows],
                    )
                    for rows in parts
                ]
            )
        if self.size.loss is RetrievalLoss.FULL_SOFTMAX:
            logits = self.catalogue_logits(batch)
            return functional.cross_entropy(logits, liked, reduction="none")
        read = read or {}
        items, of_target, of_session = self.items_of(batch, read.get(ITEM_TABLE))
        vectors = self.request_vectors(items, replace(batch.inputs, session=of_session))
        bias = read[BIAS_TABLE].reshape(-1) if BIAS_TABLE in read else self.bias[liked]
        logits = vectors @ lookup(items, of_target).t() + bias
        return sampled_softmax(logits, self.log_share, liked)

    def items_of(self, batch: Batch, read: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """[R, D] vectors of items, and which of them are target [B] and session [B, L].

        `read` [B, 1 + L, D] are the rows of their ids.
        """
        if read is None:
            rows, times, (of_target, of_session) = named_at(
                self.content, batch.inputs.items_at, batch.target, batch.inputs.session
            )
            return self.vectors_of(rows, times), of_target, of_session
        named = _named(batch)
        known = self.content.of_names(named, self.of_content.weight, batch.inputs.items_at)
        places = torch.arange(named.numel(), device=named.device).view(named.shape)
        return (read + known).flatten(0, 1), places[:, 0], places[:, 1:]

    def catalogue_logits(self, batch: Batch) -> Tensor:
        """[B, I] logits of the whole catalogue while fitting; some ids are hidden.

        With a history, requests near in time share a catalogue, that of the oldest of them: the
        liked item may not differ from the others by its time, nor may any be of later.
        """
        every = torch.arange(self.content.count + 1, device=batch.target.device)
        if not self.content.dated:
            return self.logits(self.vectors_of(every), batch.inputs)
        order = torch.argsort(batch.inputs.items_at, stable=True)
        parts = []
        for rows in torch.chunk(order, _CATALOGUES):
            inputs = batch.inputs.take(rows)
            then = inputs.items_at[:1].expand(len(every))
            items = self.vectors_of(every, then)
            session = lookup(items, inputs.session) + self.moved(inputs, then[:1])
            parts.append(self.of_session(session, inputs) @ items[1:].t() + self.bias)
        return torch.cat(parts).index_select(0, torch.argsort(order))

    def moved(self, inputs: Inputs, then: Tensor) -> Tensor:
        """[B, L, D] sessions' items at the times of the requests, less those at `then` [1]."""
        session, weights = inputs.session, self.of_content.weight
        now = self.content.of_names(session, weights, inputs.items_at)
        return now - self.content.of_names(session, weights, then.expand(len(session)))

    def logits(self, items: Tensor, inputs: Inputs) -> Tensor:
        """[B, I] logits of the whole catalogue; `items` are `item_vectors`."""
        return self.request_vectors(items, inputs) @ items[1:].t() + self.bias

    def lift(self, inputs: Inputs, items: Tensor | None = None) -> Tensor:
        """[B, I] how much likelier than its popularity an item is liked, in logits.

        Popularity is left to the newest counts, which the towers do not have. `items` are the
        `item_vectors`, for a caller that asks more than once.
        """
        items = self.item_vectors() if items is None else items
        return self.logits(items, inputs) - self.log_share


def catalogue_loss(requests: Tensor, items: Tensor, bias: Tensor, liked: Tensor) -> Tensor:
    """[B] softmax loss over the catalogue of `requests` [B, D], each with a `liked` item [B].

    The log-sum-exp is summed up over blocks of the vectors `items` [I, D] and their `bias` [I], so
    that memory does not grow with the catalogue.
    """
    if len(items) <= _EVALUATION_ITEMS:
        logits = requests @ items.t() + bias
        return functional.cross_entropy(logits, liked, reduction="none")
    total = requests.new_full((len(requests),), float("-inf"))
    for block, own in zip(
        torch.split(items, _EVALUATION_ITEMS), torch.split(bias, _EVALUATION_ITEMS), strict=True
    ):
        logits = torch.addmm(own, requests, block.t())
        total = torch.logaddexp(total, torch.logsumexp(logits, 1))
    return total - (requests * items[liked]).sum(1) - bias[liked]


def sampled_softmax(logits: Tensor, log_share: Tensor, liked: Tensor) -> Tensor:
    """[B] loss of logits [B, B] of each row and each row's liked item [B].

    An estimate of the softmax over the catalogue: the other rows' items were drawn by their
    shares q, so each stands for 1 / ((B - 1) q) of its like. The row's own item was not drawn but
    is always there, and is left as it is.
    """
    own = torch.eye(len(liked), dtype=torch.bool, device=liked.device)
    again = (liked.unsqueeze(1) == liked.unsqueeze(0)) & ~own
    correction = (log_share[liked] + math.log(max(1, len(liked) - 1))).unsqueeze(0)
    corrected = torch.where(own, logits, logits - correction).masked_fill(again, float("-inf"))
    return functional.cross_entropy(corrected, own.int().argmax(1), reduction="none")


def create_towers(
    data: Dataset, liked: Ints, size: TowerSize, table: IdRows | None = None
) -> TwoTower:
    """Towers with fresh weights; `liked` [M] are the rows of the items of the training pairs."""
    counts = np.bincount(liked, minlength=data.items.count) + 1.0
    share = np.log(counts / counts.sum()).astype(np.float32)
    return TwoTower(size, content(data.items, times=True), torch.from_numpy(share), table)


def _named(batch: Batch) -> Tensor:
    """[B, 1 + L] rows of the items that a batch names: target, then session."""
    return torch.cat([batch.target.unsqueeze(1), batch.inputs.session], 1)
