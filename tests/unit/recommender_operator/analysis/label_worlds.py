"""Users who are shown items, are predicted to take them, and take some; and their sums."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from recommender_operator.analysis.label_sums import Labels, read_days

VERSION = "shop-0a1b2c3d"
EDGES = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7)


@dataclasses.dataclass(frozen=True)
class Shop:
    """A day has this number of users, who see `shown` items each.

    A user has an age and a leaning, which no feature shows, so that labels of one user are alike.
    The model knows the true probability for the age: of young users it is `young`, else `old`.
    """

    users: int = 500
    shown: int = 10
    young_share: float = 0.5
    young: float = 0.2
    old: float = 0.05
    leaning: float = 0.5  # standard deviation, in log-odds
    #: What users take, by age, where it is no longer what the model learned.
    now_young: float | None = None
    now_old: float | None = None

    def day(self, rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, dict[str, int]]]:
        """Return a day of the collector's answer, and what the input monitor counts."""
        is_young = rng.random(self.users) < self.young_share
        predicted = np.where(is_young, self.young, self.old)
        now = np.where(
            is_young,
            self.young if self.now_young is None else self.now_young,
            self.old if self.now_old is None else self.now_old,
        )
        own = rng.normal(0, self.leaning, self.users) + np.interp(now, *_means(self.leaning))
        labels = rng.random((self.users, self.shown)) < _share(own[:, None])
        probabilities = np.repeat(predicted[:, None], self.shown, axis=1)
        counts = {
            "age": _counted(is_young, ("0", "1")),
            "top_score": _counted(probabilities[:, 0] > (self.young + self.old) / 2, ("0", "1")),
        }
        return _answer(probabilities, labels.astype(float)), counts

    def week(self, rng: np.random.Generator, weekend: float = 1.0) -> list[dict[str, Any]]:
        """Return seven days, of which two have another share of labels than the others.

        On average over the week it is the usual one.
        """
        factors = [(7 - 2 * weekend) / 5] * 5 + [weekend] * 2
        return [self._wanting(factor).day(rng)[0] for factor in factors]

    def _wanting(self, factor: float) -> Shop:
        young = self.young if self.now_young is None else self.now_young
        old = self.old if self.now_old is None else self.now_old
        return dataclasses.replace(self, now_young=young * factor, now_old=old * factor)


def _share(logits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(1 / (1 + np.exp(-logits)))


@functools.cache
def _means(leaning: float) -> tuple[list[float], list[float]]:
    """Return mean shares over users, and the log-odds that have them with such leanings."""
    logits = np.linspace(-8, 4, 121)
    sample = np.random.default_rng(0).normal(0, leaning, 20_000)
    return [float(_share(x + sample).mean()) for x in logits], logits.tolist()


def _counted(flags: np.ndarray[Any, Any], names: tuple[str, str]) -> dict[str, int]:
    return {names[0]: int((~flags).sum()), names[1]: int(flags.sum()), "null": 0, "unknown": 0}


def _answer(p: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return the sums of one day, by definition."""
    loss = -np.where(y > 0, np.log(p), np.log1p(-p))
    entropy = -p * np.log(p) - (1 - p) * np.log1p(-p)
    users = {
        "excess": (loss - entropy).sum(1), "labels": y.sum(1), "loss": loss.sum(1),
        "predicted": p.sum(1), "predictions": np.full(len(p), float(p.shape[1])),
        "squares": ((p - y) ** 2).sum(1),
    }  # fmt: skip
    names = sorted(users)
    places = np.searchsorted(EDGES, p, side="right")
    bins = []
    for place in range(10):
        inside = places == place
        count, predicted = inside.sum(1).astype(float), np.where(inside, p, 0).sum(1)
        gap = np.where(inside, y - p, 0).sum(1)
        bins.append(
            {
                "predictions": float(count.sum()), "predicted": float(predicted.sum()),
                "labels": float(np.where(inside, y, 0).sum()), "gap*gap": float((gap**2).sum()),
                "gap*predictions": float((gap * count).sum()),
                "predictions*predictions": float((count**2).sum()),
            }
        )  # fmt: skip
    return {
        "users": len(p),
        "sums": {name: float(users[name].sum()) for name in names},
        "products": {
            f"{one}*{other}": float((users[one] * users[other]).sum())
            for at, one in enumerate(names)
            for other in names[at:]
        },
        "bins": bins,
    }


def body(days: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the collector's answer with these days."""
    numbered = [{"day": 20_000 + place, **day} for place, day in enumerate(days)]
    return {"version": VERSION, "counts": True, "watermark": 1.8e9, "days": numbered}


def read(days: list[dict[str, Any]]) -> dict[int, Labels]:
    return read_days(body(days), VERSION)
