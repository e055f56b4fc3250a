"""Weights of training rows by the group of their user. Pure.

Reweighing of Kamiran and Calders (2012, Data preprocessing techniques for classification without
discrimination): a row of group g and label y weighs P(g) P(y) / P(g, y), so that in the weighted
rows the label is independent of the group. Weighing by size gives each group the same weight:
1 / (G P(g)). Each factor is raised to a strength from 0 (no effect) to 1 (in full).

A group of a few rows would get enormous weights, so they end at `max_weight` and its inverse;
the others are scaled so that their mean stays 1. Rows of users whose group is not known weigh 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import brentq

from recommender_contract.resource.mitigation import SEGMENT, Reweighting
from recommender_training.common.arrays import Bools, Doubles, Floats, Ints
from recommender_training.data.dataset import Dataset
from recommender_training.features import attributes


def user_groups(data: Dataset, by: str) -> tuple[Ints, tuple[str, ...]]:
    """[U] group of each user, -1 where it is not known, and the names of the groups.

    `by` is SEGMENT or a declared feature of the users.
    """
    users = data.users
    if by == SEGMENT:
        if users.segment is None:
            return np.full(users.count, -1, dtype=np.int64), ()
        return users.segment, users.segments
    found = {attribute.name: attribute for attribute in data.attributes}
    return attributes.of_users(data, by), found[by].categories


def groups_of_events(data: Dataset, rows: Ints, by: str) -> tuple[Ints, tuple[str, ...]]:
    """[R] group of the user of each event at `rows`, at its time, and the names of the groups."""
    group, names = user_groups(data, by)
    users = data.events.user[rows]
    if by == SEGMENT or data.users.history is None:
        return group[users], names
    return attributes.of_users_at(data, by, users, data.events.time[rows]), names


def weights(group: Ints, label: Bools, settings: Reweighting) -> Floats:
    """[N] weight of each row by its group (-1 unknown) and label; the mean is 1."""
    result = np.ones(len(group))
    known = group >= 0
    if not known.any():
        return result.astype(np.float32)
    group, label = group[known], label[known]
    cells, place, rows = np.unique(
        np.stack([group, label], axis=1), axis=0, return_inverse=True, return_counts=True
    )
    of_group = np.bincount(group)[cells[:, 0]]
    of_label = np.bincount(label)[cells[:, 1]]
    by_label = of_group * of_label / (len(group) * rows)
    by_size = len(group) / (len(np.unique(group)) * of_group)
    factor = by_label**settings.label_strength * by_size**settings.size_strength
    result[known] = _bounded(factor, rows, settings.max_weight)[place.ravel()]
    return result.astype(np.float32)


def _bounded(factor: Doubles, rows: Ints, most: float) -> Doubles:
    """The factors of cells of so many rows, scaled to a mean of 1 and cut at `most`, 1 / most."""

    def cut(log_scale: float) -> Doubles:
        return np.asarray(np.clip(np.exp(log_scale) * factor, 1 / most, most))

    def too_much(log_scale: float) -> float:
        return float(cut(log_scale) @ rows / rows.sum() - 1)

    ends = -np.log(most * factor.max()), np.log(most / factor.min())
    if too_much(ends[0]) >= 0 or too_much(ends[1]) <= 0:  # there is no room to weigh anything
        return np.ones_like(factor)
    return cut(brentq(too_much, *ends, xtol=1e-12))


def row_weights(
    data: Dataset, rows: Ints, labels: Bools, settings: Reweighting | None
) -> Floats | None:
    """[N] weights of all events, from those of `rows`, which are fitted on; None for equal ones.

    The others weigh 1. `labels` are those of all events [N].
    """
    if settings is None:
        return None
    group, _ = groups_of_events(data, rows, settings.by)
    result = np.ones(len(data.events), dtype=np.float32)
    result[rows] = weights(group, labels[rows], settings)
    return result


def reweighting_report(
    data: Dataset, rows: Ints, labels: Bools, settings: Reweighting
) -> list[dict[str, Any]]:
    """One entry a group with its rows, for the report: weights of its positive and other rows."""
    of_row, names = groups_of_events(data, rows, settings.by)
    label = labels[rows]
    weight = weights(of_row, label, settings)

    def first(inside: Bools) -> float | None:
        return round(float(weight[inside][0]), 6) if inside.any() else None

    return [
        {
            "name": f"{settings.by.lower()}:{'unknown' if code < 0 else names[code]}",
            "rows": int((of_row == code).sum()),
            "users": len(np.unique(data.events.user[rows][of_row == code])),
            "positives": int(label[of_row == code].sum()),
            "positiveWeight": first((of_row == code) & label),
            "negativeWeight": first((of_row == code) & ~label),
        }
        for code in np.unique(of_row).tolist()
    ]
