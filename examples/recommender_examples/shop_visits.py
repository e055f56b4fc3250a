"""Visits to a generated shop: users and times, items shown, and clicks.

Legend of shapes: S sessions, V page views (MAX_VIEWS), K slots of a page.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from recommender_examples import shop_world
from recommender_examples.shop_settings import SLOTS
from recommender_examples.shop_world import (
    DAY_MS,
    DEVICES,
    PAGES,
    REGIONS,
    START_MS,
    TIERS,
    World,
)
from recommender_training.common.arrays import Bools, Doubles, Floats, Ints

MAX_VIEWS = 8
#: Probability that a session continues to another page.
CONTINUE = 2 / 3
#: Seconds between pages: minimum, and mean of the time beyond it.
LEAST_GAP, MEAN_GAP = 2.0, 60.0
#: Sessions start in the first seconds of a day.
OPEN_SECONDS = 82_800
#: Shares of devices before and after a drift; null comes first.
DEVICE_SHARES = {
    False: np.array([0.02, 0.20, 0.38, 0.35, 0.05]),
    True: np.array([0.02, 0.20, 0.08, 0.65, 0.05]),
}
PAGE_SHARES = np.array([0.35, 0.30, 0.30, 0.05])
#: A drift multiplies the activity of the favoured users by DRIFT_FACTOR, or the popularity of
#: items by PRICE_TILT per unit of standardised log price.
DRIFT_FACTOR, PRICE_TILT = 6.0, 2.0
FAVOURED = {"loyalty_tier": TIERS.index("gold") + 1, "region": REGIONS.index("abroad") + 1}
#: Slot k changes the logit by -POSITION_BIAS ln k.
POSITION_BIAS = 0.5
#: New items and users get more clicks: effect in logit, and days until it falls to 1/e.
FRESH_ITEM, FRESH_ITEM_DAYS = 1.0, 14.0
FRESH_USER, FRESH_USER_DAYS = 0.6, 30.0
#: A click makes others in its session more likely: effect, and seconds until it falls to 1/e.
CLICKED, CLICKED_SECONDS = 1.5, 300.0
#: More than the items of any shop.
_ITEMS = 1 << 24
#: Sessions per day, and days, to fit the intercept on.
_PILOT_SESSIONS, _PILOT_DAYS = 1000, 8


@dataclass(frozen=True)
class Visits:
    """Sessions of a day with the items shown, before clicks."""

    user: Ints  # [S]
    device: Ints  # [S] from 1, 0 null
    page: Ints  # [S, V] from 0
    time: Ints  # [S, V] milliseconds since 1970
    seen: Bools  # [S, V] whether the session reached this page
    item: Ints  # [S, V, K]; the slot is the place in K

    def first_pages(self, pages: int) -> Visits:
        """Keep only the first `pages` page views, in the order of sessions."""
        number = np.cumsum(self.seen.ravel()).reshape(self.seen.shape)
        return replace(self, seen=self.seen & (number <= pages))

    def moments(self) -> Ints:
        """Return [S, V, K] numbers, equal where a user sees an item in the same second."""
        second = self.time // 1000 % (DAY_MS // 1000)
        page = self.user[:, None] * (DAY_MS // 1000) + second
        return page[:, :, None] * _ITEMS + self.item

    def apart(self, earlier: Ints) -> Visits:
        """Move pages on by seconds until no item is shown to a user twice in the same one.

        Only sessions of one user that overlap do so. Ingestion takes the second impression for a
        repeated event. `earlier` has the moments of the day until now.
        """
        visits = self
        while True:
            moments = visits.moments()[visits.seen]
            again = np.ones(moments.size, dtype=np.bool_)
            again[np.unique(moments, return_index=True)[1]] = False
            again |= np.isin(moments.ravel(), earlier)
            if not again.any():
                return visits
            moved = np.zeros(visits.seen.shape, dtype=np.bool_)
            moved[visits.seen] = again.reshape(moments.shape).any(1)
            # The rest of the session too, so that its pages stay in order.
            later = np.logical_or.accumulate(moved, axis=1)
            visits = replace(visits, time=visits.time + 1000 * later)


class Day:
    """Distributions of users, items and devices on a day."""

    def __init__(self, world: World, day: int) -> None:
        self._day, drift = day, world.settings.drift
        feature = drift.feature if drift is not None and day >= drift.day else None
        start = START_MS + day * DAY_MS
        users, items = world.users, world.items
        activity = users.activity * (users.signed_up <= start)
        if feature in FAVOURED:
            column = users.tier if feature == "loyalty_tier" else users.region
            activity *= np.where(column == FAVOURED[feature], DRIFT_FACTOR, 1.0)
        popularity = items.popularity * (items.created <= start)
        if feature == "price":
            popularity *= PRICE_TILT**items.cost
        self._activity = _cumulated(activity)
        self._popularity = [_cumulated(popularity[slot::SLOTS]) for slot in range(SLOTS)]
        self._devices = DEVICE_SHARES[feature == "device"]

    def draw(self, random: np.random.Generator, sessions: int) -> Visits:
        """Draw `sessions` sessions."""
        shape = (sessions, MAX_VIEWS)
        views = np.minimum(random.geometric(1 - CONTINUE, sessions), MAX_VIEWS)
        gaps = LEAST_GAP + random.exponential(MEAN_GAP, shape)
        gaps[:, 0] = random.random(sessions) * OPEN_SECONDS
        time = START_MS + self._day * DAY_MS + (1000 * np.cumsum(gaps, 1)).astype(np.int64)
        shown = np.empty((*shape, SLOTS), dtype=np.int64)
        for slot, cumulated in enumerate(self._popularity):
            place = np.searchsorted(cumulated, random.random(shape), side="right")
            shown[:, :, slot] = place * SLOTS + slot
        return Visits(
            user=np.searchsorted(self._activity, random.random(sessions), side="right"),
            device=random.choice(len(DEVICES) + 1, sessions, p=self._devices),
            page=random.choice(len(PAGES), shape, p=PAGE_SHARES),
            time=time,
            seen=np.arange(MAX_VIEWS) < views[:, None],
            item=random.permuted(shown, axis=2),
        )


def _cumulated(weight: Doubles) -> Doubles:
    """Return the cumulative distribution of indices by weight; not all weights may be 0."""
    total = np.cumsum(weight)
    last = int(np.flatnonzero(weight)[-1])  # indices after it are never drawn
    total[last:] = total[last]
    found: Doubles = total / total[-1]
    found[last:] = 1.0
    return found


def base_logits(world: World, visits: Visits) -> Floats:
    """Return [S, V, K] logits of a click without the intercept and effects of earlier clicks."""
    users, items = world.users, world.items
    user, time = visits.user[:, None], visits.time
    by_pair = world.logits(user[:, :, None], visits.item)
    signed_up = users.signed_up[user]
    tenure = np.where(signed_up < 0, np.inf, np.maximum(time - signed_up, 0) / DAY_MS)
    of_view = FRESH_USER * np.exp(-tenure / FRESH_USER_DAYS)
    of_view += shop_world.DEVICE_EFFECT[visits.device][:, None]
    of_view += shop_world.PAGE_EFFECT[visits.page]
    age = np.maximum(time[:, :, None] - items.created[visits.item], 0) / DAY_MS
    of_slot = FRESH_ITEM * np.exp(-age / FRESH_ITEM_DAYS)
    of_slot -= POSITION_BIAS * np.log(np.arange(1, SLOTS + 1))
    return np.asarray(by_pair + of_view[:, :, None] + of_slot, dtype=np.float32)


def click(
    base: Floats | Doubles, visits: Visits, intercept: float, drawn: Doubles
) -> tuple[Doubles, Bools]:
    """Return [S, V, K] logits and clicks; `drawn` is uniform, a click is below the probability."""
    logit = base.astype(np.float64) + intercept
    clicked = np.zeros(base.shape, dtype=np.bool_)
    last = np.full(len(base), -np.inf)  # seconds
    for view in range(base.shape[1]):
        now = visits.time[:, view] / 1000
        logit[:, view] += (CLICKED * np.exp((last - now) / CLICKED_SECONDS))[:, None]
        clicked[:, view] = drawn[:, view] < expit(logit[:, view])
        last = np.where(clicked[:, view].any(1), now, last)
    return logit, clicked


def nothing(_visits: Visits) -> float:
    """Return the zeros that a plain shop adds to the logits of visits."""
    return 0.0


def fit_intercept(
    world: World, seed: int, added: Callable[[Visits], Doubles | float] = nothing
) -> float:
    """Fit the intercept so that the share of clicks before any drift is `positive_rate`.

    Uses sessions that are not in the log; their mean probability must be that share. `added` is
    what the logits [S, V, K] have beside those of `base_logits`.
    """
    settings, random = world.settings, np.random.default_rng([seed, 2])
    end = settings.days if settings.drift is None else max(1, settings.drift.day)
    days = np.unique(np.linspace(0, end - 1, _PILOT_DAYS).astype(np.int64))
    pilots = [Day(world, int(day)).draw(random, _PILOT_SESSIONS) for day in days]
    parts = [
        (base_logits(world, visits) + added(visits), visits, random.random(visits.item.shape))
        for visits in pilots
    ]

    def excess(intercept: float) -> float:
        total = rows = 0.0
        for base, visits, drawn in parts:
            logit, _ = click(base, visits, intercept, drawn)
            total += float(expit(logit[visits.seen]).sum())
            rows += int(visits.seen.sum()) * SLOTS
        return total / rows - settings.positive_rate

    return float(brentq(excess, -20.0, 5.0, xtol=1e-3))
