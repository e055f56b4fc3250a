"""An artifact's description of itself: report header, lineage, vocabulary, reference."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch import nn

from recommender_contract.artifact import ITEM_IDS, REFERENCE, VOCABULARY
from recommender_contract.resource.training_settings import Fault
from recommender_training.artifact import reference, vocabulary
from recommender_training.common.code_version import code_version
from recommender_training.common.durable_files import canonical_json, write_bytes
from recommender_training.common.progress import say
from recommender_training.config.training import TrainingConfig
from recommender_training.data import labels, time_format
from recommender_training.data import load as load_data
from recommender_training.data.sessions import sample_session_requests
from recommender_training.data_checks import sample
from recommender_training.export import tensors
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle
from recommender_training.fitted.retrieval import RetrievalModels
from recommender_training.html_report import page_file as page
from recommender_training.ingestion import id_table
from recommender_training.pipeline import variants
from recommender_training.trainer import embedding_plan, precision


def write_lineage(
    root: Path,
    served: nn.Module,
    side: load_data.Side,
    prepared: PreparedData,
    config: TrainingConfig,
    sources: RetrievalModels,
) -> None:
    """Write vocabulary.json and reference.json."""
    say("reference: one request of each session")
    words = vocabulary.vocabulary(
        prepared.data,
        prepared.history_length,
        sources.repeat_after,
        trends=sources.order.trend > 0,
    )
    events = sample.of_users(prepared.data)
    known = pl.col("user_id").is_in(events["user_id"].unique().implode())
    requests = list(
        sample_session_requests(
            events,
            side.users.filter(known),
            side.items,
            config.seed,
            declared=side.declaration,
            history_length=prepared.history_length,
        )
    )
    places = reference.asked(len(requests), prepared.data.items.count, config.seed)
    answered = [requests[place] for place in places.tolist()]
    scores = tensors.top_scores(served, answered, words)
    facts = reference.reference(requests, scores, words, places)
    write_bytes(root / REFERENCE, canonical_json({**facts, "seed": config.seed}))
    injected = config.fault_injection
    if injected is not None and injected.fault is Fault.BROKEN_FEATURES:
        words = vocabulary.broken(words, config.seed, injected.feature)
    write_bytes(root / VOCABULARY, canonical_json(words))


def write_ids(root: Path, ids: id_table.Named) -> None:
    """Write item_ids.json, where the ids of items are texts."""
    if ids.items is not None:
        write_bytes(root / ITEM_IDS, canonical_json(vocabulary.item_ids(ids.items)))


def header(
    bundle: Bundle,
    prepared: PreparedData,
    config: TrainingConfig,
    data_version: str,
) -> dict[str, Any]:
    """The fields of the report that are no evaluation."""
    split, events = prepared.split, prepared.data.events
    baseline = bundle.baseline_calibration
    served = bundle.deep_calibration if bundle.deep else baseline
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
            "start": time_format.iso_time(int(events.time[0])),
            "validationStart": time_format.iso_time(split.validation_start),
            "testStart": time_format.iso_time(split.test_start),
            "end": time_format.iso_time(int(events.time[-1])),
        },
        "calibration": {
            "temperature": round(served.temperature, 6),
            "offset": round(served.offset, 6),
            "baselineTemperature": round(baseline.temperature, 6),
            "baselineOffset": round(baseline.offset, 6),
        },
        "learning": {
            "bestEpoch": round(bundle.log.best_epoch, 3),
            "looks": [[epoch, round(loss, 6)] for epoch, loss in bundle.log.looks],
        },
        "precision": _precision(config),
        "embeddings": embedding_plan.plan_embeddings(prepared.data, config).facts(),
        "retrieval": bundle.sources.facts(config.hyperparameters.retrieval),
        **_label(prepared),
    }


def _label(prepared: PreparedData) -> dict[str, Any]:
    """The section of the declared label: its rows, and what is added to a logit."""
    data, split = prepared.data, prepared.split
    if data.events.labels is None or (declared := data.declared_label) is None:
        return {}
    found, rows = data.events.labels, data.events.rows
    used = len(split.train) + len(split.validation) + len(split.test)
    section = {
        "declared": declared,
        "rows": len(rows),
        "positives": int(found.label.sum()),
        "drawnNegatives": int((found.state == labels.DRAWN).sum()),
        "openRows": int((found.state == labels.OPEN).sum()),
        "historyRows": int((found.state == labels.HISTORY).sum()),
        "leftOutRows": len(rows) - used,
        "trainShare": round(float(found.label[split.train].mean()), 6),
        "logitShift": round(prepared.rate_shift, 6),
    }
    return {"label": section}


def lineage(
    report: dict[str, Any], config: TrainingConfig, data_version: str, threads: int
) -> dict[str, Any]:
    """Where the artifact came from, for its manifest."""
    return {
        "dataVersion": data_version,
        "codeVersion": code_version(),
        "seed": config.seed,
        "threads": threads,
        "algorithm": config.algorithm.value,
        "hyperparameters": config.hyperparameters.model_dump(by_alias=True),
        "precision": report["precision"],
        "variant": report.get("variants", {}).get("served", variants.FULL),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "metrics": report["metrics"],
        "fault": _fault(config),
        **({"warmStart": report["warmStart"]} if "warmStart" in report else {}),
        **({"label": report["label"]["declared"]} if "label" in report else {}),
        **_index(report["retrieval"]),
    }


def _index(retrieval: Mapping[str, Any]) -> dict[str, Any]:
    """How candidates are found, where it is by an index."""
    if "candidateRecall" not in retrieval:
        return {}
    names = ("index", "pages", "pagesRead", "candidateRecall", "recallRequests")
    return {"candidateIndex": {name: retrieval[name] for name in names}}


def _precision(config: TrainingConfig) -> dict[str, str]:
    """The precision of the fits on the kind of device of this process."""
    kind = "cuda" if torch.cuda.is_available() else "cpu"
    return precision.choose_precision(config.hyperparameters.precision, kind).facts()


def _fault(config: TrainingConfig) -> dict[str, Any] | None:
    if config.fault_injection is None:
        return None
    return config.fault_injection.model_dump(mode="json", by_alias=True)
