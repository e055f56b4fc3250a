"""`train`: from a data version to a staged artifact, the same bytes for the same inputs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from recommender_training.artifact import manifest, servable, triton
from recommender_training.artifact.staging import staged
from recommender_training.common.durable_files import canonical_json, write_bytes
from recommender_training.common.progress import say
from recommender_training.config.training import TrainingConfig
from recommender_training.data import load as load_data
from recommender_training.data.splits import OnceOnly
from recommender_training.distributed.group import ONE_PROCESS, Group
from recommender_training.evaluation import mitigated
from recommender_training.evaluation.evaluate import evaluate
from recommender_training.export import latency, repository
from recommender_training.export.build import Knowledge
from recommender_training.html_report import page_file as page
from recommender_training.ingestion import id_table
from recommender_training.pipeline import lineage, variants, warm_start
from recommender_training.pipeline.champion import Comparison
from recommender_training.search.choose import Choice, choose
from recommender_training.search.objective import Source
from recommender_training.trainer.bundle import Bundle, fit_models, refit
from recommender_training.trainer.context import FitContext, with_checkpoints
from recommender_training.trainer.initial_weights import WarmStart
from recommender_training.trainer.prepared import Prepared, prepare


@dataclass(frozen=True)
class TrainResult:
    """A staged artifact and what the report of `train` says of it."""

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
    own_checkpoints: bool = False,
    group: Group = ONE_PROCESS,
    data_checks: Mapping[str, Any] | None = None,
) -> TrainResult:
    """Train, evaluate once on the test window, export, and stage the artifact at `output`.

    An artifact that is already there is replaced: a repeated pod of a Job ends in the same state.
    With a `champion`, its answers on the same rows are part of the evaluation. With a folder for
    `checkpoints`, a training that was ended goes on where it was; in a folder of its own
    (`own_checkpoints`) those of other settings are removed. This is the first process of
    `group`; the others run `worker.fit_along`. `data_checks` is what the check of the data found
    (`lake_files.read_findings`); the report carries it. Raises DiskFullError where there is no
    room for the artifact.
    """
    asked = _Asked(
        lake_path,
        data_version,
        config,
        output,
        window_days,
        threads,
        champion,
        checkpoints,
        own_checkpoints,
        group,
        data_checks,
    )
    with threadpool_limits(limits=threads):  # sums of NumPy depend on their number, too
        return _train(asked)


@dataclass(frozen=True)
class _Asked:
    """What `train` was asked for."""

    lake_path: Path
    data_version: str
    config: TrainingConfig
    output: Path
    window_days: int | None
    threads: int
    champion: Comparison | None
    checkpoints: Path | None
    own_checkpoints: bool
    group: Group
    data_checks: Mapping[str, Any] | None

    @property
    def journals(self) -> Path:
        """Where searches are kept, those of other versions included."""
        return self.output.with_name(".search")


@dataclass(frozen=True)
class _Begun:
    """What is known before the first fit."""

    side: load_data.Side
    ids: id_table.Named
    prepared: Prepared
    config: TrainingConfig  # with what the search has chosen
    found: Choice | None
    context: FitContext
    warm: dict[str, Any] | None


@dataclass(frozen=True)
class _Fitted:
    """The models that are to serve, and how they came about."""

    bundle: Bundle
    held_out: Bundle  # the same before they saw the validation window
    known: Knowledge
    decision: variants.Decision | None
    sought: dict[str, Any]


def _train(asked: _Asked) -> TrainResult:
    begun = _begin(asked)
    fitted = _fit(asked, begun)
    report = _evaluate(asked, begun, fitted)
    digest = _stage(asked, begun, fitted, report)
    begun.context.forget()
    if begun.found is not None:
        begun.found.forget()
    if asked.own_checkpoints:  # the operator's: searches of earlier versions are of no more use
        shutil.rmtree(asked.journals, ignore_errors=True)
    say(f"train: staged {digest} at {asked.output}; timing single requests")
    return TrainResult(
        asked.output,
        digest,
        len(begun.prepared.data.events),
        report,
        latency.p99_milliseconds(asked.output),
        None if asked.champion is None else asked.champion.facts,
        None if fitted.decision is None else fitted.decision.times,
    )


def _begin(asked: _Asked) -> _Begun:
    """Read the data, search where that is wanted, and see what the fits start from."""
    say(f"train: reading {asked.data_version} from {asked.lake_path}")
    torch.set_num_threads(asked.threads)
    side, data = load_data.load(asked.lake_path, asked.data_version, asked.window_days)
    ids = id_table.named(asked.lake_path, data)
    config, group, found = asked.config, asked.group, None
    servable.check(data, ids.items, config.hyperparameters.history_length)
    if config.search is not None:
        source = Source(asked.lake_path, asked.data_version, asked.window_days)
        found = choose(source, data, config, asked.journals, asked.threads)
        config = found.config
    group.tell("config", config.model_dump_json(by_alias=True))
    prepared = prepare(data, config)
    source_of_start = asked.champion.source if asked.champion else None
    start, warm = warm_start.begin(config, prepared, source_of_start)
    start = warm_start.shared(group, config, start)
    return _Begun(side, ids, prepared, config, found, _context(asked, config, start), warm)


def _context(asked: _Asked, config: TrainingConfig, start: WarmStart | None) -> FitContext:
    if asked.checkpoints is None:
        return FitContext(asked.group, start=start)
    return with_checkpoints(
        asked.checkpoints,
        asked.group,
        config,
        asked.data_version,
        asked.window_days,
        asked.threads,
        start,
        own=asked.own_checkpoints,
    )


def _fit(asked: _Asked, begun: _Begun) -> _Fitted:
    """Fit without the validation window, decide by it, and fit again with it."""
    prepared, config, context, threads = begun.prepared, begun.config, begun.context, asked.threads
    known = repository.knowledge(prepared, config)
    with context.ending_at_input_errors():
        held_out = mitigated.with_bonus(
            fit_models(prepared, config, threads, context), prepared, config
        )
        sought = {} if begun.found is None else begun.found.report(prepared, held_out, threads)
        known = replace(known, sources=held_out.sources)
        decision = variants.decide(held_out, prepared, known, config)
        asked.group.tell("final", "")
        bundle = refit(held_out, prepared, config, threads, context)
    return _Fitted(bundle, held_out, replace(known, sources=bundle.sources), decision, sought)


def _evaluate(asked: _Asked, begun: _Begun, fitted: _Fitted) -> dict[str, Any]:
    """Open the test window, once: the report of the evaluation."""
    prepared, config, champion = begun.prepared, begun.config, asked.champion
    bundle, decision = fitted.bundle, fitted.decision
    before = mitigated.before(prepared, config, asked.threads, begun.context.start)
    say("evaluate: test window")
    served_as = variants.serving(decision, bundle, prepared, fitted.known, config)
    test = OnceOnly(prepared.split.test).open()
    report = evaluate(bundle, prepared, test, champion, before, served_as)
    if decision is not None:
        report["variants"] = decision.section
    if begun.warm is not None:
        report["warmStart"] = begun.warm
    if champion is not None:
        say(f"evaluate: champion: {champion.facts}")
        # The message may name paths of this machine, which are none of the artifact's business.
        report["champion"] = {k: v for k, v in champion.facts.items() if k != "message"}
    told = {} if asked.data_checks is None else {"dataChecks": dict(asked.data_checks)}
    head = lineage.header(bundle, prepared, config, asked.data_version)
    return head | told | fitted.sought | report


def _stage(asked: _Asked, begun: _Begun, fitted: _Fitted, report: dict[str, Any]) -> str:
    """Write the artifact, whole or not at all; its digest. `report` gets what only that tells."""
    prepared, config, decision = begun.prepared, begun.config, fitted.decision
    variant = decision.variant if decision else None
    with staged(asked.output) as partial:
        report["parity"], served = repository.write(
            partial, fitted.bundle, prepared, config, fitted.known, variant
        )
        report["metrics"]["modelMegabytes"] = _megabytes(triton.model_path(partial))
        lineage.write(partial, served, begun.side, prepared, config)
        lineage.write_ids(partial, begun.ids)
        warm_start.leave(partial, fitted.held_out, prepared, config)
        write_bytes(partial / "report.json", canonical_json(report))
        facts = lineage.lineage(report, config, asked.data_version, asked.threads)
        facts |= begun.ids.lineage() | asked.group.lineage()
        page.write(partial, report, facts)
        return manifest.write(partial, facts)


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
        _, data = load_data.load(lake_path, data_version, window_days)
        prepared = prepare(data, config)
        bundle = mitigated.with_bonus(fit_models(prepared, config, threads), prepared, config)
        return dict(evaluate(bundle, prepared, prepared.split.validation)["metrics"])


def _megabytes(path: Path) -> float:
    return round(path.stat().st_size / 1e6, 6)
