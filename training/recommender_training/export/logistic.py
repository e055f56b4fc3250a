"""The logistic regression as it serves and as it is evaluated. Legend: `export.modules`."""

# No `from __future__ import annotations`: TorchScript evaluates the class annotations itself.
import torch
from torch import Tensor

from recommender_training.export.modules import ReadsTrends, Serving
from recommender_training.export.request import read_session
from recommender_training.features.graph import (
    item_numbers,
    locate,
    session_numbers,
)
from recommender_training.features.request_columns import summed


class LogisticServing(Serving):
    """The logistic regression, with the same signature and stages."""

    numbers: Tensor
    item: Tensor
    side: Tensor
    cross: Tensor
    crossed_tags: Tensor

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
        _, side = self.read_user(user_id, features, timestamp)
        seen, _ = read_session(self.item_ids, session_items, session_timestamps, timestamp)
        seen = self.withheld(seen, session_timestamps, timestamp)
        session = self.last_events(session_items, session_timestamps, session_values, timestamp)
        weights = summed(self.cross, side)
        if self.candidates == 0:
            order = self.first_stage(session, seen, side, timestamp, trends)
            crossed = torch.matmul(weights, self.crossed_tags.t())
            logit = self.logits(
                side,
                session,
                timestamp,
                self.catalogue_numbers(timestamp),
                self.tags,
                self.tag_shares,
                self.item[1:] + crossed,
            )
            return self.every_item(logit, order, top_n, trends)
        rows, first = self.shortlisted(session, seen, side, timestamp, trends)
        crossed = torch.matmul(self.crossed_tags[rows], weights.unsqueeze(2)).squeeze(2)
        logit = self.logits(
            side,
            session,
            timestamp,
            self.numbers_of(timestamp, rows),
            self.tags[rows],
            self.tag_shares[rows],
            self.item[rows + 1] + crossed,
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
        taste: Tensor,  # noqa: ARG002 -- one signature; this model reads none
        item_count: int,
    ) -> Tensor:
        """[B, C] calibrated logits of given items, from counts of items that are given, too.

        So a served version is evaluated on the rows of a later training, with what was known
        before each row. `item_ids`, `events` and `positives` are [B, C], `total` is [B, 1],
        `taste` is [B, C, T].
        """
        _, side = self.read_user(user_id, features, timestamp)
        session = self.last_events(session_items, session_timestamps, session_values, timestamp)
        place = locate(self.item_ids, item_ids)
        known, at = place >= 0, place.clamp(min=0)
        times = self.times[at].masked_fill(~known.unsqueeze(2), float("nan"))
        few = self.crossed_tags[at] * known.unsqueeze(2)
        crossed = torch.matmul(few, summed(self.cross, side).unsqueeze(2)).squeeze(2)
        return self.logits(
            side,
            session,
            timestamp,
            item_numbers(events, positives, total, times, timestamp, item_count, self.prior),
            self.tags[at],
            self.tag_shares[at] * known.unsqueeze(2),
            self.item[place + 1] + crossed,
        )

    def logits(
        self,
        side: tuple[Tensor, Tensor, Tensor],
        session: tuple[Tensor, Tensor, Tensor, Tensor],
        timestamp: Tensor,
        per_item: Tensor,
        tags: Tensor,
        shares: Tensor,
        of_item: Tensor,
    ) -> Tensor:
        """[B, C] calibrated logits; `of_item` [B, C] is what items add, crosses included."""
        _, present, values, times = session
        session_part = session_numbers(
            present, values, times, timestamp[:, 0], self.centre, self.prior
        )
        pair = self.pair_part(session, tags, shares)
        cut = per_item.size(2)
        end = cut + session_part.size(1)
        weight = self.numbers
        logit = torch.matmul(per_item, weight[:cut]) + torch.matmul(pair, weight[end:])
        logit = logit + torch.matmul(session_part, weight[cut:end]).unsqueeze(1)
        return self.calibrated(logit + summed(self.side.unsqueeze(1), side) + of_item)


class TrendingLogistic(ReadsTrends, LogisticServing):
    """The same, which reads trends."""
