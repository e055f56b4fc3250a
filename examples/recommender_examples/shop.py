"""A generated shop with the true click probability of each impression.

Users visit in sessions of up to MAX_VIEWS pages, and each page shows SLOTS items. User u clicks
item i in slot k of a page at time t with the probability p, independently of other impressions:

    logit p = b + taste(u) . embedding(i)
                + prestige_liking(tier of u) prestige(brand of i) + effect(brand of i)
                - price_sensitivity(tier of u) z(i)       z: standardised logarithm of the price
                + effect(attribute of u) + effect(device) + effect(page)
                - POSITION_BIAS ln k
                + FRESH_ITEM exp(-age(i, t) / FRESH_ITEM_DAYS)
                + FRESH_USER exp(-tenure(u, t) / FRESH_USER_DAYS)
                + CLICKED exp(-s / CLICKED_SECONDS)       s: seconds since the session's last
                                                          page with a click
    taste(u) = common + effect(region) + effect(hidden cluster of the attribute) + private part

`shop_world` has the effects of users and items, `shop_visits` those of impressions. b makes the
share of clicks `positive_rate`. Brands and attributes are long-tailed, prices log-normal. A value
that is null in the log has no effect (z, effect and embedding are 0), so a click depends only on
the columns of the log and a small private taste. Items are shown by popularity, from the day after
their creation.

A drift changes the distribution of users or items in impressions; the formula stays. A broken
feature is wrong only in the log: users click as before. A table with a broken feature is exported
a second time in full, with the day of the break as `valid_from`.

With `all_kinds` users and requests also have the lists, vectors and times of `shop_kinds`, whose
parts are added to the logit.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import polars as pl

from recommender_examples import shop_kinds, shop_tables, shop_visits
from recommender_examples.shop_kinds import Context, Kinds
from recommender_examples.shop_settings import (
    OF_IMPRESSIONS,
    OF_ITEMS,
    OF_USERS,
    SLOTS,
    RawFormat,
    Settings,
)
from recommender_examples.shop_visits import Visits
from recommender_examples.shop_world import World
from recommender_training.common.arrays import Doubles

#: Sessions drawn at a time: about 75,000 impressions.
CHUNK_SESSIONS = 4096


@dataclass(frozen=True)
class Part:
    """Impressions of one day, by time, and the truth about each in the same order."""

    name: str
    log: pl.DataFrame
    #: impression_id, user_id, item_id, time, logit, probability; `of_` and the name of each of
    #: `shop_kinds.KINDS`, what it adds to the logit.
    truth: pl.DataFrame


class Shop:
    """A shop; the same settings and seed give the same rows.

    Impressions are generated on iteration, CHUNK_SESSIONS at a time.
    """

    def __init__(self, settings: Settings, seed: int, *, all_kinds: bool = False) -> None:
        self.settings, self._seed = settings, seed
        self.world = World.of(settings, seed)
        self.kinds = Kinds.of(self.world, seed) if all_kinds else None
        self.intercept = shop_visits.fit_intercept(self.world, seed, self._added())

    def users(self) -> list[pl.DataFrame]:
        """Return the exports of the users table; two if one of its features breaks."""
        rows = shop_tables.users(self.world)
        if self.kinds is not None:
            rows = rows.hstack(self.kinds.columns())
        return self._exports(rows, OF_USERS)

    def items(self) -> list[pl.DataFrame]:
        """Return the exports of the items table; two if one of its features breaks."""
        return self._exports(shop_tables.items(self.world), OF_ITEMS)

    def impressions(self) -> Iterator[Part]:
        """Yield the log by day, each day in parts."""
        pages = math.ceil(self.settings.impressions / SLOTS)
        each, more = divmod(pages, self.settings.days)
        for day in range(self.settings.days):
            yield from self._day(day, each + (day < more))

    def _added(self) -> Callable[[Visits], Doubles | float]:
        """Part of the logits of visits outside the log, from the features of all kinds."""
        kinds, random = self.kinds, np.random.default_rng([self._seed, 5])
        if kinds is None:
            return shop_visits.nothing

        def added(visits: Visits) -> Doubles:
            drawn = shop_kinds.context(random, len(visits.user))
            found: Doubles = sum(kinds.of_visits(self.world, visits, drawn).values(), np.zeros(1))
            return found

        return added

    def _exports(self, rows: pl.DataFrame, features: dict[str, bool]) -> list[pl.DataFrame]:
        change = self.settings.broken
        if change is None or change.feature not in features:
            return [rows]
        return [rows, shop_tables.exported_again(rows, change, self.world)]

    def _day(self, day: int, pages: int) -> Iterator[Part]:
        random = np.random.default_rng([self._seed, 1, day])
        visitors, change = shop_visits.Day(self.world, day), self.settings.broken
        number, moments = 0, np.empty(0, dtype=np.int64)
        while pages > 0:
            sessions = min(CHUNK_SESSIONS, pages)  # each has a page at least
            visits = visitors.draw(random, sessions).first_pages(pages).apart(moments)
            moments = np.concatenate([moments, visits.moments()[visits.seen].ravel()])
            pages -= int(visits.seen.sum())
            base = shop_visits.base_logits(self.world, visits)
            clicks, bought = (random.random(base.shape) for _ in range(2))
            more = self._more(visits, day, number)
            base = base if more is None else base + sum(more[1].values())
            logit, clicked = shop_visits.click(base, visits, self.intercept, clicks)
            name = f"{day:03}-{number:03}"
            log, truth = shop_tables.impressions(self.world, visits, name, clicked, logit, bought)
            if more is not None:
                log, truth = shop_kinds.beside(log, truth, visits, *more)
            if change is not None and change.feature in OF_IMPRESSIONS and day >= change.day:
                log = shop_tables.broken(log, change, self.world)
            yield Part(name, log, truth)
            number += 1

    def _more(
        self, visits: Visits, day: int, number: int
    ) -> tuple[Context, dict[str, Doubles]] | None:
        """The context of all kinds, and the parts [S, V, K] that all kinds add to the logits."""
        if self.kinds is None:
            return None
        random = np.random.default_rng([self._seed, 4, day, number])
        drawn = shop_kinds.context(random, len(visits.user))
        return drawn, self.kinds.of_visits(self.world, visits, drawn)


def mapping(*, all_kinds: bool = False) -> str:
    """Return the mapping of the raw files, with every column that is known when serving."""
    shipped = resources.files("recommender_examples") / "mappings/shop.json"
    text = shipped.read_text(encoding="utf-8")
    return shop_kinds.mapping(text) if all_kinds else text


def write(
    destination: Path,
    settings: Settings,
    seed: int,
    kind: RawFormat = RawFormat.PARQUET,
    *,
    all_kinds: bool = False,
) -> dict[str, int]:
    """Write `raw/` (users, items, impressions), `mapping.json` and `truth/`; return counts.

    `mapping.json` declares the columns of `raw/` (`check --mapping @mapping.json`). `truth/` has
    one Parquet file per file of impressions, and `parameters.json`.
    """
    shop = Shop(settings, seed, all_kinds=all_kinds)
    raw, truth = destination / "raw", destination / "truth"
    for name, exports in (("users", shop.users()), ("items", shop.items())):
        for number, rows in enumerate(exports):
            _write(rows, raw / name / f"{number:03}", kind)
    (truth / "impressions").mkdir(parents=True, exist_ok=True)
    impressions = clicks = 0
    for part in shop.impressions():
        _write(part.log, raw / "impressions" / part.name, kind)
        part.truth.write_parquet(truth / "impressions" / f"{part.name}.parquet")
        impressions += part.log.height
        clicks += int(part.log["clicked"].sum())
    (destination / "mapping.json").write_text(mapping(all_kinds=all_kinds), encoding="utf-8")
    parameters = {"seed": seed, "settings": asdict(settings), "intercept": shop.intercept}
    if all_kinds:
        parameters["all_kinds"] = True
    (truth / "parameters.json").write_text(
        json.dumps(parameters, indent=2) + "\n", encoding="utf-8"
    )
    return {
        "users": settings.users,
        "items": settings.items,
        "impressions": impressions,
        "clicks": clicks,
    }


def _write(rows: pl.DataFrame, path: Path, kind: RawFormat) -> None:
    """Write one file; times in JSON lines are ISO 8601 texts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind is RawFormat.PARQUET:
        rows.write_parquet(path.with_suffix(".parquet"))
        return
    times = pl.selectors.datetime().dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
    rows.with_columns(times).write_ndjson(path.with_suffix(".jsonl"))
