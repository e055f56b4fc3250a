"""Feature code that runs inside the exported model and in training alike: one code, no skew.

All functions are TorchScript. Legend of shapes: B batch, L session, I items, G categories,
S session statistics, F numbers, C candidates (1 in training, I when serving), K factors.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from recommender_training.features import model_features
from recommender_training.features.share import share_logit

#: Columns of `session_numbers` (S), in the order of the model.
SESSION_NUMBERS = model_features.feature_names("session_numbers")
#: Columns of `taste_numbers`, which the deep ranker reads besides those of both models.
TASTE_NUMBERS = model_features.feature_names("taste_numbers")

#: Buckets of the time since a session event: powers of two of a minute, up to about a year.
RECENCY_BUCKETS = 20
#: Levels of an event's value: 0 unknown, then 1 to 5.
VALUE_LEVELS = 6
#: States of an item of the session (`repeat_states`): six counts, eleven ages.
REPEAT_STATES = 66


def locate(sorted_ids: Tensor, ids: Tensor) -> Tensor:
    """Row of each raw id among the sorted ids; -1 where it is unknown."""
    place = torch.searchsorted(sorted_ids, ids.contiguous()).clamp(max=sorted_ids.size(0) - 1)
    return torch.where(sorted_ids[place] == ids, place, torch.full_like(place, -1))


def aged(side: Tensor, timed: Tensor, now: Tensor) -> Tensor:
    """[N, K] the same with ages for times: days from each to its request, 0 if it comes later.

    The value of a `timed` [K] attribute is a time in days since 1970, `now` [N] is in seconds.
    The difference is taken in double precision.
    """
    days = now.to(torch.float64).unsqueeze(1) / 86_400.0 - side.to(torch.float64)
    return torch.where(timed, days.clamp(min=0.0).to(torch.float32), side)


def side_buckets(side: Tensor, edges: Tensor, banded: Tensor) -> Tensor:
    """[..., K] buckets of what a request says: 0 for unknown (NaN), else category or band + 1.

    The value of a `banded` [K] attribute is a number, whose band is between `edges` [K, E]; the
    others are indices of categories.
    """
    band = (side.unsqueeze(-1) >= edges).to(torch.int64).sum(-1)
    unknown = torch.isnan(side)
    category = side.masked_fill(unknown, 0.0).to(torch.int64)
    return (torch.where(banded, band, category) + 1).masked_fill(unknown, 0)


def add_rows(start: Tensor, table: Tensor, rows: Tensor) -> Tensor:
    """[B, D] `start` and the rows of `table` [P, D] that `rows` [B, K] names, added in order."""
    for place in range(rows.size(1)):
        start = start + table[rows[:, place]]
    return start


def recency_bucket(seconds: Tensor) -> Tensor:
    """Bucket of a positive time difference in seconds."""
    minutes = seconds.clamp(min=0).to(torch.float32) / 60.0
    return torch.log2(minutes + 1.0).to(torch.int64).clamp(max=19)


def value_level(values: Tensor) -> Tensor:
    """Level of a value: 0 for unknown (not above zero)."""
    level = torch.round(values).clamp(min=1.0, max=5.0).to(torch.int64)
    return torch.where(values > 0, level, torch.zeros_like(level))


def centred(values: Tensor, centre: Tensor) -> Tensor:
    """Values less their training mean; 0 where unknown."""
    return torch.where(values > 0, values - centre, torch.zeros_like(values))


def added_events(prior: Tensor, least: float) -> Tensor:
    """Events of the overall share `prior` that smoothing adds to a count.

    `least`, and with rare positives as many as one positive is expected in: with fewer, an item
    that has none yet would look far below the overall share after a few events.
    """
    return torch.clamp(1.0 / prior, min=least)


def least_gap(gap: Tensor, present: Tensor) -> Tensor:
    """[B] the least gap in seconds of the present events [B, L]; a year at most, and for none."""
    far = torch.full_like(gap, 31_536_000)
    least: Tensor = torch.where(present, gap, far).min(1).values
    return least.clamp(max=31_536_000).to(torch.float32)


def session_numbers(
    present: Tensor, values: Tensor, times: Tensor, now: Tensor, centre: Tensor, prior: Tensor
) -> Tensor:
    """[B, S] statistics of the present (strictly earlier) events of a session.

    The time since the last positive event is read as a logarithm, and as a share that falls to a
    half within a minute: who has just responded may well do so again before leaving (ADR 0105).
    """
    mask = present.to(torch.float32)
    known = mask * (values > 0).to(torch.float32)
    length = mask.sum(1)
    known_length = known.sum(1)
    deviation = centred(values, centre) * known
    mean = deviation.sum(1) / (known_length + 2.0)
    spread = torch.sqrt((deviation * deviation).sum(1) / (known_length + 1.0))
    liked = present & (values >= 4.0)
    added = added_events(prior, 3.0)
    rate = (liked.to(torch.float32).sum(1) + added * prior) / (known_length + added)
    gap = (now.unsqueeze(1) - times).clamp(min=0)
    last = least_gap(gap, present)
    positive = least_gap(gap, liked)
    recent = (mask * (gap < 1800).to(torch.float32)).sum(1)
    columns = [
        torch.log1p(length),
        mean,
        share_logit(rate),
        spread,
        torch.log1p(last),
        torch.log1p(recent),
        torch.log1p(positive),
        1.0 / (1.0 + positive / 60.0),
    ]
    return torch.stack(columns, 1)


def tag_profile(
    items: Tensor, present: Tensor, values: Tensor, tags: Tensor, centre: Tensor, count: int
) -> Tensor:
    """[B, G + 1, 2] of each category of items: shrunk mean of the session's centred values, and
    share of the session.

    `items` are rows of the catalogue, -1 unknown; `tags` [I, W] are the categories of each item
    of `count` (G); G is none.
    """
    usable = present & (items >= 0)
    places = tags[items.clamp(min=0)].masked_fill(~usable.unsqueeze(2), count).flatten(1)
    weight = centred(values, centre).unsqueeze(2).expand(-1, -1, tags.size(1)).flatten(1)
    zeros = torch.zeros(items.size(0), count + 1, dtype=weight.dtype, device=weight.device)
    seen = zeros.scatter_add(1, places, torch.ones_like(weight))
    value = zeros.scatter_add(1, places, weight) / (seen + 2.0)
    share = seen / (usable.to(torch.float32).sum(1, keepdim=True) + 1.0)
    return torch.stack([value, share], 2)


def item_numbers(
    events: Tensor,
    positives: Tensor,
    total: Tensor,
    times: Tensor,
    now: Tensor,
    item_count: int,
    prior: Tensor,
) -> Tensor:
    """[..., 2 + 3 M] numbers of items from their counts before the request; shapes broadcast.

    Popularity is relative to the mean item, so that it does not grow with the data. Of each time
    of the items, `times` [..., M] in seconds, what has passed since, in years and in days, and
    whether it is known.
    """
    count = events.to(torch.float32)
    added = added_events(prior, 10.0)
    rate = (positives.to(torch.float32) + added * prior) / (count + added)
    mean = (total.to(torch.float32) + float(item_count)) / float(item_count)
    popularity = torch.log((count + 1.0) / mean)
    known = (~torch.isnan(times)).to(torch.float32)
    since = (now.to(torch.float64).unsqueeze(-1) - times).nan_to_num(0.0).to(torch.float32)
    days = (since / 86_400.0).clamp(min=0.0, max=36_525.0)
    ages = torch.cat(
        [torch.log1p(days / 365.2425) * known, torch.log1p(days) * known, known + since * 0.0], -1
    )
    logit = share_logit(rate)
    zero = torch.zeros_like(logit + now.to(torch.float32))  # gives all the common shape
    counted = torch.stack([logit + zero, popularity + zero], -1)
    return torch.cat([counted, ages.expand(zero.shape + ages.shape[-1:])], -1)


def pair_numbers(tags: Tensor, shares: Tensor, profile: Tensor, ends: list[int]) -> Tensor:
    """[B, C, 2 * blocks] how the session's items of like categories were valued, feature by
    feature, and their share of the session.

    `tags` and `shares` are [C, W] or [B, C, W], `profile` is [B, G + 1, 2] (`tag_profile`); the
    columns of a feature end at its place of `ends`.
    """
    batch, count, width = profile.size(0), tags.size(-2), tags.size(-1)
    at = tags.expand(batch, count, width).flatten(1).unsqueeze(2).expand(-1, -1, 2)
    found = torch.gather(profile, 1, at).view(batch, count, width, 2) * shares.unsqueeze(-1)
    parts = [found[:, :, :0].flatten(2)]
    start = 0
    for end in ends:
        parts.append(found[:, :, start:end].sum(2))
        start = end
    return torch.cat(parts, 2)


def model_numbers(item_part: Tensor, session_part: Tensor, pair_part: Tensor) -> Tensor:
    """[B, C, F] numbers of candidates: of the item [B, C, .], the session [B, S] and the pair."""
    spread = session_part.unsqueeze(1).expand(-1, item_part.size(1), -1)
    return torch.cat([item_part, spread, pair_part], 2)


def newer_events(present: Tensor) -> Tensor:
    """[B, L] how many present events of the session come after each."""
    mask = present.to(torch.int64)
    return mask.flip([1]).cumsum(1).flip([1]) - mask


def event_weights(present: Tensor, values: Tensor) -> Tensor:
    """[B, L] weight of each event of a session in the retrieval: 1 for the newest one.

    e times less with every eight newer events, twice as much for a positive value.
    """
    mask = present.to(torch.float32)
    return (
        mask * torch.exp(-newer_events(present) / 8.0) * (1.0 + (values >= 4.0).to(torch.float32))
    )


def repeat_states(
    rows: Tensor, present: Tensor, times: Tensor, now: Tensor, gaps: Tensor
) -> tuple[Tensor, Tensor]:
    """[B, L] the state of each event's item at `now` [B], and [B, L] whether the event is the
    newest one of its item.

    `rows` of the catalogue are -1 for an unknown item, `gaps` [I] are the usual seconds between
    two events. A state is the number of events (1, 2, 3, to 5, to 8, more), and the power of two
    that the time since the newest one is of the usual gap, from -5 to 5.
    """
    known = present & (rows >= 0)
    same = torch.eq(rows.unsqueeze(2), rows.unsqueeze(1)) & known.unsqueeze(1)
    place = torch.arange(rows.size(1))
    later = place.unsqueeze(0) > place.unsqueeze(1)
    newest = known & ~(same & later).any(2)
    count = same.to(torch.int64).sum(2)
    level = (count >= 2).to(torch.int64) + (count >= 3).to(torch.int64)
    level = level + (count >= 4).to(torch.int64) + (count >= 6).to(torch.int64)
    level = level + (count >= 9).to(torch.int64)
    since = (now.unsqueeze(1) - times).clamp(min=1).to(torch.float32)
    age = torch.round(torch.log2(since / gaps[rows.clamp(min=0)])).clamp(-5.0, 5.0)
    return level * 11 + age.to(torch.int64) + 5, newest


def repeat_scores(states: Tensor, newest: Tensor, table: Tensor) -> Tensor:
    """[B, L] what the newest event of each item adds to its order; 0 for the others."""
    return table[states] * newest.to(torch.float32)


def trend_scores(counts: Tensor, shares: Tensor) -> Tensor:
    """[B, T] what decayed counts [B, T] of late add to the log of the shares [B, T] in the data.

    By a count c, an item with the share q gets log(1 + c / (n q)), with n for the number of items
    of late: the sum of the counts up to 1 of each. It is the smoothing of Witten and Bell
    (`models.next_items`): with the log share it adds up to the log of the share of late.
    """
    seen = counts.clamp(max=1.0).sum(1, keepdim=True).clamp(min=1.0)
    return torch.log1p(counts / (seen * shares))


def newest_two(rows: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """[B] row of the newest event of each session [B, L], and [B] of the one before it; -1 for
    none, or for an unknown item.
    """
    place = torch.arange(1, rows.size(1) + 1) * present.to(torch.int64)
    place, rows = pad(place, (1, 0)), pad(rows, (1, 0), value=-1.0)
    newest = place.amax(1, True)
    before = place.masked_fill(torch.eq(place, newest), 0).amax(1, True)
    return torch.gather(rows, 1, newest).squeeze(1), torch.gather(rows, 1, before).squeeze(1)


def taste_vector(
    items: Tensor,
    present: Tensor,
    values: Tensor,
    centre: Tensor,
    bias: Tensor,
    factors: Tensor,
) -> Tensor:
    """[B, K + 1] ridge solution for the session's values beyond the items' biases.

    `items` are rows of the catalogue, -1 unknown; `bias` is [I], `factors` [I, K + 1]. Zeros where
    no event has a known item and value.
    """
    known = (present & (items >= 0) & (values > 0)).to(torch.float32)
    rows = items.clamp(min=0)
    basis = factors[rows] * known.unsqueeze(2)
    rest = (values - centre - bias[rows]) * known
    gram = torch.matmul(basis.transpose(1, 2), basis) + torch.eye(factors.size(1))
    right = torch.matmul(basis.transpose(1, 2), rest.unsqueeze(2))
    vector: Tensor = torch.linalg.solve(gram, right)
    return vector.squeeze(2)


def taste_numbers(vector: Tensor, bias: Tensor, factors: Tensor) -> Tensor:
    """[..., 4] expected value of items beyond the centre, and its parts: item, user, match.

    Of pairs ([B, K + 1], [B], [B, K + 1]), or of each request and item ([B, 1, K + 1], [I],
    [I, K + 1]).
    """
    user = vector[..., 0] * factors[..., 0]
    match = (vector[..., 1:] * factors[..., 1:]).sum(-1)
    item = bias + torch.zeros_like(match)
    user = user + torch.zeros_like(match)
    return torch.stack([item + user + match, item, user, match], -1)


def demographic_numbers(
    events: Tensor,
    positives: Tensor,
    item_events: Tensor,
    item_positives: Tensor,
    known: Tensor,
    prior: Tensor,
) -> Tensor:
    """[..., A] how an item's share of positives differs among users of a group, as logits.

    `events`, `positives` and `known` are [..., A], of the item and the group; the item's own
    counts [...]. Shrunk to the item by `added_events`, at least ten; 0 where the group is unknown.
    """
    added = added_events(prior, 10.0)
    rate = (item_positives.to(torch.float32) + added * prior) / (
        item_events.to(torch.float32) + added
    )
    rate = rate.unsqueeze(-1)
    inside = (positives.to(torch.float32) + added * rate) / (events.to(torch.float32) + added)
    return (share_logit(inside) - share_logit(rate)) * known.to(torch.float32)


def rolling_numbers(events: Tensor, total: Tensor, item_count: int) -> Tensor:
    """[..., W] log of an item's events in each window, relative to the mean item.

    `events` is [..., W], `total` of all items broadcasts to it.
    """
    mean = (total.to(torch.float32) + float(item_count)) / float(item_count)
    return torch.log((events.to(torch.float32) + 1.0) / mean)


def calendar_numbers(now: Tensor) -> Tensor:
    """[B, 4] hour and weekday (UTC) of times in seconds [B], each as a point on a circle.

    Seconds are reduced modulo day and week before they become floats, which have 24 bits.
    """
    day = torch.remainder(now, 86_400).to(torch.float32) * (6.283185307179586 / 86_400.0)
    # 1970 began on a Thursday, the fourth day of a week
    weekday = torch.remainder(torch.div(now, 86_400, rounding_mode="floor") + 3, 7)
    week = weekday.to(torch.float32) * (6.283185307179586 / 7.0)
    return torch.stack([torch.sin(day), torch.cos(day), torch.sin(week), torch.cos(week)], -1)
