"""The weights of sources in the order of lists, fitted list-wise and judged on held-out requests.

The loss of a request is the cross-entropy of its relevant candidates under the softmax of the
blend (ListNet's top-one form, Cao et al. 2007, https://doi.org/10.1145/1273496.1273513). Legend of
shapes: S sources, R requests, C candidates.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from recommender_training.common.arrays import Bools, Doubles, Floats, Ints
from recommender_training.statistics import model_metrics

#: Items of a list.
TOP = 10
#: Requests with a relevant candidate that a fit needs.
LEAST_REQUESTS = 50
#: Factors of the starting weights are between these.
LEAST_FACTOR, MOST_FACTOR = 0.01, 16.0
#: Standard errors that a gain has to exceed: two-sided 5 %.
BEYOND_CHANCE = 1.96
#: Standard deviation, before any data, of the log of a factor around their mean.
_SPREAD = 2.0
_FOLDS = 5


@dataclass(frozen=True)
class ListSources:
    """What each source gives each candidate, times its starting weight; the response is first."""

    names: tuple[str, ...]
    values: Floats  # [S, R, C]
    allowed: Bools  # [R, C] False for padding, and for items that the request may not get
    relevant: Bools  # [R, C]
    wanted: Ints  # [R] relevant items, candidates or not

    def take(self, requests: Ints | Bools) -> ListSources:
        """Some of the requests."""
        return replace(
            self,
            values=self.values[:, requests],
            allowed=self.allowed[requests],
            relevant=self.relevant[requests],
            wanted=self.wanted[requests],
        )

    def of(self, names: Collection[str]) -> ListSources:
        """With these of the sources."""
        kept = [place for place, each in enumerate(self.names) if each in names]
        if len(kept) == len(self.names):
            return self
        found = tuple(self.names[place] for place in kept)
        return replace(self, names=found, values=self.values[kept])

    def without(self, name: str, out: Bools) -> ListSources:
        """Without a source, and without the candidates marked `out` [R, C]."""
        found = self.of([each for each in self.names if each != name])
        return replace(found, allowed=self.allowed & ~out)

    def blended(self, factors: Doubles) -> ListSources:
        """With their sum, times `factors` [S], as the only source."""
        whole = np.tensordot(factors, self.values, 1)[None].astype(np.float32)
        return replace(self, names=("blend",), values=whole)

    def ndcg(self, factors: Doubles) -> Doubles:
        """[R] NDCG of the lists by the sources times `factors` [S]."""
        if not len(self.wanted):
            return np.zeros(0)
        order = self._order(factors)
        top = np.argsort(-order, axis=1, kind="stable")[:, :TOP]
        hits = np.take_along_axis(self.relevant & self.allowed, top, 1)
        hits = np.pad(hits, ((0, 0), (0, TOP - hits.shape[1])))
        return model_metrics.ndcg_at_k(hits, self.wanted)

    def loss(self, factors: Doubles) -> tuple[float, Doubles]:
        """Mean loss of the requests, and its gradient [S]; each has a relevant candidate."""
        chance, target = self._chances(factors)
        lost = -(np.where(target > 0, chance, 0.0) * target).sum()
        apart = (np.exp(chance) - target).astype(np.float32)
        gradient = np.array([(apart * each).sum(dtype=np.float64) for each in self.values])
        return float(lost) / len(chance), gradient / len(chance)

    def losses(self, factors: Doubles) -> Doubles:
        """[R] loss of each request; 0 without a relevant candidate."""
        if not len(self.wanted):
            return np.zeros(0)
        chance, target = self._chances(factors)
        return np.asarray(-(np.where(target > 0, chance, 0.0) * target).sum(1))

    def _chances(self, factors: Doubles) -> tuple[Doubles, Doubles]:
        """[R, C] log of the softmax of the blend, and [R, C] the shares that it should have."""
        order = self._order(factors)
        target = (self.relevant & self.allowed) / np.maximum(1, self._count)[:, None]
        return order - logsumexp(order, axis=1, keepdims=True), target

    @property
    def _count(self) -> Ints:
        """[R] relevant candidates."""
        return np.asarray((self.relevant & self.allowed).sum(1), dtype=np.int64)

    @property
    def usable(self) -> Bools:
        """[R] True for requests with a relevant candidate."""
        return self._count > 0

    def _order(self, factors: Doubles) -> Doubles:
        order = np.zeros(self.allowed.shape)
        for factor, each in zip(factors, self.values, strict=True):
            order += factor * each
        return np.where(self.allowed, order, -np.inf)


@dataclass(frozen=True)
class HeldOut:
    """[R] an order's lists on requests that its fit did not see."""

    ndcg: Doubles
    losses: Doubles

    @property
    def usable(self) -> bool:
        """False if there were too few requests for a fit."""
        return len(self.losses) > 0

    def better_than(self, other: HeldOut) -> bool:
        """True if the loss is lower beyond chance, and NDCG no lower.

        The loss tells sooner than NDCG: each relevant candidate counts, listed or not.
        """
        gains = beyond_chance(paired(other.losses, self.losses))
        return gains and bool(self.ndcg.mean() >= other.ndcg.mean())


@dataclass(frozen=True)
class FittedOrder:
    """Factors of the starting weights, and how they came about."""

    factors: dict[str, float]  # by source, without the response, whose factor is 1
    chosen_by: str
    requests: int
    held: HeldOut
    #: Mean gain in NDCG of the fitted over the starting weights, and its standard error; None
    #: unfitted.
    gain: tuple[float, float] | None = None
    #: Mean NDCG by each source alone.
    alone: dict[str, float] | None = None
    #: Makes the order a log of chances (`least_loss`).
    sharpness: float = 1.0


def fit_order(
    lists: ListSources, seed: int, optional: Sequence[Collection[str]] = ()
) -> FittedOrder:
    """The starting weights, fitted ones if these are better, or one source alone.

    A fit is judged on users that it did not see, in five folds (`HeldOut.better_than`). A blend
    that has a lower NDCG than one of its sources by itself gives way to it. The sources of each
    `optional` group have the factor 0 unless the order with them is better than the one without,
    one group after another.
    """
    tried = [name for name in lists.names if any(name in group for group in optional)]
    kept = [name for name in lists.names if name not in tried]
    best = _fit_order(lists.of(kept), seed)
    for group in optional if best.held.usable else ():
        wider = [*kept, *(name for name in lists.names if name in group)]
        if len(wider) == len(kept):
            continue
        more = _fit_order(lists.of(wider), seed, tried)
        if more.held.better_than(best.held):
            best, kept = more, wider
    return replace(best, factors=dict.fromkeys(tried, 0.0) | best.factors)


def _fit_order(lists: ListSources, seed: int, optional: Collection[str] = ()) -> FittedOrder:
    """The order by all sources; its start is without `optional` ones."""
    even = np.array([float(name not in optional) for name in lists.names])
    start, usable = lists.ndcg(even), int(lists.usable.sum())
    if usable < LEAST_REQUESTS:
        unfitted = HeldOut(start, np.zeros(0))
        return FittedOrder(_named(lists, even), "TooFewRequests", usable, unfitted)
    fold = np.random.default_rng(seed).permutation(len(start)) % _FOLDS
    started, held = _held_out(lists.blended(even), fold), _held_out(lists, fold)
    gain = paired(held.ndcg, started.ndcg)
    chosen, by, reached = (
        (relative(least_loss(lists)), "Validation", held)
        if held.better_than(started)
        else (even, "Start", started)
    )
    single = [lists.ndcg(_alone(lists, place)) for place in range(len(lists.names))]
    means = [float(each.mean()) for each in single]
    best = int(np.argmax(means))
    if means[best] > reached.ndcg.mean():
        chosen, by = _alone(lists, best), "BestSource"
        reached = _held_out(lists.blended(chosen), fold)
    alone = dict(zip(lists.names, means, strict=True))
    sharpness = float(least_loss(lists.blended(chosen))[0])
    return FittedOrder(_named(lists, chosen), by, usable, reached, gain, alone, sharpness)


def _held_out(lists: ListSources, fold: Ints) -> HeldOut:
    """Lists of each fold [R] by the fit to the others."""
    ndcg, losses = np.empty(len(fold)), np.empty(len(fold))
    for each in range(_FOLDS):
        inside = fold == each
        unseen, found = lists.take(inside), least_loss(lists.take(~inside))
        ndcg[inside], losses[inside] = unseen.ndcg(relative(found)), unseen.losses(found)
    return HeldOut(ndcg, losses)


def least_loss(lists: ListSources) -> Doubles:
    """[S] factors of the least loss, as sharp as lists are; all 1 where no request is usable."""
    lists = lists.take(lists.usable)
    count, requests = len(lists.names), len(lists.wanted)
    if not requests:
        return np.ones(count)

    def objective(logs: Doubles) -> tuple[float, Doubles]:
        factors, apart = np.exp(logs), logs - logs.mean()
        lost, gradient = lists.loss(factors)
        prior = float((apart**2).sum()) / (2 * _SPREAD**2 * requests)
        return lost + prior, gradient * factors + apart / (_SPREAD**2 * requests)

    bounds = [(-8.0, 4.0)] * count
    found = minimize(objective, np.full(count, -1.0), jac=True, bounds=bounds).x
    return np.asarray(np.exp(found), dtype=np.float64)


def relative(found: Doubles) -> Doubles:
    """[S] factors of the same order, within bounds, that of the response 1."""
    response = max(float(found[0]), float(found.max()) / MOST_FACTOR)
    found = np.clip(found / response, LEAST_FACTOR, MOST_FACTOR)
    found[0] = 1.0
    return np.asarray(found, dtype=np.float64)


def paired(new: Doubles, old: Doubles) -> tuple[float, float]:
    """Mean difference of two [R], and its standard error."""
    apart = new - old
    if not len(apart):
        return 0.0, 0.0
    spread = float(apart.std(ddof=1)) if len(apart) > 1 else 0.0
    return float(apart.mean()), spread / len(apart) ** 0.5


def beyond_chance(gain: tuple[float, float]) -> bool:
    """True if a mean gain exceeds 0 by more than chance."""
    return gain[0] > BEYOND_CHANCE * gain[1]


def _alone(lists: ListSources, place: int) -> Doubles:
    """[S] the source at this place decides, and the others order its ties."""
    factors = np.full(len(lists.names), LEAST_FACTOR)
    factors[place] = MOST_FACTOR
    factors[0] = 1.0
    return factors


def _named(lists: ListSources, factors: Doubles) -> dict[str, float]:
    pairs = zip(lists.names, factors.tolist(), strict=True)
    return {name: round(factor, 4) for name, factor in pairs if name != lists.names[0]}
