"""Peak memory of a training at many events, without a lake: arrays drawn at random, a few steps.

It takes a minute of CPU time for 20 million events, where `stream_training` ingests and reads all
of them. What an epoch repeats is done a few times, the fits of taste read 100,000 events instead
of 2 million and the ranker is standardised on 100,000 rows instead of a million. Evaluation and
export are left out. One JSON line a part, with the peak of the process so far.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
import torch

from recommender_training.config.training import TrainingConfig
from recommender_training.data import dataset, schema, splits
from recommender_training.data.dataset import Dataset, Events
from recommender_training.data.version_content import Tables
from recommender_training.features import attributes, event_features, user_factors
from recommender_training.features.prepared_data import held_out
from recommender_training.ingestion import raw
from recommender_training.models import logistic, ranker
from recommender_training.models.ranker import RankerSize
from recommender_training.trainer import deep_ranker, fit, runtime, training_rows

GENRES, BATCH, STEPS = 6, 2048, 20
_1990 = 631_152_000


def draw(count: int, users: int, items: int) -> Dataset:
    """Events without any taste, three per second."""
    random = np.random.default_rng(0)
    user = random.integers(0, users, count, dtype=np.int32)
    item = random.integers(0, items, count, dtype=np.int32)
    value = random.integers(1, 6, count, dtype=np.int8).astype(np.float32)
    seconds = np.arange(count, dtype=np.int64)
    seconds //= 3
    seconds += 1_700_000_000
    return replace(sides(users, items), events=Events(user, item, value, seconds))


def sides(users: int, items: int) -> Dataset:
    """Users and items of the columns of MovieLens, without events."""
    declared = raw.declaration()
    columns = schema.tables(declared)
    user, item = pl.int_range(users, eager=True), pl.int_range(items, eager=True)
    words = {"gender": list("FM"), "occupation": list("abcd")}
    people = pl.DataFrame({
        "user_id": user,
        "age": pl.repeat(30.0, users, eager=True),
        **{name: _each(user % len(each), each) for name, each in words.items()},
        "segment": pl.repeat("unknown", users, eager=True),
    }, schema=columns["users"])  # fmt: skip
    things = pl.DataFrame({
        "item_id": item,
        "title": pl.repeat("t", items, eager=True),
        "genre": _each(item % GENRES, "abcdef"),
        "release_year": pl.repeat(_1990, items, eager=True),
    }, schema=columns["items"])  # fmt: skip
    nothing = pl.DataFrame(schema=columns["interactions"])
    return dataset.build_dataset(Tables(nothing, people, things, declaration=declared))


def _each(codes: pl.Series, words: Sequence[str]) -> pl.Series:
    return codes.replace_strict(dict(enumerate(words)), return_dtype=pl.String)


def tell(what: str) -> None:
    """One line: the peak so far, in GiB, and the CPU time so far, in seconds."""
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 3)
    spent = round(time.process_time(), 1)
    print(json.dumps({"after": what, "peak_rss_gib": peak, "cpu_seconds": spent}), flush=True)


def measure(data: Dataset) -> None:
    """The parts of a training that hold memory, in order."""
    config = TrainingConfig()
    settings = config.hyperparameters
    split = splits.temporal(data.events)
    tell("split")
    frozen = event_features.constants(data, split.train)
    inputs = event_features.Features.of(data, settings.history_length, frozen)
    tell("what features are computed from")
    labels = training_rows.training_labels(data, split, config)
    fit.seed_everything(1, 1)
    train = torch.from_numpy(split.train)
    size = RankerSize(
        data.users.count,
        attributes.sizes(data),
        settings.embedding_dim,
        settings.dropout,
        settings.user_dropout,
    )
    model = ranker.create_ranker(data, inputs, train, size=size)
    target = torch.from_numpy(labels.astype(np.float32))
    held = torch.from_numpy(held_out(split)[:10_000])
    how = runtime.choose_runtime(settings.precision)
    settings = settings.model_copy(update={"batch_size": BATCH})
    fitted = fit.Trainer(
        model, fit.Examples(inputs, train, held, target), settings, fit.FitOptions(how=how)
    )
    began = time.process_time()
    for _ in range(STEPS):
        fitted.step()
    pace = STEPS * BATCH / (time.process_time() - began)
    tell(f"{STEPS} steps of {BATCH} rows, {pace:.0f} rows a CPU second")
    fitted.look()
    fitted.finish(fitted.best)
    deep_ranker.hide_unseen(model, data, split.train)
    tell("a look, and unseen ids hidden")
    logistic.fit(inputs, split.train, data, labels)
    tell("logistic regression")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--items", type=int, default=3000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    user_factors.MAX_EVENTS, user_factors.FIRST, user_factors.GROWTH = (
        100_000,
        arguments.rows // 3,
        1.8,
    )
    ranker.MAX_STANDARD = 100_000
    tell("imports")
    data = draw(arguments.rows, arguments.users, arguments.items)
    tell("events")
    measure(data)


if __name__ == "__main__":
    main()
