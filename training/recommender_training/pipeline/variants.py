"""Choice of the graph that serves: the full ranker, or a variant that passes its gate.

Chosen on the validation window, with weights that have not seen it; the choice is then evaluated
on the test window, once. Answers are those of the exported graphs themselves (`judge`), and lists
are ordered with the window's item-to-item weights as the variant would hold them.

Sizes and losses of quality are functions of seed and data, times are not: they are in the log and
in the message of the Job, and no file of the artifact has more of them than whether they let a
variant pass. Two runs that decide alike have the same digest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from recommender_contract.resource.export import ExportSpec, Variant
from recommender_contract.resource.hyperparameters import ItemWeights
from recommender_training.artifact.vocabulary import vocabulary
from recommender_training.common.arrays import Ints
from recommender_training.common.errors import InputError
from recommender_training.common.progress import say
from recommender_training.config.lists import MAX_DENSE_ITEMS
from recommender_training.config.training import TrainingConfig
from recommender_training.evaluation import confidence_intervals, predictions
from recommender_training.evaluation.predictions import Answers, Window
from recommender_training.export import build, latency, torchscript
from recommender_training.export.compressed_ranker import compress, left_of
from recommender_training.export.exported_graph import ExportedGraph
from recommender_training.export.ranker import RankerServing
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle
from recommender_training.mitigation.exposure import Bonus
from recommender_training.statistics import bootstrap

FULL = "Full"
_QUALITY = ("auc", "logLoss", "ndcgAt10")


@dataclass(frozen=True)
class Decision:
    """The chosen graph and the reasons: the section `variants` of the report."""

    variant: Variant | None
    section: dict[str, Any]
    times: Mapping[str, Mapping[str, float]]  # milliseconds of each graph on this machine


@dataclass(frozen=True)
class Candidate:
    """A graph as it was measured; the full one has no difference to itself."""

    name: str
    megabytes: float
    milliseconds: Mapping[str, float]
    quality: Mapping[str, Any]
    minus: Mapping[str, Any] | None = None

    def fields(self) -> dict[str, Any]:
        """As JSON, without the times, which are never the same twice."""
        fields: dict[str, Any] = {"name": self.name, "megabytes": self.megabytes}
        fields |= {name: self.quality[name] for name in _QUALITY if name in self.quality}
        if self.minus is not None:
            fields["minusFull"] = {
                name: self.minus[name] for name in _QUALITY if name in self.minus
            }
        return fields


def check_variants(config: TrainingConfig, items: int) -> None:
    """Raise InputError `InvalidConfig` if there is nothing for a variant to compress.

    `CatalogueTooLarge` if dense item-to-item weights are set for too many items.
    """
    weights = config.hyperparameters.list_plan(items).weights
    if config.export.variants and weights is not ItemWeights.DENSE:
        raise InputError(
            "InvalidConfig",
            "training.export.variants compress dense item-to-item weights, and those of "
            f"{items} items are sparse (training.hyperparameters.itemWeights="
            f"{config.hyperparameters.item_weights.value}): leave the variants out, or set "
            f"itemWeights to Dense, which takes at most {MAX_DENSE_ITEMS} items",
        )


def decide(
    bundle: Bundle, prepared: PreparedData, known: build.ExportInputs, config: TrainingConfig
) -> Decision | None:
    """Evaluate the variants of the settings; None without a variant or without a ranker.

    `bundle` was fitted without the validation window.
    """
    settings = config.export
    if bundle.deep is None or not settings.variants:
        return None
    say("variants: validation window")
    window, candidates = measured(bundle, prepared, known, settings, prepared.split.validation)
    return choose_variant(candidates, settings, {"rows": len(window.rows)})


def measured(
    bundle: Bundle,
    prepared: PreparedData,
    known: build.ExportInputs,
    settings: ExportSpec,
    rows: Ints,
) -> tuple[Window, list[Candidate]]:
    """The full graph of the deep ranker and each variant, by their answers on the window of these
    rows, their size, and their time in turn on this machine; and that window.
    """
    assert bundle.deep is not None
    bonus = bundle.bonus.get("recommender")
    full = build.ranker_module(bundle.deep, known, bundle.deep_calibration, bonus)
    graphs = graphs_of(full, settings)
    archives = {name: torchscript.archive(graph) for name, graph in graphs.items()}
    loaded = {name: torchscript.loaded(data) for name, data in archives.items()}
    sizes = {name: round(len(data) / 1e6, 6) for name, data in archives.items()}
    words = vocabulary(prepared.data, prepared.history_length, trends=full.by_trends)
    times = latency.compare_latency(loaded, words)
    window = predictions.window(prepared, rows, bundle.sources)
    return window, _candidates(window, loaded, words, settings, sizes, times, bonus)


def serving(
    decision: Decision | None,
    bundle: Bundle,
    prepared: PreparedData,
    known: build.ExportInputs,
    config: TrainingConfig,
) -> Callable[[Window], Answers] | None:
    """Answers of the chosen variant of these weights; None where the full graph serves."""
    if decision is None or decision.variant is None:
        return None
    variant, settings = decision.variant, config.export

    def answers_of(window: Window) -> Answers:
        assert bundle.deep is not None
        bonus = bundle.bonus.get("recommender")
        full = build.ranker_module(bundle.deep, known, bundle.deep_calibration, bonus)
        model = torchscript.loaded(torchscript.archive(compress(full, variant, settings)))
        words = vocabulary(prepared.data, prepared.history_length)
        return answer(model, words, variant, settings, window, bonus)

    return answers_of


def graphs_of(full: RankerServing, settings: ExportSpec) -> dict[str, RankerServing]:
    """The full graph and each variant of the settings, by name."""
    made = {variant.value: compress(full, variant, settings) for variant in settings.variants}
    return {FULL: full, **made}


def answer(
    model: torch.jit.ScriptModule,
    words: dict[str, Any],
    variant: Variant | None,
    settings: ExportSpec,
    window: Window,
    bonus: Bonus | None = None,
) -> Answers:
    """Answers of an exported graph on a window, with its lists as the variant orders them."""
    graph, left = ExportedGraph(model, words), None
    if variant is not None and window.retrieval is not None:
        left = left_of(torch.from_numpy(window.retrieval), variant, settings).numpy()

    return predictions.with_lists(window, graph.probability(window), graph.scores, bonus, left)


def _candidates(
    window: Window,
    loaded: Mapping[str, torch.jit.ScriptModule],
    words: dict[str, Any],
    settings: ExportSpec,
    sizes: Mapping[str, float],
    times: Mapping[str, Mapping[str, float]],
    bonus: Bonus | None,
) -> list[Candidate]:
    drawn = bootstrap.draw(window.user)
    sampled: dict[str, dict[str, confidence_intervals.Sampled]] = {}
    for name, graph in loaded.items():
        variant = None if name == FULL else Variant(name)
        found = answer(graph, words, variant, settings, window, bonus)
        sampled[name] = confidence_intervals.model(drawn, window, found)
    return [
        Candidate(
            name,
            sizes[name],
            times[name],
            confidence_intervals.estimates(own, drawn),
            None
            if name == FULL
            else confidence_intervals.estimates(
                confidence_intervals.differences(own, sampled[FULL]), drawn
            ),
        )
        for name, own in sampled.items()
    ]


def choose_variant(
    candidates: Sequence[Candidate], settings: ExportSpec, window: Mapping[str, Any]
) -> Decision:
    """The smallest variant that passes, of `candidates` with the full graph first."""
    full, *others = candidates
    found = {one.name: verdict(one, full, settings) for one in others}
    passed = [one for one in others if found[one.name][0]]
    best = min(passed, key=lambda one: (one.megabytes, one.name), default=None)
    say(f"variants: {full.name}: {_times(full)}")
    entries = [full.fields()]
    for one in others:
        accepted, reason = found[one.name]
        entries.append({**one.fields(), "accepted": accepted, "reason": reason})
        say(f"variants: {one.name}: {'passes' if accepted else 'fails'}: {reason}; {_times(one)}")
    section = {
        "window": "validation",
        **window,
        "maxAucLoss": settings.max_auc_loss,
        "maxNdcgLoss": settings.max_ndcg_loss,
        "minSaving": settings.min_saving,
        "keep": settings.keep,
        "served": best.name if best else FULL,
        "candidates": entries,
    }
    times = {one.name: one.milliseconds for one in candidates}
    return Decision(Variant(best.name) if best else None, section, times)


def verdict(one: Candidate, full: Candidate, settings: ExportSpec) -> tuple[bool, str]:
    """Verdict on a variant with its reasons, by the numbers that are the same in each run.

    It states the times only by the side of the limit that they are on, and where they decide.
    """
    assert one.minus is not None
    limits = {"auc": settings.max_auc_loss, "ndcgAt10": settings.max_ndcg_loss}
    lost = {name: one.minus.get(name, {}).get("low") for name in limits}
    unknown = [name for name, low in lost.items() if low is None]
    if unknown:
        return False, f"{unknown[0]} has no interval: fewer than 10 users, or one class"
    smaller = 1 - one.megabytes / full.megabytes
    faster = 1 - one.milliseconds["p50Milliseconds"] / full.milliseconds["p50Milliseconds"]
    facts = (
        f"{_loss('AUC', one.minus['auc'], settings.max_auc_loss)}; "
        f"{_loss('NDCG@10', one.minus['ndcgAt10'], settings.max_ndcg_loss)}; "
        f"{abs(smaller):.1%} {'smaller' if smaller >= 0 else 'larger'}"
    )
    wanted = (
        f"(wanted: smaller or faster by {settings.min_saving:.0%}, and not worse by as much in "
        "the other)"
    )
    if not all(lost[name] >= -limit for name, limit in limits.items()):
        return False, facts
    if smaller <= -settings.min_saving:
        return False, f"{facts} {wanted}"
    passes, time = _by_time(faster, settings.min_saving, saved=smaller >= settings.min_saving)
    return passes, f"{facts}, {time} {wanted}"


def _by_time(faster: float, limit: float, *, saved: bool) -> tuple[bool, str]:
    """True if the time lets a variant pass, whether or not it has `saved` enough of its size."""
    if saved:
        slow = faster <= -limit
        return not slow, f"slower by {limit:.0%} or more" if slow else f"not slower by {limit:.0%}"
    quick = faster >= limit
    return quick, f"faster by {limit:.0%} or more" if quick else f"not faster by {limit:.0%}"


def _loss(name: str, minus: Mapping[str, Any], limit: float) -> str:
    return f"{name} {minus['value']:+.4f}, at worst {minus['low']:+.4f} (limit {-limit:+.4f})"


def _times(one: Candidate) -> str:
    return ", ".join(
        f"{name.removesuffix('Milliseconds')} {value} ms"
        for name, value in one.milliseconds.items()
    )
