"""Metrics of responses and rankings, vectorised; the tests hold them against known libraries.

Legend of shapes: N rows, R requests, I items, K cut-off.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from recommender_training.common.arrays import Bools, Doubles, Ints

CALIBRATION_BINS = 15
_TINY = 1e-15


def auc(label: Bools, score: Doubles) -> float | None:
    """Area under the ROC curve, ties counting half; None where there is one class only."""
    positives = int(label.sum())
    negatives = len(label) - positives
    if positives == 0 or negatives == 0:
        return None
    ranks = rankdata(score)[label].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))


def log_loss(label: Bools, probability: Doubles) -> float:
    """Mean negative log likelihood, natural logarithm."""
    return float(log_losses(label, probability).mean())


def log_losses(label: Bools, probability: Doubles) -> Doubles:
    """[N] negative log likelihood of each row."""
    clipped = np.clip(probability, _TINY, 1 - _TINY)
    return np.asarray(-np.where(label, np.log(clipped), np.log1p(-clipped)), dtype=np.float64)


def calibration_bins(probability: Doubles, bins: int = CALIBRATION_BINS) -> Ints:
    """[N] bin of each row, from 0: bins of equally many rows, by ascending probability.

    Edges are quantiles (linear interpolation), and a row at an edge belongs to the lower bin, so
    that rows of one probability share a bin. Bins of equal width would hold all rows in the first
    one where positives are rare.
    """
    edges = np.percentile(probability, 100 * np.linspace(0, 1, bins + 1)[1:-1])
    return np.searchsorted(edges, probability).astype(np.int64)


def calibration_error(label: Bools, probability: Doubles, bins: int = CALIBRATION_BINS) -> float:
    """Expected calibration error: gap between mean probability and share of positives in each of
    the `calibration_bins`, weighted by the bin's share of the rows.
    """
    place = calibration_bins(probability, bins)
    gap = np.bincount(place, weights=label - probability, minlength=bins)
    return float(np.abs(gap).sum() / len(label))


def top_k(score: Doubles, k: int) -> Ints:
    """[R, K] columns by score [R, C], best first, ties by the lower column.

    Raises ValueError when a request has fewer than K scores above -inf.
    """
    if int((score != -np.inf).sum(1).min(initial=k)) < k:
        raise ValueError(f"a request has fewer than {k} items left to rank")
    return np.argsort(-score, axis=1, kind="stable")[:, :k].astype(np.int64)


def precision_at_k(hits: Bools) -> Doubles:
    """[R] share of the K ranked items that are relevant; `hits` [R, K] marks these."""
    return np.asarray(hits.mean(1), dtype=np.float64)


def recall_at_k(hits: Bools, wanted: Ints) -> Doubles:
    """[R] share of the `wanted` [R] relevant items that are among the K; 0 without any."""
    return np.asarray(hits.sum(1) / np.maximum(wanted, 1), dtype=np.float64)


def discounts(k: int) -> Doubles:
    """[K] weight of each rank: 1 / log2(rank + 1), as in the discounted gain."""
    return np.asarray(1.0 / np.log2(np.arange(2, k + 2)), dtype=np.float64)


def gini(share: Doubles) -> float:
    """Gini coefficient of non-negative shares: 0 all are equal, towards 1 one has it all.

    0 where there is nothing to share.
    """
    ordered = np.sort(share)
    total = float(ordered.sum())
    if total <= 0:
        return 0.0
    count = len(ordered)
    weight = 2 * np.arange(1, count + 1) - count - 1
    return float((weight * ordered).sum() / (count * total))


def ndcg_at_k(hits: Bools, wanted: Ints) -> Doubles:
    """[R] normalised discounted gain with binary relevance.

    The ideal has min(K, `wanted` [R]) hits, so that a perfect ranking always scores 1. A request
    without a relevant item scores 0; leave such requests out.
    """
    k = hits.shape[1]
    discount = discounts(k)
    gain = (hits * discount).sum(1)
    ideal = np.r_[0.0, np.cumsum(discount)][np.minimum(wanted, k)]
    return np.asarray(np.where(ideal > 0, gain / np.maximum(ideal, _TINY), 0.0), dtype=np.float64)


def normalised_entropy(label: Bools, probability: Doubles) -> float | None:
    """Log loss over that of always answering the share of positives; None for one class only.

    1 knows the base rate and no more, less is better, and unlike the log loss it can be compared
    between windows with other shares of positives (He et al. 2014, section 3).
    """
    share = float(label.mean())
    if not 0 < share < 1:
        return None
    entropy = -share * np.log(share) - (1 - share) * np.log1p(-share)
    return log_loss(label, probability) / float(entropy)


def average_precision(label: Bools, score: Doubles) -> float | None:
    """Area under the curve of precision over recall, as a sum of steps; None without a positive.

    Rows of one score are retrieved together. The share of positives is what chance gives.
    """
    positives = int(label.sum())
    if positives == 0:
        return None
    order = np.argsort(-score, kind="stable")
    last = np.r_[np.diff(score[order]) != 0, True]  # of the rows of each score
    hits = np.cumsum(label[order])[last]
    precision = hits / (np.flatnonzero(last) + 1)
    return float((np.diff(hits, prepend=0) * precision).sum() / positives)


def calibration_ratio(label: Bools, probability: Doubles) -> float | None:
    """Mean probability over the share of positives: 1 is calibrated; None without a positive."""
    share = float(label.mean())
    return float(probability.mean()) / share if share > 0 else None
