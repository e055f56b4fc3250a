"""`train`: from a data version to a staged artifact, the same bytes for the same inputs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from recommender_contract.artifact import REPORT
from recommender_contract.resource.training_settings import Algorithm
from recommender_training.artifact import manifest, serving_limits, triton
from recommender_training.artifact.staged_folder import staged
from recommender_training.common.durable_files import canonical_json, write_bytes
from recommender_training.common.progress import say
from recommender_training.config.training import TrainingConfig
from recommender_training.data import load
from recommender_training.data import load as load_data
from recommender_training.data.dataset import Dataset
from recommender_training.data.splits import OnceOnly
from recommender_training.distributed.group import ONE_PROCESS, Group
from recommender_training.evaluation.evaluate import evaluate
from recommender_training.export import latency, repository
from recommender_training.export.build import ExportInputs
from recommender_training.features.prepared_data import PreparedData, prepare_data
from recommender_training.fitted import new_items
from recommender_training.fitted.bundle import Bundle
from recommender_training.html_report import page_file as page
from recommender_training.ingestion import id_table
from recommender_training.pipeline import (
    feature_references,
    fit_mitigation,
    fit_order,
    item_index,
    lineage,
    variants,
    warm_start,
)
from recommender_training.pipeline.champion import Comparison
from recommender_training.trainer import embedding_plan, memory, precision
from recommender_training.trainer.deep_ranker import fit_deep, refit_deep
from recommender_training.trainer.fit_context import FitContext, Identity, with_checkpoints
from recommender_training.trainer.fit_models import fit_models, refit
from recommender_training.trainer.initial_weights import WarmStart


def fit_as_worker(
    lake_path: Path,
    data_version: str,
    group: Group,
    *,
    window_days: int | None,
    threads: int,
) -> None:
    """Fit the ranker twice together with the first process, which sends the settings."""
    with threadpool_limits(limits=threads):
        say(f"train: process {group.rank} reads {data_version} from {lake_path}")
        _, data = load.load_dataset(lake_path, data_version, window_days)
        config = TrainingConfig.model_validate_json(group.hear("config"))
        if config.algorithm is not Algorithm.DEEP_RANKER:
            return
        prepared = prepare_data(data, config)
        context = FitContext(group, start=warm_start.shared(group, config, None))
        deep, log = fit_deep(prepared, config, threads, context=context)
        group.hear("final")
        refit_deep(deep.size, log, prepared, config, threads, context)


if TYPE_CHECKING:
    from recommender_training.search.choose import Choice


@dataclass(frozen=True)
class TrainResult:
    """A staged artifact, and what the report of `train` needs."""

    staged: Path
    digest: str
    rows: int
    report: dict[str, Any]
    latency_p99_milliseconds: float
    champion: dict[str, Any] | None = None
    variant_times: Mapping[str, Mapping[str, float]] | None = None

    @property
    def metrics(self) -> dict[str, float]:
        """The flat metrics of the artifact, and what was measured on this machine.

        Times are never the same twice, so they are in no file of the artifact.
        """
        timed = {"modelLatencyP99Milliseconds": self.latency_p99_milliseconds}
        return {**self.report["metrics"], **timed}


@dataclass(frozen=True)
class TrainingRun:
    """One training: its data, its settings, where it writes and with whom it fits."""

    lake_path: Path
    data_version: str
    config: TrainingConfig
    output: Path
    _: KW_ONLY
    window_days: int | None = None
    threads: int = 1
    #: A version that answers the same rows, as part of the evaluation.
    champion: Comparison | None = None
    #: A folder from which an interrupted training resumes.
    checkpoints: Path | None = None
    #: Nothing else writes to that folder: checkpoints of other settings are removed.
    own_checkpoints: bool = False
    #: This is its first process; the others run `worker.fit_as_worker`.
    group: Group = ONE_PROCESS
    #: Findings of the check of the data (`lake_files.read_findings`), for the report.
    data_checks: Mapping[str, Any] | None = None

    @property
    def journals(self) -> Path:
        """The folder of the searches, those of other versions included."""
        return self.output.with_name(".search")


def train(run: TrainingRun) -> TrainResult:
    """Train, evaluate once on the test window, export, and stage the artifact at `run.output`.

    An existing artifact is replaced: a repeated pod of a Job ends in the same state. Raises
    DiskFullError where there is no room for the artifact.
    """
    with threadpool_limits(limits=run.threads):  # sums of NumPy depend on their number, too
        return _train(run)


@dataclass(frozen=True)
class _Ready:
    """Factors before the first fit: all zero."""

    side: load_data.Side
    ids: id_table.Named
    prepared: PreparedData
    config: TrainingConfig  # with what the search has chosen
    found: Choice | None
    context: FitContext
    warm: dict[str, Any] | None


@dataclass(frozen=True)
class _Fitted:
    """The models that are to serve, and how they came about."""

    bundle: Bundle
    held_out: Bundle  # the same before they saw the validation window
    known: ExportInputs
    decision: variants.Decision | None
    sought: dict[str, Any]


def _train(run: TrainingRun) -> TrainResult:
    ready = _read(run)
    fitted = _fit(run, ready)
    report = _evaluate(run, ready, fitted)
    digest = _stage(run, ready, fitted, report)
    ready.context.forget()
    if ready.found is not None:
        ready.found.forget()
    if run.own_checkpoints:  # the operator's: searches of earlier versions are of no more use
        shutil.rmtree(run.journals, ignore_errors=True)
    say(f"train: staged {digest} at {run.output}; timing single requests")
    return TrainResult(
        run.output,
        digest,
        len(ready.prepared.data.events.logged),
        report,
        latency.p99_milliseconds(run.output),
        None if run.champion is None else run.champion.facts,
        None if fitted.decision is None else fitted.decision.times,
    )


def _read(run: TrainingRun) -> _Ready:
    """Read the data, search where that is wanted, and resolve what the fits start from."""
    say(f"train: reading {run.data_version} from {run.lake_path}")
    torch.set_num_threads(run.threads)
    side, data = load_data.load_dataset(run.lake_path, run.data_version, run.window_days)
    ids = id_table.id_texts(run.lake_path, data)
    config, group, found = run.config, run.group, None
    serving_limits.check_serving_limits(data, ids.items, config.hyperparameters.history_length)
    feature_references.check_references(config, data)
    variants.check_variants(config, data.items.count)
    check_embeddings(data, config)
    if config.search is not None:
        # Optuna takes a second of CPU to import.
        from recommender_training.search.choose import choose_configuration
        from recommender_training.search.objective import Source

        source = Source(run.lake_path, run.data_version, run.window_days)
        found = choose_configuration(source, data, config, run.journals, run.threads)
        config = found.config
        check_embeddings(data, config)
    group.tell("config", config.model_dump_json(by_alias=True))
    prepared = prepare_data(data, config)
    source_of_start = run.champion.source if run.champion else None
    start, warm = warm_start.resolve(config, prepared, source_of_start)
    start = warm_start.shared(group, config, start)
    return _Ready(side, ids, prepared, config, found, _context(run, config, start), warm)


def _context(run: TrainingRun, config: TrainingConfig, start: WarmStart | None) -> FitContext:
    if run.checkpoints is None:
        return FitContext(run.group, start=start)
    identity = Identity(config, run.data_version, run.window_days, run.threads)
    return with_checkpoints(run.checkpoints, run.group, identity, start, own=run.own_checkpoints)


def _fit(run: TrainingRun, ready: _Ready) -> _Fitted:
    """Fit without the validation window, decide by it, and fit again with it."""
    prepared, config, context, threads = ready.prepared, ready.config, ready.context, run.threads
    known = repository.export_inputs(prepared, config)
    found = precision.device()
    chosen = precision.choose_precision(config.hyperparameters.precision, found.kind)
    say(f"train: {precision.remark(chosen, found)}")
    with context.ending_at_input_errors():
        ordered = fit_order.with_order(
            fit_models(prepared, config, threads, context), prepared, config
        )
        held_out = fit_mitigation.with_bonus(ordered, prepared, config)
        sought = {} if ready.found is None else ready.found.report(prepared, held_out, threads)
        known = known.ordered_by(held_out.sources)
        decision = variants.decide(held_out, prepared, known, config)
        run.group.tell("final", "")
        bundle = refit(held_out, prepared, config, threads, context)
        bundle = item_index.with_item_index(bundle, prepared, known, config)
        told = new_items.told(bundle.sources, known.state.counts.events, known.data)
        bundle = replace(bundle, sources=told)
    return _Fitted(bundle, held_out, replace(known, sources=bundle.sources), decision, sought)


def _evaluate(run: TrainingRun, ready: _Ready, fitted: _Fitted) -> dict[str, Any]:
    """Open the test window, once: the report of the evaluation."""
    prepared, config, champion = ready.prepared, ready.config, run.champion
    bundle, decision = fitted.bundle, fitted.decision
    before = fit_mitigation.without_weights(prepared, config, run.threads, ready.context.start)
    say("evaluate: test window")
    served_as = variants.serving(decision, bundle, prepared, fitted.known, config)
    test = OnceOnly(prepared.split.test).open()
    report = evaluate(bundle, prepared, test, champion, before, served_as)
    if decision is not None:
        report["variants"] = decision.section
    if ready.warm is not None:
        lost = warm_start.forgotten(ready.context.start, prepared, config, fitted.held_out)
        report["warmStart"] = ready.warm | lost
    if champion is not None:
        say(f"evaluate: champion: {champion.facts}")
        # The message may name paths of this machine, which are none of the artifact's business;
        # nor is which version was the champion before.
        hidden = ("message", "previous")
        report["champion"] = {k: v for k, v in champion.facts.items() if k not in hidden}
    checks = {} if run.data_checks is None else {"dataChecks": dict(run.data_checks)}
    head = lineage.header(bundle, prepared, config, run.data_version)
    return head | checks | fitted.sought | report


def _stage(run: TrainingRun, ready: _Ready, fitted: _Fitted, report: dict[str, Any]) -> str:
    """Write the artifact, whole or not at all; its digest. Completes `report`."""
    prepared, config, decision = ready.prepared, ready.config, fitted.decision
    variant = decision.variant if decision else None
    with staged(run.output) as partial:
        report["parity"], served = repository.write_repository(
            partial, fitted.bundle, prepared, config, fitted.known, variant
        )
        report["metrics"]["modelMegabytes"] = _megabytes(triton.model_path(partial))
        sources = fitted.bundle.sources
        lineage.write_lineage(partial, served, ready.side, prepared, config, sources)
        lineage.write_ids(partial, ready.ids)
        warm_start.write_checkpoint(partial, fitted.held_out, prepared, config)
        write_bytes(partial / REPORT, canonical_json(report))
        facts = lineage.lineage(report, config, run.data_version, run.threads)
        facts |= ready.ids.lineage() | run.group.lineage()
        page.write_page(partial, report, facts)
        return manifest.write_manifest(partial, facts)


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
        _, data = load_data.load_dataset(lake_path, data_version, window_days)
        check_embeddings(data, config)
        prepared = prepare_data(data, config)
        bundle = fit_mitigation.with_bonus(fit_models(prepared, config, threads), prepared, config)
        found = evaluate(bundle, prepared, prepared.split.validation, with_peers=False)
        return dict(found["metrics"])


def check_embeddings(data: Dataset, config: TrainingConfig) -> None:
    """Log the memory of the embeddings; raise InputError `EmbeddingsTooLarge` where it is too
    much, before anything is fitted.
    """
    found = embedding_plan.plan_embeddings(data, config)
    say(f"train: {found.summary()}")
    found.check(config.hyperparameters.max_embedding_megabytes, memory.container_limit())


def _megabytes(path: Path) -> float:
    return round(path.stat().st_size / 1e6, 6)
