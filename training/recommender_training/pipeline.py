"""`train`: from a data version to a staged artifact, the same bytes for the same inputs."""

from __future__ import annotations

import functools
import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import nn

from recommender_training import variants, warm_start
from recommender_training.artifact import manifest, reference, triton, vocabulary
from recommender_training.artifact.staging import staged
from recommender_training.artifact.triton import MODELS
from recommender_training.champion import Comparison
from recommender_training.code_version import code_version
from recommender_training.config import Fault, Retrieval, TrainingConfig
from recommender_training.data import dataset, ingest
from recommender_training.data import load as load_data
from recommender_training.data_checks import sample
from recommender_training.distributed.group import ALONE, Group
from recommender_training.evaluation import mitigated, ranking
from recommender_training.evaluation.answers import scorers
from recommender_training.evaluation.evaluate import evaluate
from recommender_training.evaluation.once import OnceOnly
from recommender_training.export import (
    build,
    faults,
    latency,
    parity,
    successor,
    tensors,
    torchscript,
)
from recommender_training.export.compact import compact, left_of
from recommender_training.export.settings import Variant
from recommender_training.features.table import State
from recommender_training.files import canonical_json, write_bytes
from recommender_training.models import retrieval
from recommender_training.models.bundle import Bundle, Prepared, fit_models, prepare, refit
from recommender_training.models.course import Course, kept
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
) -> tuple[load_data.Side, dataset.Dataset]:
    """Users and items of a data version, and the data set of its window."""
    return load_data.load(lake_path, data_version, window_days)


def train(
    lake_path: Path,
    data_version: str,
    config: TrainingConfig,
    output: Path,
    *,
    window_days: int | None = None,
    threads: int = 1,
    champion: Comparison | None = None,
    checkpoints: Path | None = None,
    group: Group = ALONE,
    data_checks: Mapping[str, Any] | None = None,
) -> TrainResult:
    """Train, evaluate once on the test window, export, and stage the artifact at `output`.

    An artifact that is already there is replaced: a repeated pod of a Job ends in the same state.
    With a `champion`, its answers on the same rows are part of the evaluation. With a folder for
    `checkpoints`, a training that was ended goes on where it was. This is the first process of
    `group`; the others `follow`. `data_checks` is what the check of the data found
    (`files.read_findings`); the report carries it. Raises DiskFullError where the artifact has no
    room.
    """
    told = {} if data_checks is None else {"dataChecks": dict(data_checks)}
    with threadpool_limits(limits=threads):  # sums of NumPy depend on their number, too
        return _train(
            lake_path,
            data_version,
            config,
            output,
            window_days,
            threads,
            champion,
            checkpoints,
            group,
            told,
        )


def _train(
    lake_path: Path,
    data_version: str,
    config: TrainingConfig,
    output: Path,
    window_days: int | None,
    threads: int,
    champion: Comparison | None,
    checkpoints: Path | None,
    group: Group,
    told: dict[str, Any],
) -> TrainResult:
    say(f"train: reading {data_version} from {lake_path}")
    torch.set_num_threads(threads)
    side, data = load(lake_path, data_version, window_days)
    found = None
    if config.search is not None:
        source = Source(lake_path, data_version, window_days)
        found = choose(source, data, config, output.with_name(".search"), threads)
        config = found.config
    group.tell("config", config.model_dump_json(by_alias=True))
    prepared = prepare(data, config)
    start, warm = warm_start.begin(config, prepared, champion.source if champion else None)
    start = warm_start.shared(group, config, start)
    course = Course(group, start=start)
    if checkpoints is not None:
        course = kept(checkpoints, group, config, data_version, window_days, threads, start)
    known = _knowledge(prepared, config)
    with course.ending_at_input_errors():
        bundle = held_out = mitigated.with_bonus(
            fit_models(prepared, config, threads, course), prepared, config
        )
        sought = {} if found is None else found.report(prepared, bundle, threads)
        known = replace(known, sources=bundle.sources)
        decision = variants.decide(bundle, prepared, known, config)
        group.tell("final", "")
        bundle = refit(bundle, prepared, config, threads, course)
    known = replace(known, sources=bundle.sources)
    before = mitigated.before(prepared, config, threads, start)
    say("evaluate: test window")
    served_as = variants.serving(decision, bundle, prepared, known, config)
    test = OnceOnly(prepared.split.test).open()
    report = evaluate(bundle, prepared, test, champion, before, served_as)
    if decision is not None:
        report["variants"] = decision.section
    if warm is not None:
        report["warmStart"] = warm
    if champion is not None:
        say(f"evaluate: champion: {champion.facts}")
        # The message may name paths of this machine, which are none of the artifact's business.
        report["champion"] = {k: v for k, v in champion.facts.items() if k != "message"}
    report = _header(bundle, prepared, config, data_version) | told | sought | report
    with staged(output) as partial:
        report["parity"], served = _write_models(
            partial, bundle, prepared, config, known, decision.variant if decision else None
        )
        report["metrics"]["modelMegabytes"] = _megabytes(triton.model_path(partial))
        _write_facts(partial, served, side, prepared, config)
        warm_start.leave(partial, held_out, prepared, config)
        write_bytes(partial / "report.json", canonical_json(report))
        lineage = _lineage(report, config, data_version, threads) | group.lineage()
        page.write(partial, report, lineage)
        digest = manifest.write(partial, lineage)
    course.forget()
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
        bundle = mitigated.with_bonus(fit_models(prepared, config, threads), prepared, config)
        return dict(evaluate(bundle, prepared, prepared.split.validation)["metrics"])


def _write_models(
    root: Path,
    bundle: Bundle,
    prepared: Prepared,
    config: TrainingConfig,
    known: build.Knowledge,
    variant: Variant | None,
) -> tuple[dict[str, Any], nn.Module]:
    """Export both models into the Triton repository and hold them against eager mode.

    Returns the differences, and the model that is to serve, loaded, without its injected fault.
    """
    say("export: TorchScript and parity with eager mode")
    requests = _parity_requests(prepared)
    baseline = build.logistic_module(
        bundle.baseline, known, bundle.baseline_temperature, bundle.bonus.get("baseline")
    )
    served: nn.Module = baseline
    if bundle.deep is not None:
        bonus = bundle.bonus.get("recommender")
        full = build.ranker_module(bundle.deep, known, bundle.deep_temperature, bonus)
        served = full if variant is None else compact(full, variant, config.export)
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
        whose = "baseline" if module is baseline else name
        lists = parity.Lists(bundle.bonus.get(whose))
        if name == MODELS[0] and variant is not None:
            left = functools.partial(left_of, variant=variant, settings=config.export)
            lists = replace(lists, left=left)
        check = parity.check if lists.left is None else parity.check_variant
        told = check(loaded[name], eager, known, requests, lists)
        differences[name] = parity.widened(told, loaded[name], module, known)
    injected = faults.inject(served, config.fault_injection)
    if injected is not served:
        torchscript.save(injected, triton.model_path(root))
    if config.export.torch_export:
        differences["torchExport"] = successor.write(root, served, loaded[MODELS[0]], known)
    popular = vocabulary.popularity(prepared.data.items, known.state.counts)
    write_bytes(root / "popularity.json", canonical_json(popular))
    return differences, loaded["recommender"]


def _megabytes(path: Path) -> float:
    return round(path.stat().st_size / 1e6, 6)


def _knowledge(prepared: Prepared, config: TrainingConfig) -> build.Knowledge:
    """All that is known at the end of the data: the weights are older, the counts are not."""
    data = prepared.data
    every = np.ones(len(data.events), dtype=np.bool_)
    weighed = config.hyperparameters.retrieval is not Retrieval.TWO_TOWER
    return build.Knowledge(
        data=data,
        constants=prepared.constants,
        state=State.at(data, None, prepared.constants.groups),
        retrieval=retrieval.fit(data, every) if weighed else None,
        history_length=prepared.history_length,
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
    side: load_data.Side,
    prepared: Prepared,
    config: TrainingConfig,
) -> None:
    """Write vocabulary.json and reference.json."""
    say("reference: one request of each session")
    words = vocabulary.vocabulary(prepared.data, prepared.history_length)
    events = sample.of_users(prepared.data)
    known = pl.col("user_id").is_in(events["user_id"].unique().implode())
    requests = list(
        sample_requests(
            events,
            side.users.filter(known),
            side.items,
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
        "variant": report.get("variants", {}).get("served", variants.FULL),
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
