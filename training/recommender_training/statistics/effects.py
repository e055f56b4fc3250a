"""A logistic regression whose weights come in groups, each with a variance that the data tell.

Weights have normal priors about zero. How large the effects of a group are is estimated with them,
by empirical Bayes: a group whose weights pull no more than chance would is held at zero, and one
that pulls is not shrunk as if it were noise. So many groups may be offered, of which few matter.

Legend of shapes: N rows, W weights, G groups.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.optimize import minimize
from scipy.special import expit, logit

from recommender_training.common.arrays import Bools, Doubles, Floats, Ints

#: Fits after each of which the variances are estimated again, before the last one.
ROUNDS = 3
#: Variance that a group has in the first of them.
FIRST_VARIANCE = 0.01
#: No group has more, in units of logit squared.
MOST_VARIANCE = 4.0
#: The search for the mode ends when the loss falls by less than this share of it.
_TOLERANCE = 1e-7
_MOST_STEPS = 200


@dataclass(frozen=True)
class Effects:
    """The mode of the weights, and the variances of their priors."""

    intercept: float
    weights: Floats  # [W]
    variances: Doubles  # [G]


@dataclass(frozen=True)
class _Rows:
    """Rows that the effects are fitted to."""

    columns: sp.csr_matrix  # [N, W]
    positive: Floats  # [N] one or zero
    weight: Floats | None  # [N]

    def residuals(self, logits: Doubles) -> Floats:
        """[N] first-order step of each logit."""
        found: Floats = self.positive - expit(logits).astype(np.float32)
        return found if self.weight is None else found * self.weight

    def loss(self, logits: Doubles) -> float:
        """Sum of the negative logarithms of the likelihoods."""
        each = np.logaddexp(0.0, logits) - logits * self.positive
        return float((each if self.weight is None else each * self.weight).sum())

    def curvature(self, logits: Doubles) -> Doubles:
        """[W] second derivatives of the loss by each weight."""
        share = expit(logits)
        spread = (share * (1.0 - share)).astype(np.float32)
        if self.weight is not None:
            spread = spread * self.weight
        squared = sp.csr_matrix(
            (np.square(self.columns.data), self.columns.indices, self.columns.indptr),
            shape=self.columns.shape,
        )
        return np.asarray(squared.T @ spread, dtype=np.float64)


def fit(
    columns: sp.csr_matrix, positive: Bools, group: Ints, weight: Floats | None = None
) -> Effects:
    """Fit to the `columns` [N, W] and what was `positive` [N]; `group` [W] counts from 0.

    `weight` [N] is what each row counts in the loss; all alike if absent.
    """
    rows = _Rows(columns, positive.astype(np.float32), weight)
    found = Effects(
        float(logit((positive.sum() + 0.5) / (len(positive) + 1.0))),
        np.zeros(columns.shape[1], dtype=np.float32),
        np.full(int(group.max(initial=-1)) + 1, FIRST_VARIANCE),
    )
    for _ in range(ROUNDS):
        found = _mode(rows, group, found)
        found = Effects(found.intercept, found.weights, _variances(rows, group, found))
    return _mode(rows, group, found)


def _mode(rows: _Rows, group: Ints, start: Effects) -> Effects:
    """The most likely weights with these variances, searched for from those of `start`.

    In units of the priors' deviations, in which all weights are of about the same size.
    """
    deviation = np.sqrt(start.variances)[group]

    def loss(point: Doubles) -> tuple[float, Doubles]:
        logits = _logits(rows, point[0], (deviation * point[1:]).astype(np.float32))
        rest = rows.residuals(logits)
        slope = deviation * (rows.columns.T @ rest) - point[1:]
        whole = rows.loss(logits) + 0.5 * float(np.square(point[1:]).sum())
        return whole, -np.concatenate([[rest.sum(dtype=np.float64)], slope])

    known = np.divide(start.weights, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    found = minimize(
        loss,
        np.concatenate([[start.intercept], known]),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _MOST_STEPS, "maxcor": 20, "ftol": _TOLERANCE, "gtol": 1e-3},
    )
    weights = (deviation * found.x[1:]).astype(np.float32)
    return Effects(float(found.x[0]), weights, start.variances)


def _variances(rows: _Rows, group: Ints, at: Effects) -> Doubles:
    """[G] the variances after a step of Fisher scoring of their likelihood, from the mode `at`.

    With the weights' curvatures alone, as if they were uncorrelated: the gradient of a weight then
    has the variance h / (1 + h v)^2 by chance, and more where effects are larger than v says.
    """
    logits = _logits(rows, at.intercept, at.weights)
    slope = np.asarray(rows.columns.T @ rows.residuals(logits), dtype=np.float64)
    curvature = rows.curvature(logits)
    shrunk = 1.0 + curvature * at.variances[group]
    excess = np.bincount(group, np.square(slope) - curvature / np.square(shrunk))
    told = np.bincount(group, np.square(curvature / shrunk))
    found = np.divide(excess, told, out=np.zeros(len(told)), where=told > 0)
    return np.asarray(found.clip(0.0, MOST_VARIANCE))


def _logits(rows: _Rows, intercept: float, weights: Floats) -> Doubles:
    return np.asarray(rows.columns @ weights, dtype=np.float64) + intercept
