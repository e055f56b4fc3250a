"""The exported models: raw ids and session in, the best items and their probabilities out.

Each is one flat module of buffers and functions. That is on purpose: TorchScript names the types
of nested modules by the order in which a process met them, and the artifact's bytes are to depend
on seed and data alone.

Legend of shapes: B batch, L session, I items, D embedding, H hidden, G genres, F numbers, T taste
numbers.
"""

# No `from __future__ import annotations`: TorchScript evaluates the class annotations itself.
import torch
from torch import Tensor, nn

from recommender_training.export.request import choose, read_session, read_user, retrieve
from recommender_training.features.graph import (
    centred,
    genre_profile,
    item_numbers,
    recency_bucket,
    session_numbers,
    taste_numbers,
    taste_vector,
    value_level,
)


class Serving(nn.Module):
    """Buffers that both models need; `state` is made by `export.build`."""

    user_ids: Tensor
    user_side: Tensor
    limits: Tensor
    item_ids: Tensor
    years: Tensor
    genres: Tensor
    genre_shares: Tensor
    events: Tensor
    positives: Tensor
    total: Tensor
    centre: Tensor
    prior: Tensor
    temperature: Tensor
    retrieval: Tensor
    popularity: Tensor

    def __init__(self, state: dict[str, Tensor], history_length: int) -> None:
        super().__init__()
        self.history_length = history_length
        self.item_count = int(state["item_ids"].shape[0])
        for name, value in state.items():
            self.register_buffer(name, value.contiguous())


class RankerServing(Serving):
    """The deep ranker over the whole catalogue."""

    taste_centre: Tensor
    taste_bias: Tensor
    taste_factors: Tensor
    mean: Tensor
    scale: Tensor
    item_vectors: Tensor
    level_vectors: Tensor
    recency_bias: Tensor
    queries: Tensor
    user_vectors: Tensor
    age_vectors: Tensor
    gender_vectors: Tensor
    occupation_vectors: Tensor
    by_user: Tensor
    by_item: Tensor
    by_match: Tensor
    by_pooled: Tensor
    by_pooled_match: Tensor
    by_numbers: Tensor
    first_bias: Tensor
    hidden: Tensor
    hidden_bias: Tensor
    out: Tensor
    out_bias: Tensor
    wide: Tensor

    def forward(
        self,
        user_id: Tensor,
        user_features: Tensor,
        session_items: Tensor,
        session_timestamps: Tensor,
        session_values: Tensor,
        timestamp: Tensor,
        top_n: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Inputs and outputs: docs/contracts.md."""
        user, side = read_user(self.user_ids, self.user_side, self.limits, user_id, user_features)
        seen, _ = read_session(self.item_ids, session_items, session_timestamps, timestamp)
        raw = session_items[:, -self.history_length :]
        times = session_timestamps[:, -self.history_length :]
        values = session_values[:, -self.history_length :]
        rows, present = read_session(self.item_ids, raw, times, timestamp)
        numbers = self.feature_numbers(rows, present, values, times, timestamp)
        pooled, attended = self.attend(rows, present, values, timestamp - times)
        numbers = torch.cat([(numbers - self.mean) / self.scale, attended], 2)
        vector = (
            self.user_vectors[user + 1]
            + self.age_vectors[side[:, 0]]
            + self.gender_vectors[side[:, 1]]
            + self.occupation_vectors[side[:, 2]]
        )
        logit = self.score(vector, pooled, numbers) / self.temperature
        retrieved = retrieve(self.retrieval, rows, present, values)
        rank = logit + retrieved + self.popularity
        return choose(rank, torch.sigmoid(logit), self.item_ids, seen, top_n)

    def feature_numbers(
        self, rows: Tensor, present: Tensor, values: Tensor, times: Tensor, timestamp: Tensor
    ) -> Tensor:
        """[B, I, F + T] numbers of `features.graph` for every item."""
        per_item = item_numbers(
            self.events,
            self.positives,
            self.total,
            self.years,
            timestamp,
            self.item_count,
            self.prior,
        )
        session = session_numbers(present, values, times, timestamp[:, 0], self.centre, self.prior)
        profile = genre_profile(rows, present, values, self.genres, self.centre)
        session = session.unsqueeze(1).expand(-1, self.item_count, -1)
        vector = taste_vector(
            rows, present, values, self.taste_centre, self.taste_bias, self.taste_factors
        )
        taste = taste_numbers(vector.unsqueeze(1), self.taste_bias, self.taste_factors)
        pair = torch.matmul(self.genre_shares, profile)
        return torch.cat([per_item, session, pair, taste], 2)

    def attend(
        self, rows: Tensor, present: Tensor, values: Tensor, seconds: Tensor
    ) -> tuple[Tensor, Tensor]:
        """[B, I, D] the session pooled as each item sees it, and [B, I, 2] attended numbers."""
        keys = self.item_vectors[rows + 1] + self.level_vectors[value_level(values)]
        bias = self.recency_bias[recency_bucket(seconds)]
        bias = bias.masked_fill(~present, float("-inf")).unsqueeze(1)
        logits = torch.matmul(self.queries, keys.transpose(1, 2)) + bias
        null = torch.zeros(logits.size(0), logits.size(1), 1)
        weights = torch.softmax(torch.cat([null, logits], 2), 2)[:, :, 1:]
        told = (weights * centred(values, self.centre).unsqueeze(1)).sum(2)
        return torch.matmul(weights, keys), torch.stack([told, weights.sum(2)], 2)

    def score(self, vector: Tensor, pooled: Tensor, numbers: Tensor) -> Tensor:
        """[B, I] logits. What depends on the user alone is computed once a request."""
        items = self.item_vectors[1:]
        match = vector.unsqueeze(2) * self.by_match
        first = (
            (torch.matmul(vector, self.by_user) + self.first_bias).unsqueeze(1)
            + torch.matmul(items, self.by_item + match)
            + torch.matmul(pooled, self.by_pooled)
            + torch.matmul(pooled * items, self.by_pooled_match)
            + torch.matmul(numbers, self.by_numbers)
        )
        second = torch.relu(torch.matmul(torch.relu(first), self.hidden) + self.hidden_bias)
        return torch.matmul(second, self.out) + torch.matmul(numbers, self.wide) + self.out_bias


class LogisticServing(Serving):
    """The logistic regression over the whole catalogue, with the same signature."""

    numbers: Tensor
    item: Tensor
    side: Tensor
    cross: Tensor
    side_offsets: Tensor

    def forward(
        self,
        user_id: Tensor,
        user_features: Tensor,
        session_items: Tensor,
        session_timestamps: Tensor,
        session_values: Tensor,
        timestamp: Tensor,
        top_n: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Inputs and outputs: docs/contracts.md."""
        _, side = read_user(self.user_ids, self.user_side, self.limits, user_id, user_features)
        seen_rows, _ = read_session(self.item_ids, session_items, session_timestamps, timestamp)
        raw = session_items[:, -self.history_length :]
        times = session_timestamps[:, -self.history_length :]
        values = session_values[:, -self.history_length :]
        rows, present = read_session(self.item_ids, raw, times, timestamp)

        per_item = item_numbers(
            self.events,
            self.positives,
            self.total,
            self.years,
            timestamp,
            self.item_count,
            self.prior,
        )
        session = session_numbers(present, values, times, timestamp[:, 0], self.centre, self.prior)
        profile = genre_profile(rows, present, values, self.genres, self.centre)
        pair = torch.matmul(self.genre_shares, profile)
        cut = per_item.size(2)
        end = cut + session.size(1)
        weight = self.numbers
        logit = torch.matmul(per_item, weight[:cut]) + torch.matmul(pair, weight[end:])
        logit = logit + torch.matmul(session, weight[cut:end]).unsqueeze(1)

        columns = side + self.side_offsets
        logit = logit + self.side[columns].sum(1, keepdim=True) + self.item
        crossed = self.cross[columns].sum(1)
        logit = (logit + torch.matmul(crossed, self.genres.t())) / self.temperature

        retrieved = retrieve(self.retrieval, rows, present, values)
        rank = logit + retrieved + self.popularity
        return choose(rank, torch.sigmoid(logit), self.item_ids, seen_rows, top_n)
