"""Memory and pace of a large training: generated events, ingested, one epoch of the ranker.

The events are made by the package's own generator in parts, each of other users (and of another
quality of the same items, so quality is not measured). Each step is a separate process;
the kernel reports its peak. `--whole` also runs all of `recommender-training train`:
both fits, evaluation, export. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from recommender_training.data import load
from tests.benchmarks.machine import machine

PART_ROWS, USER_ROWS, SEED = 250_000, 100, 17
MAPPING = {
    "interactions": {
        "files": "events/*.parquet",
        "user": "user",
        "item": "item",
        "timestamp": "time",
        "value": "rating",
    },
    "users": {"files": "users/*.parquet", "id": "user", "features": [
        {"name": "age", "kind": "Numeric", "edges": [18, 25, 35, 45, 50, 56], "fairness": True},
        {"name": "gender", "kind": "Categorical", "fairness": True},
        {"name": "occupation", "kind": "Categorical"}]},
    "items": {"files": "items/*.parquet", "id": "item", "title": "title", "features": [
        {"name": "year", "kind": "Timestamp", "unit": "Year"},
        {"name": "genre", "kind": "MultiCategorical", "column": "genres", "separator": " "}]},
}  # fmt: skip
NAMES = {
    "inter": {"user_id:token": "user", "item_id:token": "item", "rating:float": "rating",
              "timestamp:float": "time"},
    "user": {"user_id:token": "user", "age:token": "age", "gender:token": "gender",
             "occupation:token": "occupation"},
    "item": {"item_id:token": "item", "movie_title:token_seq": "title",
             "release_year:token": "year", "class:token_seq": "genres"},
}  # fmt: skip


def generate(folder: Path, rows: int, items: int) -> dict[str, Any]:
    """Write the raw files, a part at a time."""
    import polars as pl

    from recommender_examples import synthetic

    for kind in ("events", "users", "items"):
        (folder / "raw" / kind).mkdir(parents=True)
    written = users = 0
    for part in range(-(-rows // PART_ROWS)):
        count = min(PART_ROWS, rows - written)
        people = max(2, count // USER_ROWS)
        made = folder / "part"
        synthetic.generate(made, synthetic.Size(people, items, count), SEED + part)
        for ending, kind in (("inter", "events"), ("user", "users"), ("item", "items")):
            path = made / f"synthetic.{ending}"
            frame = pl.read_csv(path, separator="\t", quote_char=None)
            frame = frame.select(pl.col(was).alias(name) for was, name in NAMES[ending].items())
            path.unlink()
            if kind == "items" and part:
                continue
            if kind != "items":
                frame = frame.with_columns(pl.col("user") + users)
            written += frame.height if kind == "events" else 0
            frame.write_parquet(folder / "raw" / kind / f"{part:05}.parquet")
        users += people
    return {"rows": written, "users": users, "items": items}


def ingest(folder: Path) -> dict[str, Any]:
    """Bring them into the lake."""
    from recommender_contract.resource.mapping import Format
    from recommender_training.ingestion import ingest as ingestion
    from recommender_training.ingestion.mapping_argument import parse_mapping

    mapping = parse_mapping(json.dumps(MAPPING), Format.PARQUET)
    found = ingestion.ingest_and_check(
        folder / "raw",
        folder / "lake",
        kind=Format.PARQUET,
        mapping=mapping,
        max_quarantined_share=0.0,
    )
    (folder / "version").write_text(found.data_version)
    return {"rows": found.rows}


def epoch(folder: Path) -> dict[str, Any]:
    """Read the data version and fit the ranker for one epoch, with its looks at the validation."""
    from recommender_training.config.training import TrainingConfig
    from recommender_training.features import event_features
    from recommender_training.features.prepared_data import prepare_data
    from recommender_training.trainer.deep_ranker import fit_deep

    config = _one_epoch(TrainingConfig())
    _, data = load.load_dataset(folder / "lake", (folder / "version").read_text(), None)
    loaded = _peak_gib()
    prepared = prepare_data(data, config)
    ready = _peak_gib()
    _, log = fit_deep(prepared, config, 1)
    return {
        "rows": len(prepared.split.train),
        "epoch_seconds": round(log.epoch_seconds[0], 1),
        "loaded_gib": loaded,
        "prepared_gib": ready,
        "by_batch": isinstance(prepared.inputs, event_features.Features),
        "validation_log_loss": round(log.best_loss, 4),
    }


def whole(folder: Path, **changed: Any) -> dict[str, Any]:
    """All of `recommender-training train`, for one epoch; `changed` are sections of the config."""
    from recommender_training.config.training import TrainingConfig
    from recommender_training.pipeline import training

    version = (folder / "version").read_text()
    config = _one_epoch(TrainingConfig(**changed))
    result = training.train(
        training.TrainingRun(folder / "lake", version, config, folder / "staged")
    )
    return {"rows": result.rows, "auc": round(result.metrics["auc"], 4)}


STEPS = {"ingest": ingest, "epoch": epoch, "whole": whole}


def _one_epoch(config: Any) -> Any:
    settings = config.hyperparameters.model_copy(update={"epochs": 1, "batch_size": 2048})
    return config.model_copy(update={"hyperparameters": settings})


def _peak_gib() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 3)


def _step(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run one step in this process; returns its result, duration and memory."""
    if arguments.kept_mebibytes is not None:
        from recommender_training.features import event_features

        event_features.KEPT_BYTES = arguments.kept_mebibytes * 2**20
    began, cpu = time.perf_counter(), time.process_time()
    if arguments.step == "generate":
        told = generate(arguments.folder, arguments.rows, arguments.items)
    else:
        told = STEPS[arguments.step](arguments.folder)
    seconds = time.perf_counter() - began
    return {
        **told,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "rows_per_s": round(told["rows"] / seconds),
        "peak_rss_gib": _peak_gib(),
    }


def _run(step: str, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.stream_training", "--step", step,
               "--folder", str(folder), "--rows", str(arguments.rows),
               "--items", str(arguments.items)]  # fmt: skip
    if arguments.kept_mebibytes is not None:
        command += ["--kept-mebibytes", str(arguments.kept_mebibytes)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{step}: {told}", file=sys.stderr, flush=True)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--items", type=int, default=3000)
    parser.add_argument("--whole", action="store_true", help="all of `train` besides the epoch")
    parser.add_argument(
        "--kept-mebibytes",
        type=int,
        metavar="N",
        help="keep inputs up to this size; 0 computes them by batch whatever the rows",
    )
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--step", choices=["generate", *STEPS], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        print(json.dumps(_step(arguments)))
        return
    steps = ["generate", "ingest", "epoch", *(["whole"] if arguments.whole else [])]
    with tempfile.TemporaryDirectory() as folder:
        told = {step: _run(step, Path(folder), arguments) for step in steps}
    print(json.dumps({"benchmark": "stream_training", **told, "machine": machine()}))


if __name__ == "__main__":
    main()
