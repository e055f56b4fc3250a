"""The model's inputs, assembled in one place from a request, its candidates and the catalogue.

Training rows (`features.event_features`), the evaluation of lists (`features.catalogue_state`) and
the comparison of exported graphs make the same two parts and differ in where these come from: a
row of the data set is a request with one candidate, a list is a request with several or with all
items. The formulas are those of `features.graph`, which the exported graphs hold as well, and the
names of the columns those of `features.model_features`.

Legend of shapes: R requests, C candidates of each, N = R * C inputs, L history length, I items,
G categories of items, F numbers, T taste numbers, E numbers of the feature groups, K lanes of
the declared features of user and context, V numbers of their embeddings, A columns of the context.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from recommender_contract.resource.hyperparameters import FeatureGroup
from recommender_training.common.arrays import Floats, Ints
from recommender_training.data.dataset import Dataset, Events
from recommender_training.data.items import Items
from recommender_training.features import attributes, graph
from recommender_training.features.event_history import ItemCounts
from recommender_training.features.item_content import item_tags


@dataclass(frozen=True)
class Constants:
    """Numbers that are frozen on the training window and travel with the model."""

    centre: float  # mean value of an event
    prior: float  # share of positive responses
    groups: tuple[FeatureGroup, ...] = ()  # that the ranker reads, in the order of `declared`


@dataclass(frozen=True)
class Inputs:
    """Inputs of both models, one row a candidate."""

    user: Tensor  # [N] row + 1; 0 unknown
    side: Tensor  # [N, K] buckets of the declared features of user and context; 0 unknown, -1 none
    vector: Tensor  # [N, V] embeddings of user and context, scaled; 0 where one is unknown
    target: Tensor  # [N] row of the item + 1
    session: Tensor  # [N, L] row of the item + 1; 0 padding or unknown
    present: Tensor  # [N, L]
    recency: Tensor  # [N, L]
    level: Tensor  # [N, L]
    value: Tensor  # [N, L] centred
    numbers: Tensor  # [N, F]
    taste: Tensor  # [N, T]
    label: Tensor  # [N] float
    extra: Tensor  # [N, E]
    items_at: Tensor  # [N] seconds since 1970; what is known of items is that of this time

    def take(self, rows: Tensor) -> Inputs:
        """The rows of a batch."""
        return Inputs(*(getattr(self, field.name).index_select(0, rows) for field in fields(self)))

    def to(self, device: torch.device) -> Inputs:
        """The same on a device."""
        return Inputs(*(getattr(self, field.name).to(device) for field in fields(self)))

    def __len__(self) -> int:
        return int(self.label.shape[0])


@dataclass(frozen=True)
class Sessions:
    """The last events before each request, oldest first."""

    item: Tensor  # [R, L] row of the item, -1 padding
    present: Tensor  # [R, L]
    value: Tensor  # [R, L] 0 padding
    time: Tensor  # [R, L] seconds since 1970, 0 padding

    @classmethod
    def of(cls, events: Events, rows: Ints) -> Sessions:
        """The events at `rows` [R, L]; -1 is padding."""
        present, at = rows >= 0, np.maximum(rows, 0)
        return cls(
            torch.from_numpy(np.where(present, events.item[at], -1).astype(np.int64)),
            torch.from_numpy(present),
            torch.from_numpy(np.where(present, events.value[at], 0.0).astype(np.float32)),
            torch.from_numpy(np.where(present, events.time[at], 0)),
        )


@dataclass(frozen=True)
class Requests:
    """Who makes each request and when, and what the user did before. Rows of the data set."""

    user: Ints  # [R] row of the user
    time: Ints  # [R] seconds since 1970
    session: Ints  # [R, L] rows of the events, oldest first, -1 padding
    context: Floats  # [R, A] values of the declared features; NaN unknown

    @classmethod
    def padded(
        cls, user: Ints, time: Ints, sessions: Sequence[Ints], length: int, context: Floats
    ) -> Requests:
        """Requests whose `sessions`, rows of at most `length` events each, are padded at the left.

        `context` is [R, A].
        """
        rows = np.full((len(sessions), length), -1, dtype=np.int64)
        for place, session in enumerate(sessions):
            rows[place, length - len(session) :] = session
        return cls(user, time, rows, context)

    def sessions(self, events: Events) -> Sessions:
        """The sessions as tensors."""
        return Sessions.of(events, self.session)


@dataclass(frozen=True)
class Candidates:
    """Items of each request, and what was known of them at its time."""

    item: Ints  # [R, C] row of the item
    counts: ItemCounts  # [R, C]
    taste: Tensor  # [R, C, T]
    extra: Tensor  # [R, C, E]


def assemble(
    data: Dataset,
    frozen: Constants,
    requests: Requests,
    candidates: Candidates,
    label: Tensor | None = None,
) -> Inputs:
    """The inputs of every candidate, those of the first request first.

    `label` is [N]; zeros where it is not given.
    """
    sessions, now = requests.sessions(data.events), torch.from_numpy(requests.time)
    side = data.side(requests.user, requests.time, requests.context)
    width = candidates.item.shape[1]

    def of_request(values: Tensor) -> Tensor:
        """[N, ...] the values [R, ...] of each candidate's request."""
        spread = values.unsqueeze(1).expand(-1, width, *values.shape[1:])
        return spread.flatten(0, 1)

    return Inputs(
        user=of_request(torch.from_numpy(requests.user) + 1),
        side=of_request(attributes.buckets(data, side, requests.time)),
        vector=of_request(attributes.vectors(data, side)),
        target=torch.from_numpy(candidates.item).flatten() + 1,
        session=of_request(sessions.item + 1),
        present=of_request(sessions.present),
        recency=of_request(graph.recency_bucket(now.unsqueeze(1) - sessions.time)),
        level=of_request(graph.value_level(sessions.value)),
        value=of_request(graph.centred(sessions.value, torch.tensor(frozen.centre))),
        numbers=_numbers(data, frozen, requests, sessions, candidates).flatten(0, 1),
        taste=candidates.taste.flatten(0, 1),
        label=torch.zeros(candidates.item.size) if label is None else label,
        extra=candidates.extra.flatten(0, 1),
        items_at=of_request(torch.from_numpy(data.items.seen_at(requests.time))),
    )


def of_requests(data: Dataset, frozen: Constants, requests: Requests) -> Inputs:
    """[R] the inputs of requests without a candidate: what a model reads of them alone.

    The columns of the candidate are those of the first item, without an event.
    """
    item = np.zeros((len(requests.user), 1), dtype=np.int64)
    shape = (len(item), 1)
    none = Candidates(
        item,
        ItemCounts(item, item, item),
        torch.zeros(*shape, len(graph.TASTE_NUMBERS)),
        torch.zeros(*shape, 0),
    )
    return assemble(data, frozen, requests, none)


def _numbers(
    data: Dataset,
    frozen: Constants,
    requests: Requests,
    sessions: Sessions,
    candidates: Candidates,
) -> Tensor:
    """[R, C, F] the numbers that both models read."""
    counts, now = candidates.counts, torch.from_numpy(requests.time)
    items_at = data.items.seen_at(requests.time)[:, None]
    known, rows = data.items.at(candidates.item, items_at)
    centre, prior = torch.tensor(frozen.centre), torch.tensor(frozen.prior)
    item_part = graph.item_numbers(
        torch.from_numpy(counts.events),
        torch.from_numpy(counts.positives),
        torch.from_numpy(counts.total),
        torch.from_numpy(known.times[rows]),
        now.unsqueeze(1),
        data.items.count,
        prior,
    )
    session_part = graph.session_numbers(
        sessions.present, sessions.value, sessions.time, now, centre, prior
    )
    tags, at = item_tags(known), torch.from_numpy(rows)
    profile = graph.tag_profile(
        _rows_at(data.items, sessions.item, items_at),
        sessions.present,
        sessions.value,
        tags.places,
        centre,
        tags.count,
    )
    pair_part = graph.pair_numbers(tags.places[at], tags.shares[at], profile, tags.ends)
    return graph.model_numbers(item_part, session_part, pair_part)


def _rows_at(items: Items, named: Tensor, times: Ints) -> Tensor:
    """[R, L] rows of the table of `Items.at` of the items `named` [R, L]; -1 is padding."""
    if items.history is None:
        return named
    _, rows = items.at(named.clamp(min=0).numpy(), times)
    return torch.from_numpy(rows).masked_fill(named < 0, -1)
