"""The deep ranker: embeddings, side features and attention over the last interactions.

Legend of shapes: B batch, L session, I items, D embedding, H hidden, F numbers, T taste numbers,
E numbers of the feature groups.
Row 0 of each embedding is the unknown one; it is trained, because ids are hidden at random.

The first layer is kept as one weight per input block (not one wide Linear), so that the export
can compute the blocks of the user once and those of the items for the whole catalogue.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from recommender_training.data.dataset import Dataset
from recommender_training.data.id_rows import IdRows, IdTables
from recommender_training.features.assembly import Inputs
from recommender_training.features.event_features import Source, columns
from recommender_training.features.graph import RECENCY_BUCKETS, VALUE_LEVELS
from recommender_training.features.item_content import Content, content
from recommender_training.features.overlap_features import Overlap
from recommender_training.models import overlap_terms, request_embeddings
from recommender_training.models.embedding_lookup import IdLookup, embedding, lookup
from recommender_training.models.item_vectors import (
    ItemContent,
    hidden_ids,
    hidden_names,
    named_at,
    whole_table,
)
from recommender_training.models.noise import RowNoise
from recommender_training.models.request_embeddings import Spans
from recommender_training.statistics.calibration import logit_of


@dataclass(frozen=True)
class RankerSize:
    """Sizes and settings of a ranker."""

    users: int
    side: tuple[int, ...]  # buckets of each declared feature of user and context
    embedding_dim: int
    dropout: float
    user_dropout: float
    spans: Spans = ()  # lanes and numbers of each of these features
    matches: tuple[Overlap, ...] = ()  # of these features and those of items


HIDDEN, HIDDEN_2 = 64, 32
#: Numbers that the attention adds to those of the features.
ATTENDED = 2
#: Variances of the normal priors of a fit: of a weight of an embedding of an id, of one of a
#: declared feature or of an item's content, and of one of the network's last layer. Chosen on the
#: validation days of a generated shop (ADR 0031).
ID_VARIANCE, FEATURE_VARIANCE, NETWORK_VARIANCE = 0.003, 0.03, 0.003
#: The tables of ids.
ITEM_TABLE, USER_TABLE = "item.weight", "user.weight"
#: Newest rows that the numbers are standardised on.
MAX_STANDARD = 1_000_000


class Ranker(nn.Module):
    """Logit of a positive response for pairs of a request and an item."""

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        size: RankerSize,
        content: Content,
        mean: Tensor,
        scale: Tensor,
        tables: IdTables | None = None,
    ) -> None:
        """`content` is what is known of the items; `mean` and `scale` [F + T + E] standardise
        numbers; `tables` are those of the ids, where some share rows.
        """
        super().__init__()
        tables = tables or IdTables(IdRows.own(size.users), IdRows.own(content.count))
        width = size.embedding_dim
        self.size = size
        self.content = ItemContent(content)
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        self.user_rows, self.item_rows = IdLookup(tables.users), IdLookup(tables.items)
        self.user = embedding(tables.users.count, width)
        self.side = nn.ModuleList(embedding(buckets, width) for buckets in size.side)
        self.item = embedding(tables.items.count, width)
        self.of_content = embedding(content.columns, width)
        self.level = embedding(VALUE_LEVELS, width)
        self.recency = embedding(RECENCY_BUCKETS, 1)
        self.query = nn.Linear(width, width, bias=False)
        numbers = len(mean) + ATTENDED
        self.by_user = nn.Linear(width, HIDDEN)
        self.by_item = nn.Linear(width, HIDDEN, bias=False)
        self.by_pooled = nn.Linear(width, HIDDEN, bias=False)
        self.by_match = nn.Linear(width, HIDDEN, bias=False)
        self.by_pooled_match = nn.Linear(width, HIDDEN, bias=False)
        self.by_numbers = nn.Linear(numbers, HIDDEN, bias=False)
        self.norm = nn.BatchNorm1d(HIDDEN)
        self.hidden = nn.Linear(HIDDEN, HIDDEN_2)
        self.norm_2 = nn.BatchNorm1d(HIDDEN_2)
        self.out = nn.Linear(HIDDEN_2, 1)
        nn.init.zeros_(self.out.weight)  # a fit starts without the network
        self.wide = nn.Linear(numbers, 1, bias=False)
        # Main effects of both sides, and products of their features as a factorization machine has
        # them: a network does not find these from a few hundred positives.
        self.wide_user, self.wide_item, self.wide_match = (
            nn.Linear(width, 1, bias=False) for _ in range(3)
        )
        nn.init.ones_(self.wide_match.weight)
        self.matches = overlap_terms.OverlapTerms(size.matches) if size.matches else None
        self.drop = RowNoise(size.dropout)
        self.items_alone = False

    def start_at(self, share: float) -> None:
        """Let the output start at the logit of this share of positives, above 0 and below 1.

        Else the first epochs of a fit with rare positives only learn how rare they are.
        """
        with torch.no_grad():
            self.out.bias.fill_(logit_of(share))

    def variances(self) -> dict[str, float]:
        """The variance of the normal prior of each weight that has one, by name."""
        sides = [f"side.{place}.weight" for place in range(len(self.side))]
        return {
            **dict.fromkeys((USER_TABLE, ITEM_TABLE), ID_VARIANCE),
            **dict.fromkeys((*sides, "of_content.weight"), FEATURE_VARIANCE),
            "out.weight": NETWORK_VARIANCE,
        }

    def prior(
        self, centre: Mapping[str, Tensor] | None = None, without: Collection[str] = ()
    ) -> Tensor:
        """Negative logarithm of the weights' normal prior, up to a constant.

        In the units of a loss summed over all rows, so that embeddings shrink where few positives
        say otherwise, and less the more data there is. `centre` has means by name; 0 else.
        """
        means, terms = centre or {}, []
        for name, variance in self.variances().items():
            if name in without:
                continue
            weights: Tensor = self.get_parameter(name)
            away = weights - means[name] if name in means else weights
            terms.append(away.square().sum() / (2 * variance))
        return torch.stack(terms).sum()

    def freeze_all_but_items(self) -> None:
        """Let a fit change nothing but the embeddings of the items."""
        for weights in self.parameters():
            weights.requires_grad = weights is self.item.weight
        self.items_alone = True

    def train(self, mode: bool = True) -> Ranker:
        """As any module; frozen batch norms keep their statistics."""
        super().train(mode)
        if self.items_alone:
            self.norm.eval()
            self.norm_2.eval()
        return self

    def item_vectors(self) -> Tensor:
        """[I + 1, D] vectors of the items; row 0 is the unknown item, which has no content."""
        ids, weights = self.item.weight, self.of_content.weight
        return whole_table(ids, weights, self.content, self.item_rows)

    def vectors_of(self, rows: Tensor, times: Tensor | None = None) -> Tensor:
        """[R, D] vectors of the items at `rows` [R]; in training some ids are hidden."""
        own = self.item_rows(hidden_ids(rows, self.content.count + 1) if self.training else rows)
        side: Tensor = self.content(rows, self.of_content.weight, times)
        return lookup(self.item.weight, own) + side

    def hidden_users(self, user: Tensor) -> Tensor:
        """[B] the rows of the users; in training some are 0, the unknown one."""
        if not self.training:
            return user
        hidden = self.drop.uniform(user.shape[0], user.device) < self.size.user_dropout
        return torch.where(hidden, torch.zeros_like(user), user)

    def user_vectors(self, batch: Inputs, read: Tensor | None = None) -> Tensor:
        """[B, D] vectors of the users; `read` [B, 1, D] are the rows of their ids.

        Without them some ids are hidden in training.
        """
        if read is None:
            known: Tensor = self.user(self.user_rows(self.hidden_users(batch.user)))
        else:
            known = read[:, 0]
        for own in request_embeddings.embedding_tables(
            self.side, self.size.spans, batch.side, batch.vector
        ):
            known = known + request_embeddings.embed_request(*own)
        return known

    def attend(self, target: Tensor, batch: Inputs, session: Tensor) -> tuple[Tensor, Tensor]:
        """[B, D] pooled session and [B, 2] attended numbers, seen from the target [B, D].

        A null key with the logit 0 takes the weight where nothing in the session matters.
        """
        keys = session + lookup(self.level.weight, batch.level)
        logits = torch.bmm(keys, self.query(target).unsqueeze(2)).squeeze(2)
        logits = logits / target.shape[1] ** 0.5 + lookup(
            self.recency.weight, batch.recency
        ).squeeze(2)
        logits = logits.masked_fill(~batch.present, float("-inf"))
        logits = functional.pad(logits, (1, 0))
        weights = torch.softmax(logits, 1)[:, 1:]
        pooled = torch.bmm(weights.unsqueeze(1), keys).squeeze(1)
        attended = torch.stack([(weights * batch.value).sum(1), weights.sum(1)], 1)
        return pooled, attended

    @property
    def shared_rows(self) -> dict[str, Tensor]:
        """Of the tables of which ids share rows, [C + 1] the row of each id, by name."""
        found = {USER_TABLE: self.user_rows.rows, ITEM_TABLE: self.item_rows.rows}
        return {name: rows for name, rows in found.items() if rows is not None}

    @property
    def row_tables(self) -> tuple[str, ...]:
        """The tables of which a batch reads few rows."""
        return (ITEM_TABLE, USER_TABLE)

    def rows_of(self, batch: Inputs, tables: Collection[str]) -> dict[str, Tensor]:
        """[B, 1 + L] or [B, 1] the rows that `forward` reads of each of the `tables`.

        In training some ids are hidden.
        """
        found = {}
        if ITEM_TABLE in tables:
            named = _named(batch)
            found[ITEM_TABLE] = self.item_rows(hidden_names(named) if self.training else named)
        if USER_TABLE in tables:
            found[USER_TABLE] = self.user_rows(self.hidden_users(batch.user)).unsqueeze(1)
        return found

    def item_parts(self, batch: Inputs, read: Tensor | None) -> tuple[Tensor, Tensor]:
        """[B, D] and [B, L, D] vectors of target and session; `read` are the rows of their ids."""
        if read is not None:
            named = _named(batch)
            items = read + self.content.of_names(named, self.of_content.weight, batch.items_at)
            return items[:, 0], items[:, 1:]
        rows, at, (of_target, of_session) = named_at(
            self.content, batch.items_at, batch.target, batch.session
        )
        items = self.vectors_of(rows, at)
        return lookup(items, of_target), lookup(items, of_session)

    def forward(self, batch: Inputs, read: Mapping[str, Tensor] | None = None) -> Tensor:
        """[B] logits. `read` has of some tables the rows that `rows_of` named, [B, ., D]."""
        read = read or {}
        target, session = self.item_parts(batch, read.get(ITEM_TABLE))
        user = self.user_vectors(batch, read.get(USER_TABLE))
        pooled, attended = self.attend(target, batch, session)
        numbers = (
            torch.cat([batch.numbers, batch.taste, batch.extra], 1) - self.mean
        ) / self.scale
        numbers = torch.cat([numbers, attended], 1)
        first = (
            self.by_user(self.drop(user))
            + self.by_item(self.drop(target))
            + self.by_pooled(self.drop(pooled))
            + self.by_match(self.drop(user * target))
            + self.by_pooled_match(self.drop(pooled * target))
            + self.by_numbers(numbers)
        )
        first = self.drop(torch.relu(self.norm(first)))
        second = self.drop(torch.relu(self.norm_2(self.hidden(first))))
        linear = self.wide_user(user) + self.wide_item(target) + self.wide_match(user * target)
        if self.matches is not None:
            linear = linear + self.matches(batch, self.content)
        return torch.as_tensor((self.out(second) + self.wide(numbers) + linear).squeeze(1))


def create_ranker(
    data: Dataset,
    inputs: Source,
    rows: Tensor,
    *,
    size: RankerSize,
    tables: IdTables | None = None,
) -> Ranker:
    """A ranker with fresh weights; each id has its own row where no `tables` are given.

    The numbers are standardised on the newest MAX_STANDARD of the training `rows`.
    """
    read = columns(inputs, rows[-MAX_STANDARD:], ("numbers", "taste", "extra"))
    numbers = torch.cat(read, 1).double()
    mean, scale = numbers.mean(0), numbers.std(0)
    scale = torch.where(scale < 1e-6, torch.ones_like(scale), scale)
    model = Ranker(size, content(data.items), mean.float(), scale.float(), tables)
    if model.matches is not None:
        model.matches.measure(inputs.take(rows[-overlap_terms.MAX_ROWS :]), model.content)
    return model


def _named(batch: Inputs) -> Tensor:
    """[B, 1 + L] rows of the items that a batch names: target, then session."""
    return torch.cat([batch.target.unsqueeze(1), batch.session], 1)
