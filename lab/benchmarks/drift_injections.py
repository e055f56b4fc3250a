"""What is injected into the windows of the drift benchmark, from the first window on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from lab.benchmarks.drift_sessions import Floats, Rows

#: Changes the rows of a window, of which there were so many since the onset.
Change = Callable[[Rows, np.random.Generator, int], None]
#: Windows until a gradual injection is complete.
RAMP = 5


def _nothing(rows: Rows, rng: np.random.Generator, since: int) -> None:
    pass


@dataclasses.dataclass(frozen=True)
class Injection:
    """`weight` is how likely each session of the stream is drawn, if not evenly."""

    change: Change = _nothing
    weight: Callable[[Rows], Floats] | None = None


def _null(feature: str, share: float) -> Injection:
    def change(rows: Rows, rng: np.random.Generator, since: int) -> None:
        rows[feature][rng.random(len(rows[feature])) < share] = np.nan

    return Injection(change)


def _add(feature: str, amount: float, share: float = 1.0, gradual: bool = False) -> Injection:
    def change(rows: Rows, rng: np.random.Generator, since: int) -> None:
        part = share * (min(1.0, (since + 1) / RAMP) if gradual else 1.0)
        hit = rng.random(len(rows[feature])) < part
        lowest = np.nanmin(rows[feature])
        rows[feature] = np.maximum(rows[feature] + np.where(hit, amount, 0.0), lowest)

    return Injection(change)


def _flipped(rows: Rows, rng: np.random.Generator, since: int) -> None:
    hit = rng.random(len(rows["gender"])) < 0.3
    rows["gender"] = np.where(hit, 1 - rows["gender"], rows["gender"])


def _popular(rows: Rows, rng: np.random.Generator, since: int) -> None:
    """A fifth of the sessions now end at the most popular genre."""
    known = ~np.isnan(rows["last_genre"]) & (rows["last_genre"] >= 0)
    popular = np.bincount(rows["last_genre"][known].astype(np.int64)).argmax()
    hit = known & (rng.random(len(known)) < 0.2)
    rows["last_genre"] = np.where(hit, popular, rows["last_genre"])


def _women(rows: Rows) -> Floats:
    """Sessions of the smaller gender are four times as likely."""
    smaller = float((rows["gender"] == 1).mean() < 0.5)
    return np.where(rows["gender"] == smaller, 4.0, 1.0)


def _one_segment(rows: Rows, rng: np.random.Generator, since: int) -> None:
    """The age of all sessions of one gender is lost, of no others."""
    smaller = float((rows["gender"] == 1).mean() < 0.5)
    rows["age"] = np.where(rows["gender"] == smaller, np.nan, rows["age"])


INJECTIONS: dict[str, Injection] = {
    "5 % of age null": _null("age", 0.05),
    "20 % of age null": _null("age", 0.2),
    "age +3": _add("age", 3),
    "age +10": _add("age", 10),
    "mean value -1 in 20 %": _add("mean_value", -1, 0.2),
    "mean value -1 in 50 %": _add("mean_value", -1, 0.5),
    "mean value -1 in 50 %, gradual": _add("mean_value", -1, 0.5, gradual=True),
    "20 % more of the most popular genre": Injection(_popular),
    "another mix of genders": Injection(weight=_women),
    "30 % of genders flipped": Injection(_flipped),
    "age null in one segment": Injection(_one_segment),
}
