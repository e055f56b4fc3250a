"""Counts of rows by cell and bin, with what their variance over users needs, as sums.

A user's rows are alike, so the design effect of a share follows from sums of squares and products
over users. All are whole numbers, and those of disjoint users add up, in any order.

Legend of shapes: N rows, C cells, K bins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from recommender_training.common.arrays import Doubles, Ints
from recommender_training.statistics.design_effect import LARGEST, enlarged

#: The estimate of a design effect of few users is uncertain; below, the quantiles of F explode.
_LEAST_DEGREES = 4.0


@dataclass(frozen=True)
class Counts:
    """Rows of each cell by bin, and sums over the users of a cell.

    With n the rows of a user in a cell, n_k those in a bin, and a the sum of the numbers of their
    bins: sums of n_k, n_k², n_k·n, n², a² and a·n.
    """

    rows: Ints  # [C, K]
    squares: Ints  # [C, K]
    products: Ints  # [C, K]
    squared: Ints  # [C]
    users: Ints  # [C]
    ranks_squared: Ints  # [C]
    ranks_products: Ints  # [C]

    @classmethod
    def of(cls, user_N: Ints, cell_N: Ints, bin_N: Ints, shape: tuple[int, int]) -> Self:
        """Count N rows in C cells and K bins; rows of a cell below 0 are left out."""
        inside = cell_N >= 0
        user_N, cell_N, bin_N = user_N[inside], cell_N[inside], bin_N[inside]
        cells, bins = shape
        _, code_N = np.unique(user_N, return_inverse=True)
        pair_P, place_N, total_P = np.unique(
            code_N * cells + cell_N, return_inverse=True, return_counts=True
        )
        cell_P = pair_P % max(1, cells)
        part_Q, count_Q = np.unique(place_N * bins + bin_N, return_counts=True)
        pair_Q = part_Q // bins
        at_Q = cell_P[pair_Q] * bins + part_Q % bins

        def summed(value_Q: Ints) -> Ints:
            weights = value_Q.astype(np.float64)
            found = np.bincount(at_Q, weights=weights, minlength=cells * bins)
            return found.astype(np.int64).reshape(cells, bins)

        def of_pairs(value_P: Ints) -> Ints:
            weights = value_P.astype(np.float64)
            return np.bincount(cell_P, weights=weights, minlength=cells).astype(np.int64)

        weights = bin_N.astype(np.float64)
        rank_P = np.bincount(place_N, weights=weights, minlength=len(pair_P)).astype(np.int64)
        return cls(
            summed(count_Q),
            summed(count_Q**2),
            summed(count_Q * total_P[pair_Q]),
            of_pairs(total_P**2),
            of_pairs(np.ones_like(total_P)),
            of_pairs(rank_P**2),
            of_pairs(rank_P * total_P),
        )

    def __add__(self, other: Counts) -> Counts:
        """Return the counts of both sets of users, which must be disjoint."""
        return Counts(
            self.rows + other.rows,
            self.squares + other.squares,
            self.products + other.products,
            self.squared + other.squared,
            self.users + other.users,
            self.ranks_squared + other.ranks_squared,
            self.ranks_products + other.ranks_products,
        )

    def clusters(self, cell: int) -> float:
        """Return the number of users of a cell that count alike (Kish)."""
        return float(self.rows[cell].sum()) ** 2 / max(1.0, float(self.squared[cell]))

    def rank(self, cell: int) -> tuple[float, float]:
        """Return the mean number of the bin of a row, with its standard error over users.

        The linearised variance of a ratio, as in `two_samples.ratio_error`.
        """
        total, users = float(self.rows[cell].sum()), int(self.users[cell])
        mean = float(self.rows[cell] @ np.arange(self.rows.shape[1])) / total
        residual = (
            float(self.ranks_squared[cell])
            - 2 * mean * float(self.ranks_products[cell])
            + mean**2 * float(self.squared[cell])
        )
        return mean, math.sqrt(max(0.0, residual) * users / max(1, users - 1)) / total

    def effective(self, cell: int) -> Doubles:
        """Return [K] the counts of a cell as independent rows are worth them."""
        rows_K: Doubles = self.rows[cell].astype(np.float64)
        return rows_K / self._design_effect(cell)

    def _design_effect(self, cell: int) -> float:
        """Return the mean over the bins, with Satterthwaite's allowance for their spread.

        Enlarged to the quantile of F with Kish's number of users, as `design_effect` is.
        """
        rows_K, total = self.rows[cell].astype(np.float64), float(self.rows[cell].sum())
        seen_K = (rows_K > 0) & (rows_K < total)
        if seen_K.sum() < 2:
            return 1.0
        squared = float(self.squared[cell])
        share_K = rows_K[seen_K] / total
        residual_K = (
            self.squares[cell][seen_K]
            - 2 * share_K * self.products[cell][seen_K]
            + share_K**2 * squared
        )
        effect_K = residual_K / (total * share_K * (1 - share_K))
        weight_K = (1 - share_K) / (len(share_K) - 1)
        mean = float((weight_K * effect_K).sum())
        if mean <= 0:  # all users have the same mix of values
            return 1.0
        spread = float((weight_K * (effect_K - mean) ** 2).sum()) / mean**2
        degrees = max(_LEAST_DEGREES, self.clusters(cell) - 1)
        found = mean * (1 + spread) * enlarged(len(share_K) - 1, degrees)
        return min(max(1.0, found), total, LARGEST)

    def to_json(self) -> dict[str, Any]:
        """Return the sums as lists."""
        return {name: getattr(self, name).tolist() for name in self.__dataclass_fields__}

    @classmethod
    def read(cls, content: dict[str, Any]) -> Self:
        """Return the sums of `to_json`."""
        fields = cls.__dataclass_fields__
        return cls(*(np.array(content[name], dtype=np.int64) for name in fields))
