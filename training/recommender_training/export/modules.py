"""Base of the exported models: raw ids and session in, the best items and probabilities out.

Each model is one flat module of buffers and functions. That is on purpose: TorchScript names the
types of nested modules by the order in which a process met them, and the artifact's bytes are to
depend on seed and data alone.

Beside `forward`, which serves, each has `judge`: a later evaluation calls it (`exported_graph`).

An answer has two stages. The first scores every item by what is cheap: item-to-item weights,
popularity, the bonus of item groups and the lift of the towers. The response model then scores the
candidates, the best of the first stage, or every item of a small catalogue. The order of the
answer is the sum of both.

Legend of shapes: B batch, L session, I items, C candidates, D embedding, H hidden, W categories of
an item, M times of items, F columns, K lanes and V numbers of the declared features of user and
context (`features.request_columns`), T taste numbers, P places of
the scan: column 0 is the unknown item, then come the items, then room up to a multiple of SCAN.
"""

# No `from __future__ import annotations`: TorchScript evaluates the class annotations itself.
import torch
from torch import Tensor
from torch.nn.functional import pad

from recommender_training.export.item_pages import SEEN
from recommender_training.export.new_items import NewItemServing, joined
from recommender_training.export.request import (
    best_of,
    followers,
    last,
    nearby,
    neighbours_of,
    no_trends,
    read_session,
    retrieve,
    shortlist,
)
from recommender_training.features import request_columns
from recommender_training.features.graph import (
    aged,
    item_numbers,
    locate,
    newest_two,
    pair_numbers,
    repeat_scores,
    repeat_states,
    side_buckets,
    tag_profile,
    trend_scores,
)
from recommender_training.features.item_content import ItemTags


class Serving(NewItemServing):
    """Buffers that both models need; `state` is made by `export.build`."""

    user_ids: Tensor
    user_side: Tensor
    side_limits: Tensor
    side_served: Tensor
    side_edges: Tensor
    side_banded: Tensor
    side_timed: Tensor
    side_offsets: Tensor
    side_owner: Tensor
    side_embedded: Tensor
    side_lanes: Tensor
    side_lane_owner: Tensor
    side_lane_first: Tensor
    side_lane_embedded: Tensor
    side_numbers: Tensor
    side_number_scale: Tensor
    side_number_rows: Tensor
    item_ids: Tensor
    times: Tensor
    tags: Tensor
    tag_shares: Tensor
    events: Tensor
    positives: Tensor
    total: Tensor
    centre: Tensor
    prior: Tensor
    temperature: Tensor
    offset: Tensor
    retrieval: Tensor
    neighbours: Tensor
    neighbour_weights: Tensor
    repeat_table: Tensor
    repeat_gaps: Tensor
    repeat_seconds: Tensor
    next_starts: Tensor
    next_places: Tensor
    next_weights: Tensor
    next_pairs: Tensor
    trend_weight: Tensor
    trend_sharpness: Tensor
    bonus: Tensor

    tag_ends: list[int]

    def __init__(
        self, state: dict[str, Tensor], history_length: int, tags: ItemTags, candidates: int
    ) -> None:
        """`candidates` are those of a request that the model scores; 0 for every item."""
        super().__init__()
        #: Whether every declared feature of user and context has one column, which names a row.
        self.is_plain = request_columns.is_plain(state["side_lane_first"], state["side_embedded"])
        self.candidates = candidates
        self.history_length = history_length
        self.tag_ends = [0, *tags.ends]  # TorchScript cannot tell the type of an empty list
        self.tag_count = tags.count
        self.item_count = int(state["item_ids"].shape[0])
        self.by_weights = state["retrieval"].numel() > 0
        self.by_neighbours = state["neighbours"].numel() > 0
        self.by_repeats = state["repeat_table"].numel() > 0
        self.by_next = state["next_places"].numel() > 0
        starts = state["next_starts"]
        self.most_next = int((starts[1:] - starts[:-1]).max()) if self.by_next else 0
        self.by_trends = state["trend_weight"].numel() > 0
        self.by_towers = state["tower_items"].numel() > 0
        self.pages_read = int(state["page_read"])
        self.new_kept = int(state["new_count"])
        self.room = SEEN + self.new_kept
        for name, value in state.items():
            self.register_buffer(name, value.contiguous())

    def read_user(
        self, user_id: Tensor, features: Tensor, timestamp: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """[B] rows of the users (-1 unknown) and what is known of the request.

        That is [B, K] rows of a table of the buckets of all attributes, [B, K] what each counts,
        and [B, V] the numbers of embeddings; the latter two are empty where every row counts one.
        A value that the request leaves out (NaN) is read from the table of known users, else it is
        the one declared for serving; a value outside its limits is unknown. Of a time the age at
        the request counts.
        """
        row = locate(self.user_ids, user_id[:, 0])
        given = features[:, : self.side_served.size(0)]
        missing = torch.isnan(given)
        if not self.is_plain:
            given = request_columns.whole(given, self.side_owner, self.side_embedded)
            missing = ~request_columns.said(given, self.side_owner)
        stored = self.user_side[row.clamp(min=0)]
        side = torch.where(missing & (row >= 0).unsqueeze(1), stored, given)
        side = torch.where(torch.isnan(side), self.side_served, side)
        side = aged(side, self.side_timed, timestamp[:, 0])
        inside = (side >= self.side_limits[0]) & (side <= self.side_limits[1])
        side = side.masked_fill(~inside, float("nan"))
        return row, self.lanes_of(side)

    def lanes_of(self, side: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The rows, what they count and the numbers of values [B, F] (`read_user`)."""
        if self.is_plain:
            none = side[:, :0]
            rows = side_buckets(side, self.side_edges, self.side_banded) + self.side_offsets
            return rows, none, none
        side = request_columns.whole(side, self.side_owner, self.side_embedded)
        values = side[:, self.side_lanes]
        lanes = request_columns.named(
            side_buckets(values, self.side_edges, self.side_banded),
            torch.isnan(values),
            self.side_lane_owner,
            self.side_lane_first,
            self.side_lane_embedded,
        )
        numbers = request_columns.scaled(side[:, self.side_numbers], self.side_number_scale)
        rows = lanes.clamp(min=0) + self.side_offsets
        return rows, request_columns.shares(lanes, self.side_lane_owner), numbers

    def last_events(
        self, items: Tensor, times: Tensor, values: Tensor, timestamp: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The events that count: rows of their items, which are present, values and times."""
        length = self.history_length
        times = last(times, length)
        rows, present = read_session(self.item_ids, last(items, length), times, timestamp)
        return rows, present, last(values, length), times

    def numbers_of(self, timestamp: Tensor, rows: Tensor) -> Tensor:
        """[B, C, 2 + 3 M] numbers of the items at `rows` [B, C] from the counts of the export."""
        return item_numbers(
            self.events[rows],
            self.positives[rows],
            self.total[rows],
            self.times[rows],
            timestamp,
            self.item_count,
            self.prior,
        )

    def catalogue_numbers(self, timestamp: Tensor) -> Tensor:
        """[B, I, 2 + 3 M] the same of all items."""
        return item_numbers(
            self.events,
            self.positives,
            self.total,
            self.times,
            timestamp,
            self.item_count,
            self.prior,
        )

    def calibrated(self, logit: Tensor) -> Tensor:
        """[B, C] the calibrated logits."""
        return logit / self.temperature + self.offset

    def pair_part(
        self, session: tuple[Tensor, Tensor, Tensor, Tensor], tags: Tensor, shares: Tensor
    ) -> Tensor:
        """[B, C, .] numbers of session and candidates, whose `tags` and `shares` are [C, W] or
        [B, C, W].
        """
        rows, present, values, _ = session
        profile = tag_profile(rows, present, values, self.tags, self.centre, self.tag_count)
        return pair_numbers(tags, shares, profile, self.tag_ends[1:])

    def retrieved(self, session: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
        """[B, I] how well each item goes with the session."""
        return retrieve(self.retrieval, session[0], session[1], session[2])

    def withheld(self, seen: Tensor, times: Tensor, timestamp: Tensor) -> Tensor:
        """[B, L] rows of the items `seen` that may not come again yet; -1 for the others."""
        if not self.by_repeats:
            return seen
        return seen.masked_fill(timestamp - times >= self.repeat_seconds, -1)

    def forward(
        self,
        user_id: Tensor,
        features: Tensor,
        session_items: Tensor,
        session_timestamps: Tensor,
        session_values: Tensor,
        timestamp: Tensor,
        top_n: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Inputs and outputs: docs/contracts.md."""
        return self.answered(
            user_id,
            features,
            session_items,
            session_timestamps,
            session_values,
            timestamp,
            top_n,
            no_trends(session_items),
        )

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
        """Ids and probabilities of the best items."""
        raise NotImplementedError

    def trends_of(
        self, items: Tensor, counts: Tensor, session_items: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of items [B, T] with decayed counts [B, T] of late: [B, T] their places (0 for those
        that are unknown) and [B, T] what each one gets, and [B, T] their ids and [B, T] the log
        of the counts of those that are unknown, relative to all known ones (`best_of`); -inf for
        the others, and for those of the session.
        """
        rows = locate(self.item_ids, items)
        known = rows >= 0
        at = rows.clamp(min=0)
        whole = (self.total[at] + self.item_count).to(torch.float32)
        events = self.events[at].to(torch.float32) * known.to(torch.float32)
        added = trend_scores(counts, (events + 1.0) / whole) * self.trend_weight
        again = torch.eq(items.unsqueeze(2), session_items.unsqueeze(1)).any(2)
        others = (counts * known.to(torch.float32)).sum(1, keepdim=True) + 1.0
        odds = torch.log(counts / others).masked_fill(known | again, float("-inf"))
        return rows + 1, added, items, odds

    def named_items(
        self,
        session: tuple[Tensor, Tensor, Tensor, Tensor],
        timestamp: Tensor,
        trends: tuple[Tensor, Tensor, Tensor, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """[B, N] places of the items that the request names (0 for none), and [B, N] what each one
        gets for it: those that may come again, that came next before, and that are trending.
        """
        own, of_own = self.own_items(session, timestamp)
        places, added = torch.cat([own, trends[0]], 1), torch.cat([of_own, trends[1]], 1)
        if not self.by_next:
            return places, added
        one, of_one, two, of_two = self.next_items(session)
        return torch.cat([places, one, two], 1), torch.cat([added, of_one, of_two], 1)

    def next_items(
        self, session: tuple[Tensor, Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """[B, N] places of what came after the newest event and [B, N] what each one gets, and the
        same after the newest two.
        """
        newest, before = newest_two(session[0], session[1])
        both = (newest >= 0) & (before >= 0)
        code = (before * self.item_count + newest).masked_fill(~both, -1)
        at = torch.searchsorted(self.next_pairs, code).clamp(max=self.next_pairs.size(0) - 1)
        pair = (self.item_count + at).masked_fill(~both | (self.next_pairs[at] != code), -1)
        starts, places, weights = self.next_starts, self.next_places, self.next_weights
        one, of_one = followers(starts, places, weights, newest, self.most_next)
        two, of_two = followers(starts, places, weights, pair, self.most_next)
        return one, of_one, two, of_two

    def own_items(
        self, session: tuple[Tensor, Tensor, Tensor, Tensor], timestamp: Tensor
    ) -> tuple[Tensor, Tensor]:
        """[B, L] places of the session's items that may come again (0 for none), and [B, L] what
        each one gets for it; [B, 0] where items never come again.
        """
        rows, present, _, times = session
        if not self.by_repeats:
            return rows[:, :0], self.repeat_table.repeat(rows.size(0), 1)
        states, newest = repeat_states(rows, present, times, timestamp[:, 0], self.repeat_gaps)
        added = repeat_scores(states, newest, self.repeat_table)
        return (rows + 1) * newest.to(torch.int64), added

    def first_stage(
        self,
        session: tuple[Tensor, Tensor, Tensor, Tensor],
        seen: Tensor,
        side: tuple[Tensor, Tensor, Tensor],
        timestamp: Tensor,
        trends: tuple[Tensor, Tensor, Tensor, Tensor],
    ) -> Tensor:
        """[B, P] order of every item before the response; -inf for those `seen` [B, L].

        `side` is what `read_user` reads, and `trends` what `trends_of` does.
        """
        named = self.named_items(session, timestamp, trends)
        return self.ordered(self.asked(session, side, timestamp), session, seen, named)

    def asked(
        self,
        session: tuple[Tensor, Tensor, Tensor, Tensor],
        side: tuple[Tensor, Tensor, Tensor],
        timestamp: Tensor,
    ) -> Tensor:
        """[B, D] vectors of the requests; [B, 0] without towers."""
        if self.by_towers:
            return self.request_vectors(session, side, timestamp)
        return torch.zeros(side[0].size(0), 0)

    def ordered(
        self,
        request: Tensor,
        session: tuple[Tensor, Tensor, Tensor, Tensor],
        seen: Tensor,
        named: tuple[Tensor, Tensor],
    ) -> Tensor:
        """[B, P] `first_stage` of requests with these vectors and their `named_items`."""
        if self.by_towers:
            order = torch.addmm(self.standing, request, self.tower_items)
        else:
            order = self.standing.repeat(seen.size(0), 1)
        if self.by_neighbours:
            order = nearby(order, self.neighbours, self.neighbour_weights, session)
        if self.by_weights:
            order = order + pad(
                self.retrieved(session), (1, order.size(1) - self.item_count - 1), value=0.0
            )
        if self.by_repeats or self.by_next or self.by_trends:
            order = order.scatter_add(1, named[0], named[1])
        return order.scatter(1, seen + 1, float("-inf"))

    def every_item(
        self,
        logit: Tensor,
        order: Tensor,
        top_n: Tensor,
        trends: tuple[Tensor, Tensor, Tensor, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Ids and probabilities of the best items, by logit [B, I] and first stage [B, P]."""
        ids = self.item_ids.expand(logit.size(0), -1)
        unknown = (trends[2], trends[3])
        order = order[:, 1 : self.item_count + 1]
        return best_of(ids, logit, order, top_n, unknown, self.trend_sharpness)

    def scanned_exactly(
        self,
        request: Tensor,
        session: tuple[Tensor, Tensor, Tensor, Tensor],
        seen: Tensor,
        named: tuple[Tensor, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """[B, C] places of the candidates among all items, and what orders them."""
        order = self.ordered(request, session, seen, named)
        if self.new_kept == 0:
            return shortlist(order, self.candidates)
        new = self.lifted(request, torch.eq(order[:, self.new_places], float("-inf")))
        of_new = torch.gather(order, 1, new)
        places, value = shortlist(order.scatter_(1, new, float("-inf")), self.candidates)
        return joined(new, of_new, places, value)

    def paged(
        self,
        request: Tensor,
        session: tuple[Tensor, Tensor, Tensor, Tensor],
        seen: Tensor,
        named: tuple[Tensor, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """[B, C] places of the candidates that the pages find, and what orders them."""
        if self.by_neighbours:
            near, added = neighbours_of(self.neighbours, self.neighbour_weights, session)
        else:
            near, added = torch.zeros_like(seen[:, :1]), torch.zeros_like(request[:, :1])
        near, added = torch.cat([near, named[0]], 1), torch.cat([added, named[1]], 1)
        if self.new_kept == 0:
            return self.best_of_pages(request, near, added, seen, self.candidates)
        new = self.lifted_unseen(request, seen)
        of_new = self.order_of(new, request, near, added, seen)
        out = torch.cat([seen, new - 1], 1)
        places, value = self.best_of_pages(request, near, added, out, self.candidates, self.room)
        return joined(new, of_new, places, value)

    def shortlisted(
        self,
        session: tuple[Tensor, Tensor, Tensor, Tensor],
        seen: Tensor,
        side: tuple[Tensor, Tensor, Tensor],
        timestamp: Tensor,
        trends: tuple[Tensor, Tensor, Tensor, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """[B, C] rows of the candidates, and [B, C] what they are ordered by (`first_stage`)."""
        request = self.asked(session, side, timestamp)
        named = self.named_items(session, timestamp, trends)
        if self.pages_read > 0:
            places, value = self.paged(request, session, seen, named)
        else:
            places, value = self.scanned_exactly(request, session, seen, named)
        return (places - 1).clamp(min=0, max=self.item_count - 1), value

    def of_candidates(
        self,
        logit: Tensor,
        rows: Tensor,
        order: Tensor,
        top_n: Tensor,
        trends: tuple[Tensor, Tensor, Tensor, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Ids and probabilities of the best candidates, whose `rows` and `order` are [B, C]."""
        unknown = (trends[2], trends[3])
        return best_of(self.item_ids[rows], logit, order, top_n, unknown, self.trend_sharpness)


class ReadsTrends(Serving):
    """A graph with two more inputs. Triton knows no optional ones."""

    def forward(  # type: ignore[override]
        self,
        user_id: Tensor,
        features: Tensor,
        session_items: Tensor,
        session_timestamps: Tensor,
        session_values: Tensor,
        timestamp: Tensor,
        top_n: Tensor,
        trend_items: Tensor,
        trend_counts: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Inputs and outputs: docs/contracts.md."""
        return self.answered(
            user_id,
            features,
            session_items,
            session_timestamps,
            session_values,
            timestamp,
            top_n,
            self.trends_of(trend_items, trend_counts, session_items),
        )
