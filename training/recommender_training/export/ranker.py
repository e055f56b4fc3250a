"""The deep ranker as it serves and as it is evaluated.

Legend: `export.modules`, and F numbers, E numbers of the feature groups, R rated
features.
"""

# No `from __future__ import annotations`: TorchScript evaluates the class annotations itself.
import torch
from torch import Tensor

from recommender_contract.resource.hyperparameters import FeatureGroup
from recommender_training.export.modules import ReadsTrends
from recommender_training.export.overlap_serving import OverlapServing
from recommender_training.export.request import read_session
from recommender_training.features.graph import (
    calendar_numbers,
    centred,
    item_numbers,
    locate,
    model_numbers,
    recency_bucket,
    session_numbers,
    taste_numbers,
    taste_vector,
    value_level,
)
from recommender_training.features.item_content import ItemTags
from recommender_training.features.request_columns import add_side


class RankerServing(OverlapServing):
    """The deep ranker over the candidates of a request, or over the whole catalogue."""

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
    user_rows: Tensor
    side_vectors: Tensor
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
    wide_user: Tensor
    wide_item: Tensor
    wide_match: Tensor
    by_bucket: Tensor
    rated: Tensor
    rated_lanes: Tensor
    rated_offsets: Tensor
    rolling: Tensor
    groups: list[str]

    def __init__(
        self,
        state: dict[str, Tensor],
        history_length: int,
        tags: ItemTags,
        candidates: int,
        groups: tuple[FeatureGroup, ...],
    ) -> None:
        """`groups` are the feature groups that it reads; `judge` reads their numbers."""
        super().__init__(state, history_length, tags, candidates)
        self.groups = [group.value for group in groups]
        self.shares_users = state["user_rows"].numel() > 0
        self.reads_demographics = FeatureGroup.DEMOGRAPHIC_RATES in groups
        self.reads_rolling = FeatureGroup.ROLLING_POPULARITY in groups
        self.reads_calendar = FeatureGroup.CALENDAR in groups

    def answered(
        self,
        user_id: Tensor,
        features: Tensor,
        session_items: Tensor,
        session_timestamps: Tensor,
        session_values: Tensor,
        timestamp: Tensor,
        top_n: Tensor,
        trends: tuple[Tensor, Tensor, Tensor, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Ids and probabilities of the best items; `trends` as of `trends_of`."""
        user, side = self.read_user(user_id, features, timestamp)
        seen, _ = read_session(self.item_ids, session_items, session_timestamps, timestamp)
        seen = self.withheld(seen, session_timestamps, timestamp)
        session = self.last_events(session_items, session_timestamps, session_values, timestamp)
        vector = self.user_vector(user, side)
        if self.candidates == 0:
            order = self.first_stage(session, seen, side, timestamp, trends)
            logit = self.logits(
                vector,
                session,
                timestamp,
                self.catalogue_numbers(timestamp),
                self.tags,
                self.tag_shares,
                self.catalogue_extras(self.catalogue_taste(session), side, timestamp),
                self.item_vectors[1:],
                self.queries[1:],
                self.matched(
                    side, self.tags, self.tag_shares, torch.arange(1, self.item_count + 1)
                ),
            )
            return self.every_item(logit, order, top_n, trends)
        rows, first = self.shortlisted(session, seen, side, timestamp, trends)
        tags, shares = self.tags[rows], self.tag_shares[rows]
        logit = self.logits(
            vector,
            session,
            timestamp,
            self.numbers_of(timestamp, rows),
            tags,
            shares,
            self.extras_of(self.taste_of(session, rows), side, timestamp, rows),
            self.item_vectors[rows + 1],
            self.queries[rows + 1],
            self.matched(side, tags, shares, rows + 1),
        )
        return self.of_candidates(logit, rows, first, top_n, trends)

    @torch.jit.export
    def judge(
        self,
        user_id: Tensor,
        features: Tensor,
        session_items: Tensor,
        session_timestamps: Tensor,
        session_values: Tensor,
        timestamp: Tensor,
        item_ids: Tensor,
        events: Tensor,
        positives: Tensor,
        total: Tensor,
        taste: Tensor,
        item_count: int,
    ) -> Tensor:
        """[B, C] calibrated logits of given items, from counts and taste that are given, too.

        So a served version is evaluated on the rows of a later training, with what was known
        before each row. `item_ids`, `events` and `positives` are [B, C], `total` is [B, 1],
        `taste` is [B, C, T + E]: the taste numbers, then those of the groups that it reads.
        """
        user, side = self.read_user(user_id, features, timestamp)
        session = self.last_events(session_items, session_timestamps, session_values, timestamp)
        place = locate(self.item_ids, item_ids)
        known, at = place >= 0, place.clamp(min=0)
        times = self.times[at].masked_fill(~known.unsqueeze(2), float("nan"))
        tags, shares = self.tags[at], self.tag_shares[at] * known.unsqueeze(2)
        return self.logits(
            self.user_vector(user, side),
            session,
            timestamp,
            item_numbers(events, positives, total, times, timestamp, item_count, self.prior),
            tags,
            shares,
            taste,
            self.item_vectors[place + 1],
            self.queries[place + 1],
            self.matched(side, tags, shares, place + 1),
        )

    def session_taste(self, session: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
        """[B, 1, K + 1] taste of the session by the factors of the export."""
        rows, present, values, _ = session
        return taste_vector(
            rows, present, values, self.taste_centre, self.taste_bias, self.taste_factors
        ).unsqueeze(1)

    def catalogue_taste(self, session: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
        """[B, I, T] numbers of all items."""
        return taste_numbers(self.session_taste(session), self.taste_bias, self.taste_factors)

    def taste_of(self, session: tuple[Tensor, Tensor, Tensor, Tensor], rows: Tensor) -> Tensor:
        """[B, C, T] numbers of the items at `rows` [B, C]."""
        return taste_numbers(
            self.session_taste(session), self.taste_bias[rows], self.taste_factors[rows]
        )

    def rated_columns(self, side: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """[B, R] rows of `by_bucket` for the buckets of each request."""
        at = self.rated_lanes
        return side[0][:, at] - self.side_offsets[at] + self.rated_offsets

    def catalogue_extras(
        self, taste: Tensor, side: tuple[Tensor, Tensor, Tensor], timestamp: Tensor
    ) -> Tensor:
        """[B, I, T + E] the taste numbers and, behind them, those of the feature groups.

        Windows and rates are those of the export: their time stands still, as that of the counts.
        """
        parts = [taste]
        if self.reads_demographics:
            parts.append(self.by_bucket[self.rated_columns(side)].transpose(1, 2))
        if self.reads_rolling:
            parts.append(self.rolling.unsqueeze(0).expand(taste.size(0), -1, -1))
        return self.with_calendar(parts, timestamp)

    def extras_of(
        self,
        taste: Tensor,
        side: tuple[Tensor, Tensor, Tensor],
        timestamp: Tensor,
        rows: Tensor,
    ) -> Tensor:
        """[B, C, T + E] the same of the items at `rows` [B, C]."""
        parts = [taste]
        if self.reads_demographics:
            columns = self.rated_columns(side).unsqueeze(1)
            parts.append(self.by_bucket[columns, rows.unsqueeze(2)])
        if self.reads_rolling:
            parts.append(self.rolling[rows])
        return self.with_calendar(parts, timestamp)

    def with_calendar(self, parts: list[Tensor], timestamp: Tensor) -> Tensor:
        """[B, C, T + E] the parts [B, C, .] joined, and the calendar if it is read."""
        if self.reads_calendar:
            numbers = calendar_numbers(timestamp[:, 0]).unsqueeze(1)
            parts.append(numbers.expand(-1, parts[0].size(1), -1))
        return torch.cat(parts, 2)

    def user_row(self, user: Tensor) -> Tensor:
        """[B] rows of `user_vectors`; rare users share some of them."""
        if self.shares_users:
            return self.user_rows[user + 1].to(torch.int64)
        return user + 1

    def user_vector(self, user: Tensor, side: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """[B, D] vectors of the users."""
        known = self.user_vectors[self.user_row(user)]
        return add_side(known, self.side_vectors, side, self.side_number_rows)

    def logits(
        self,
        user: Tensor,
        session: tuple[Tensor, Tensor, Tensor, Tensor],
        timestamp: Tensor,
        per_item: Tensor,
        tags: Tensor,
        shares: Tensor,
        taste: Tensor,
        items: Tensor,
        queries: Tensor,
        matched: Tensor,
    ) -> Tensor:
        """[B, C] calibrated logits of candidates.

        `per_item` is [B, C, 2 + 3 M], `taste` [B, C, T + E]; `tags`, `shares`, `items` and
        `queries` are [C, .] or [B, C, .]. `matched` [B, C] is added to the logits.
        """
        rows, present, values, times = session
        session_part = session_numbers(
            present, values, times, timestamp[:, 0], self.centre, self.prior
        )
        pair_part = self.pair_part(session, tags, shares)
        numbers = torch.cat([model_numbers(per_item, session_part, pair_part), taste], 2)
        pooled, attended = self.attend(rows, present, values, timestamp - times, queries)
        numbers = torch.cat([(numbers - self.mean) / self.scale, attended], 2)
        return self.calibrated(self.score(user, items, pooled, numbers) + matched)

    def attend(
        self, rows: Tensor, present: Tensor, values: Tensor, seconds: Tensor, queries: Tensor
    ) -> tuple[Tensor, Tensor]:
        """[B, C, D] the session pooled as each item sees it, and [B, C, 2] attended numbers."""
        keys = self.item_vectors[rows + 1] + self.level_vectors[value_level(values)]
        bias = self.recency_bias[recency_bucket(seconds)]
        bias = bias.masked_fill(~present, float("-inf")).unsqueeze(1)
        logits = torch.matmul(queries, keys.transpose(1, 2)) + bias
        null = torch.zeros(logits.size(0), logits.size(1), 1)
        weights = torch.softmax(torch.cat([null, logits], 2), 2)[:, :, 1:]
        attended = (weights * centred(values, self.centre).unsqueeze(1)).sum(2)
        return torch.matmul(weights, keys), torch.stack([attended, weights.sum(2)], 2)

    def score(self, vector: Tensor, items: Tensor, pooled: Tensor, numbers: Tensor) -> Tensor:
        """[B, C] logits. What depends on the user alone is computed once a request."""
        match = vector.unsqueeze(2) * self.by_match
        first = (
            (torch.matmul(vector, self.by_user) + self.first_bias).unsqueeze(1)
            + torch.matmul(items, self.by_item + match)
            + torch.matmul(pooled, self.by_pooled)
            + torch.matmul(pooled * items, self.by_pooled_match)
            + torch.matmul(numbers, self.by_numbers)
        )
        second = torch.relu(torch.matmul(torch.relu(first), self.hidden) + self.hidden_bias)
        linear = torch.matmul(vector, self.wide_user).unsqueeze(1)
        # one product with the items for main effects and matches
        of_items = (vector * self.wide_match + self.wide_item).unsqueeze(2)
        linear = linear + torch.matmul(items, of_items).squeeze(2)
        network = torch.matmul(second, self.out) + self.out_bias
        return network + torch.matmul(numbers, self.wide) + linear


class TrendingRanker(ReadsTrends, RankerServing):
    """The same, which reads trends."""
