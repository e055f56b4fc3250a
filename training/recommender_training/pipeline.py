"""`train`: from a data version to a staged artifact, the same bytes for the same inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from recommender_training import provenance, variants, warm_start
from recommender_training.artifact import manifest, triton
from recommender_training.artifact.staging import staged
from recommender_training.champion import Comparison
from recommender_training.config import TrainingConfig
from recommender_training.data import dataset
from recommender_training.data import load as load_data
from recommender_training.distributed.group import ALONE, Group
from recommender_training.evaluation import mitigated
from recommender_training.evaluation.evaluate import evaluate
from recommender_training.evaluation.once import OnceOnly
from recommender_training.export import latency, repository
from recommender_training.files import canonical_json, write_bytes
from recommender_training.models.bundle import fit_models, refit
from recommender_training.models.course import Course, kept
from recommender_training.models.prepared import prepare
from recommender_training.page import files as page
from recommender_training.progress import say
from recommender_training.search.choose import choose
from recommender_training.search.objective import Source


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
    own_checkpoints: bool = False,
    group: Group = ALONE,
    data_checks: Mapping[str, Any] | None = None,
) -> TrainResult:
    """Train, evaluate once on the test window, export, and stage the artifact at `output`.

    An artifact that is already there is replaced: a repeated pod of a Job ends in the same state.
    With a `champion`, its answers on the same rows are part of the evaluation. With a folder for
    `checkpoints`, a training that was ended goes on where it was; in a folder of its own
    (`own_checkpoints`) those of other settings are removed. This is the first process of
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
            own_checkpoints,
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
    own_checkpoints: bool,
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
        course = kept(
            checkpoints,
            group,
            config,
            data_version,
            window_days,
            threads,
            start,
            own=own_checkpoints,
        )
    known = repository.knowledge(prepared, config)
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
    report = provenance.header(bundle, prepared, config, data_version) | told | sought | report
    with staged(output) as partial:
        report["parity"], served = repository.write(
            partial, bundle, prepared, config, known, decision.variant if decision else None
        )
        report["metrics"]["modelMegabytes"] = _megabytes(triton.model_path(partial))
        provenance.write(partial, served, side, prepared, config)
        warm_start.leave(partial, held_out, prepared, config)
        write_bytes(partial / "report.json", canonical_json(report))
        lineage = provenance.lineage(report, config, data_version, threads) | group.lineage()
        page.write(partial, report, lineage)
        digest = manifest.write(partial, lineage)
    course.forget()
    if found is not None:
        found.forget()
    say(f"train: staged {digest} at {output}; timing single requests")
    timed = latency.p99_milliseconds(output)
    facts = champion.facts if champion is not None else None
    times = decision.times if decision is not None else None
    return TrainResult(output, digest, len(data.events), report, timed, facts, times)


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


def _megabytes(path: Path) -> float:
    return round(path.stat().st_size / 1e6, 6)
