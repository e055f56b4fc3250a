"""`train`: from a data version to a staged artifact, the same bytes for the same inputs."""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import nn

from recommender_training import warm_start
from recommender_training.artifact import manifest, reference, store, triton, vocabulary
from recommender_training.champion import Comparison
from recommender_training.code_version import code_version
from recommender_training.config import Fault, TrainingConfig
from recommender_training.data import dataset, ingest, lake
from recommender_training.evaluation import ranking
from recommender_training.evaluation.answers import scorers
from recommender_training.evaluation.evaluate import evaluate
from recommender_training.evaluation.once import OnceOnly
from recommender_training.export import build, faults, latency, parity, tensors, torchscript
from recommender_training.features.table import State
from recommender_training.files import canonical_json, fsync_folder, write_bytes
from recommender_training.models import retrieval
from recommender_training.models.bundle import Bundle, Prepared, fit_models, prepare, refit
from recommender_training.models.sources import Sources
from recommender_training.page import files as page
from recommender_training.progress import say
from recommender_training.search.choose import choose
from recommender_training.search.objective import Source
from recommender_training.sessions import sample_requests

#: Requests of the test window that the parity check asks both sides.
_PARITY_REQUESTS = 50


@dataclass(frozen=True)
class TrainResult:
    """A staged artifact and what the report of `train` says of it."""

    staged: Path
    digest: str
    rows: int
    report: dict[str, Any]
    latency_p99_milliseconds: float
    champion: dict[str, Any] | None = None

    @property
    def metrics(self) -> dict[str, float]:
        """The flat metrics of the artifact, and what was measured on this machine.

        Times are never the same twice, so they are in no file of the artifact.
        """
        timed = {"modelLatencyP99Milliseconds": self.latency_p99_milliseconds}
        return {**self.report["metrics"], **timed}


def load(
    lake_path: Path, data_version: str, window_days: int | None
) -> tuple[lake.Tables, dataset.Dataset]:
    """The tables of a data version cut to the window, and their data set."""
    tables = lake.read_version(lake_path, data_version)
    start, end = ingest.window_bounds(tables.interactions, window_days)
    inside = tables.interactions.filter(pl.col("timestamp").is_between(start, end))
    tables = lake.Tables(inside, tables.users, tables.items)
    return tables, dataset.build(tables)


def train(
    lake_path: Path,
    data_version: str,
    config: TrainingConfig,
    output: Path,
    *,
    window_days: int | None = None,
    threads: int = 1,
    champion: Comparison | None = None,
) -> TrainResult:
    """Train, evaluate once on the test window, export, and stage the artifact at `output`.

    An artifact that is already there is replaced: a repeated pod of a Job ends in the same state.
    With a `champion`, its answers on the same rows are part of the evaluation.
    """
    with threadpool_limits(limits=threads):  # sums of NumPy depend on their number, too
        return _train(lake_path, data_version, config, output, window_days, threads, champion)


def _train(
    lake_path: Path,
    data_version: str,
    config: TrainingConfig,
    output: Path,
    window_days: int | None,
    threads: int,
    champion: Comparison | None,
) -> TrainResult:
    say(f"train: reading {data_version} from {lake_path}")
    torch.set_num_threads(threads)
    tables, data = load(lake_path, data_version, window_days)
    found = None
    if config.search is not None:
        source = Source(lake_path, data_version, window_days)
        found = choose(source, data, config, output.with_name(".search"), threads)
        config = found.config
    prepared = prepare(data, config)
    start, warm = warm_start.begin(config, prepared, champion.source if champion else None)
    bundle = held_out = fit_models(prepared, config, threads, start)
    sought = {} if found is None else found.report(prepared, bundle, threads)
    bundle = refit(bundle, prepared, config, threads, start)
    say("evaluate: test window")
    report = evaluate(bundle, prepared, OnceOnly(prepared.split.test).open(), champion)
    if warm is not None:
        report["warmStart"] = warm
    if champion is not None:
        say(f"evaluate: champion: {champion.facts}")
        # The message may name paths of this machine, which are none of the artifact's business.
        report["champion"] = {k: v for k, v in champion.facts.items() if k != "message"}
    partial = output.with_name(f".{output.name}.partial")
    if partial.exists():
        shutil.rmtree(partial)
    report = _header(bundle, prepared, config, data_version) | sought | report
    report["parity"], served = _write_models(partial, bundle, prepared, config)
    report["metrics"]["modelMegabytes"] = _megabytes(triton.model_path(partial))
    _write_facts(partial, served, tables, prepared, config)
    warm_start.leave(partial, held_out, prepared, config)
    write_bytes(partial / "report.json", canonical_json(report))
    lineage = _lineage(report, config, data_version, threads)
    page.write(partial, report, lineage)
    digest = manifest.write(partial, lineage)
    store.seal(partial)
    if output.exists():
        shutil.rmtree(output)
    partial.rename(output)
    fsync_folder(output.parent)
    if found is not None:
        found.forget()
    say(f"train: staged {digest} at {output}; timing single requests")
    timed = latency.p99_milliseconds(output)
    facts = champion.facts if champion is not None else None
    return TrainResult(output, digest, len(data.events), report, timed, facts)


def validate(
    lake_path: Path,
    data_version: str,
    config: TrainingConfig,
    *,
    window_days: int | None = None,
    threads: int = 1,
) -> dict[str, float]:
    """Metrics of the validation window, for choosing between configurations.

    The fit stops early on the same window, so they flatter a little; the test window stays unread.
    """
    with threadpool_limits(limits=threads):
        _, data = load(lake_path, data_version, window_days)
        prepared = prepare(data, config)
        bundle = fit_models(prepared, config, threads)
        return dict(evaluate(bundle, prepared, prepared.split.validation)["metrics"])


def _write_models(
    root: Path, bundle: Bundle, prepared: Prepared, config: TrainingConfig
) -> tuple[dict[str, Any], nn.Module]:
    """Export both models into the Triton repository and hold them against eager mode.

    Returns the differences, and the model that is to serve, loaded, without its injected fault.
    """
    say("export: TorchScript and parity with eager mode")
    known = _knowledge(prepared, bundle.sources)
    requests = _parity_requests(prepared)
    baseline = build.logistic_module(bundle.baseline, known, bundle.baseline_temperature)
    served: nn.Module = baseline
    if bundle.deep is not None:
        served = build.ranker_module(bundle.deep, known, bundle.deep_temperature)
    base_scorer, scorer = scorers(bundle, prepared)
    differences: dict[str, Any] = {}
    loaded: dict[str, nn.Module] = {}
    for name, module, eager in (
        ("recommender", served, scorer),
        ("baseline", baseline, base_scorer),
    ):
        config_file = root / "repository" / name / "config.pbtxt"
        write_bytes(config_file, triton.render_config(name).encode())
        torchscript.save(module, triton.model_path(root, name))
        loaded[name] = torchscript.load(triton.model_path(root, name))
        differences[name] = parity.check(loaded[name], eager, known, requests)
    injected = faults.inject(served, config.fault_injection)
    if injected is not served:
        torchscript.save(injected, triton.model_path(root))
    popular = vocabulary.popularity(prepared.data.items, known.state.counts)
    write_bytes(root / "popularity.json", canonical_json(popular))
    return differences, loaded["recommender"]


def _megabytes(path: Path) -> float:
    return round(path.stat().st_size / 1e6, 6)


def _knowledge(prepared: Prepared, sources: Sources) -> build.Knowledge:
    """All that is known at the end of the data: the weights are older, the counts are not."""
    data = prepared.data
    every = np.ones(len(data.events), dtype=np.bool_)
    return build.Knowledge(
        data=data,
        constants=prepared.constants,
        state=State.at(data, None),
        retrieval=retrieval.fit(data, every) if sources.weights else None,
        history_length=prepared.history_length,
        sources=sources,
    )


def _parity_requests(prepared: Prepared) -> list[ranking.Request]:
    length = prepared.history_length
    task = ranking.reveal_half(prepared.data, prepared.split.test, length)
    requests = task.requests[:_PARITY_REQUESTS]
    end = int(prepared.data.events.time[-1]) + 1
    return [ranking.Request(0, np.zeros(0, dtype=np.int64), end), *requests]


def _write_facts(
    root: Path,
    served: nn.Module,
    tables: lake.Tables,
    prepared: Prepared,
    config: TrainingConfig,
) -> None:
    """Write vocabulary.json and reference.json."""
    say("reference: one request of each session")
    words = vocabulary.vocabulary(prepared.data, prepared.history_length)
    requests = list(
        sample_requests(
            tables.interactions,
            tables.users,
            tables.items,
            config.seed,
            history_length=prepared.history_length,
        )
    )
    scores = tensors.top_scores(served, requests, words)
    facts = reference.reference(requests, scores, words)
    write_bytes(root / "reference.json", canonical_json({**facts, "seed": config.seed}))
    if config.fault is Fault.BROKEN_FEATURES:
        words = vocabulary.broken(words, config.seed)
    write_bytes(root / "vocabulary.json", canonical_json(words))


def _header(
    bundle: Bundle,
    prepared: Prepared,
    config: TrainingConfig,
    data_version: str,
) -> dict[str, Any]:
    split, events = prepared.split, prepared.data.events
    return {
        "schema": page.SCHEMA,
        "dataVersion": data_version,
        "algorithm": config.algorithm.value,
        "seed": config.seed,
        "fault": _fault(config),
        "windows": {
            "trainRows": len(split.train),
            "validationRows": len(split.validation),
            "testRows": len(split.test),
            "start": ingest.iso_time(int(events.time[0])),
            "validationStart": ingest.iso_time(split.validation_start),
            "testStart": ingest.iso_time(split.test_start),
            "end": ingest.iso_time(int(events.time[-1])),
        },
        "calibration": {
            "temperature": round(
                bundle.deep_temperature if bundle.deep else bundle.baseline_temperature, 6
            ),
            "baselineTemperature": round(bundle.baseline_temperature, 6),
        },
        "learning": {
            "bestEpoch": round(bundle.log.best_epoch, 3),
            "looks": [[epoch, round(loss, 6)] for epoch, loss in bundle.log.looks],
        },
        "retrieval": bundle.sources.facts(config.hyperparameters.retrieval),
    }


def _lineage(
    report: dict[str, Any], config: TrainingConfig, data_version: str, threads: int
) -> dict[str, Any]:
    return {
        "dataVersion": data_version,
        "codeVersion": code_version(),
        "seed": config.seed,
        "threads": threads,
        "algorithm": config.algorithm.value,
        "hyperparameters": config.hyperparameters.model_dump(by_alias=True),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "metrics": report["metrics"],
        "fault": _fault(config),
        **({"warmStart": report["warmStart"]} if "warmStart" in report else {}),
    }


def _fault(config: TrainingConfig) -> dict[str, Any] | None:
    if config.fault_injection is None:
        return None
    return config.fault_injection.model_dump(mode="json", by_alias=True)
