"""Data of the demo: training data and traffic to replay, before and after a shift of the users.

Four in ten users are held out of training; their sessions become requests. Both traffic files and
the training sessions are drawn by `sessions.sample_session_requests`, so that traffic without a
shift has the distribution of the reference.

The shifted population consists of older held-out users with sessions in certain genres, dated
after the main data, so that a retraining learns them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from recommender_training.common.arrays import Doubles, Ints
from recommender_training.common.progress import say
from recommender_training.data.sessions import SESSION_GAP, Request, sample_session_requests
from recommender_training.ingestion import raw

HELD_OUT_SHARE = 0.4
#: Lowest age of the shifted population, in years.
SHIFTED_AGE = 40
#: Primary genres of the shifted population.
SHIFTED_GENRES = ("Drama", "Romance", "Film-Noir", "Mystery", "War", "Thriller")
#: First user id of the shifted population; each copy of a user has its own id.
_SHIFTED_FIRST_ID = 100_000
_COPIES = 3
_DAY = 86_400
#: Rolling window that holds all of the main data, which spans 215 days. The shifted population
#: starts this many days after the main data, so a later window holds only that population.
WINDOW_DAYS = 220
#: Pairs of users to try.
_SWAPS = 20_000


@dataclass(frozen=True)
class Population:
    """Users and their interactions, in the columns of `ingestion.raw`."""

    users: pl.DataFrame
    interactions: pl.DataFrame


def write_demo(movielens: Path, output: Path, seed: int, sessions: int) -> dict[str, int]:
    """Write `initial/`, `shifted/`, `traffic.jsonl` and `traffic-shifted.jsonl`.

    `initial/` and `shifted/` hold raw files in the format of MovieLens. `shifted/` includes the
    initial rows, so that either folder is a complete source. Returns counts.
    """
    data = raw.read_source(movielens)
    training, held_out = split_users(data, seed)
    changed = shift(held_out, data.items, seed)
    write_raw(output / "initial", movielens, training)
    write_raw(output / "shifted", movielens, training, changed)
    counts = {
        "trainingUsers": training.users.height,
        "heldOutUsers": held_out.users.height,
        "shiftedUsers": changed.users.height,
        "initialRows": training.interactions.height,
        "shiftedRows": changed.interactions.height,
    }
    for name, population in (("traffic", held_out), ("traffic-shifted", changed)):
        requests = traffic(population, data.items, seed, sessions, name)
        counts[name] = _write_lines(output / f"{name}.jsonl", requests)
    say(f"demo-data: {counts}")
    return counts


def split_users(
    data: raw.RawData, seed: int, share: float = HELD_OUT_SHARE
) -> tuple[Population, Population]:
    """Split the users into training and held-out users with similar sessions.

    A random part of 943 users differs from the rest by more than a drift test accepts. So the
    split is balanced: pairs of users change sides if that makes the sessions of both sides more
    similar in age, gender, occupation, mean value and length of history.
    """
    users = _profiles(data).sort("user_id")
    table, starts = _blocks(users)
    random = np.random.default_rng(seed)
    held = np.zeros(users.height, dtype=np.bool_)
    held[random.permutation(users.height)[: int(users.height * share)]] = True
    one, other = table[held].sum(0), table[~held].sum(0)
    least = _distance(one, other, starts)
    for _ in range(_SWAPS):
        out, back = random.choice(np.flatnonzero(held)), random.choice(np.flatnonzero(~held))
        change = table[back] - table[out]
        distance = _distance(one + change, other - change, starts)
        if distance < least:
            held[out], held[back] = False, True
            one, other, least = one + change, other - change, distance
    keep = data.users.columns
    say(f"demo-data: distance of the sessions of both groups {least / len(starts):.3f}")
    return (
        _population(data, users.filter(~pl.Series(held)).select(keep)),
        _population(data, users.filter(pl.Series(held)).select(keep)),
    )


def _profiles(data: raw.RawData) -> pl.DataFrame:
    """Return users with events, with their number of sessions and events and their mean value."""
    counts = (
        data.interactions.sort("user_id", "timestamp")
        .group_by("user_id")
        .agg(
            sessions=1 + (pl.col("timestamp").diff() >= SESSION_GAP).sum(),
            events=pl.len(),
            mean=pl.col("value").mean(),
        )
    )
    return data.users.join(counts, on="user_id", how="inner")


def _blocks(users: pl.DataFrame) -> tuple[Doubles, Ints]:
    """Return [U, K] sessions by category of five features, and each feature's first column."""
    blocks = [users.select(name).to_dummies().to_numpy() for name in ("gender", "occupation")]
    sessions = users["sessions"].to_numpy()
    for name in ("age", "events", "mean"):
        values = users[name].fill_null(-1).to_numpy()
        repeated = np.repeat(values, sessions)
        edges = np.unique(np.quantile(repeated, np.arange(1, 10) / 10, method="nearest"))
        blocks.append(np.eye(len(edges) + 1)[np.searchsorted(edges, values, side="right")])
    starts = np.cumsum([0, *(block.shape[1] for block in blocks[:-1])])
    return np.hstack(blocks).astype(np.float64) * sessions[:, None], starts


def _distance(one: Doubles, other: Doubles, starts: Ints) -> float:
    """Return the sum over the features of the total variation distance of category shares."""
    total = len(starts)
    gap = np.abs(one / (one.sum() / total) - other / (other.sum() / total))
    return float(0.5 * gap.sum())


def shift(population: Population, items: pl.DataFrame, seed: int) -> Population:
    """Return the shifted population: older users, other genres, later dates, new ids."""
    older = population.users.filter(pl.col("age") >= SHIFTED_AGE)
    primary = pl.col("genre").str.split(" ").list.first()
    liked = items.filter(primary.is_in(SHIFTED_GENRES))
    kept = population.interactions.filter(
        pl.col("user_id").is_in(older["user_id"].implode())
        & pl.col("item_id").is_in(liked["item_id"].implode())
    )
    random = np.random.default_rng(seed)
    users, interactions = [], []
    late = int(population.interactions["timestamp"].to_numpy().max())
    late += WINDOW_DAYS * _DAY
    for number, row in enumerate(older.sort("user_id").iter_rows(named=True)):
        events = kept.filter(pl.col("user_id") == row["user_id"]).sort("timestamp", "item_id")
        for copy in range(_COPIES if events.height else 0):
            new_id = _SHIFTED_FIRST_ID + number * _COPIES + copy
            start = late + int(random.integers(0, 14 * _DAY))
            picked = events.filter(pl.Series(random.random(events.height) < 0.8))
            if picked.height == 0:
                continue
            users.append({**row, "user_id": new_id})
            interactions.append(_redated(picked, new_id, start))
    return Population(pl.DataFrame(users, schema=population.users.schema), pl.concat(interactions))


def _redated(events: pl.DataFrame, user_id: int, start: int) -> pl.DataFrame:
    """Move the events of one user to `start`, with gaps of at most a day."""
    gaps = np.diff(events["timestamp"].to_numpy(), prepend=events["timestamp"][0])
    time = start + np.cumsum(np.minimum(gaps, _DAY))
    day = pl.from_epoch("timestamp", time_unit="s").dt.strftime("%Y-%m-%d").alias("event_date")
    return events.with_columns(
        pl.lit(user_id, dtype=pl.Int64).alias("user_id"), pl.Series("timestamp", time)
    ).with_columns(day)


def traffic(
    population: Population, items: pl.DataFrame, seed: int, count: int, prefix: str
) -> Iterator[Request]:
    """Yield `count` requests in random order, in passes over all sessions with new positions.

    A pass has each session once, so that any window of it is a sample without replacement.
    """
    made = 0
    while made < count:
        drawn = list(
            sample_session_requests(
                population.interactions,
                population.users,
                items,
                seed + 1 + made,
                declared=raw.declaration(),
                prefix=f"{prefix}-{seed}-{made}",
            )
        )
        if not drawn:
            raise ValueError("the population has no session to draw from")
        order = np.random.default_rng(seed + made).permutation(len(drawn))
        for index in order[: count - made].tolist():
            yield drawn[index]
        made += len(drawn)


def write_raw(folder: Path, movielens: Path, *populations: Population) -> None:
    """Write the raw files of the populations, one *.inter and *.user each, and the items."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(movielens.glob("*.item")):
        shutil.copyfile(path, folder / path.name)
    for number, population in enumerate(populations):
        interactions = population.interactions.select(
            pl.col("user_id").alias("user_id:token"),
            pl.col("item_id").alias("item_id:token"),
            pl.col("value").cast(pl.Int64).alias("rating:float"),
            pl.col("timestamp").alias("timestamp:float"),
        )
        users = population.users.select(
            pl.col("user_id").alias("user_id:token"),
            pl.col("age").fill_null(-1).cast(pl.Int64).alias("age:token"),
            pl.col("gender").fill_null("").alias("gender:token"),
            pl.col("occupation").fill_null("").alias("occupation:token"),
            pl.lit("00000").alias("zip_code:token"),
        )
        for frame, suffix in ((interactions, "inter"), (users, "user")):
            path = folder / f"batch-{number}.{suffix}"
            frame.write_csv(path, separator="\t", quote_style="never")


def _population(data: raw.RawData, users: pl.DataFrame) -> Population:
    users = users.sort("user_id")
    mine = pl.col("user_id").is_in(users["user_id"].implode())
    return Population(users, data.interactions.filter(mine))


def _write_lines(path: Path, requests: Iterator[Request]) -> int:
    count = 0
    with path.open("w") as stream:
        for request in requests:
            stream.write(json.dumps(request, separators=(",", ":")) + "\n")
            count += 1
    return count
