"""Results of a search, in full for report.json and short for the report of the Job. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recommender_contract.job_reports import SearchResult
from recommender_training.common.errors import InputError
from recommender_training.config.search_space import Dimension
from recommender_training.data import time_format
from recommender_training.data.splits import Split
from recommender_training.search.seeds import SeedResult, seeds_summary
from recommender_training.search.study import Outcome, Plan


def best(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the completed trial with the lowest loss; the earlier one of equals.

    Raises InputError `SearchFailed` if no trial was completed.
    """
    done = [(o.loss, o.index, o) for o in outcomes if o.state == "Complete" and o.loss is not None]
    if done:
        return min(done)[2]
    counts = counted(outcomes)
    raise InputError(
        "SearchFailed",
        f"none of {len(outcomes)} trials was completed: {counts['diverged']} diverged (narrow "
        f"search.space.learningRate), {counts['failed']} died with their process (raise "
        "training.resources.limits.memory or lower search.parallelism); search.seconds may be "
        "too short",
    )


def counted(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Count completed, pruned, diverged and failed trials."""
    states = [outcome.state for outcome in outcomes]
    return {
        name.lower(): states.count(name) for name in ("Complete", "Pruned", "Diverged", "Failed")
    }


def section(
    plan: Plan,
    folds: Sequence[Split],
    outcomes: Sequence[Outcome],
    seeds: Sequence[SeedResult],
) -> dict[str, Any]:
    """Return the section `search` of report.json, without times, so that it is reproducible."""
    chosen = best(outcomes)
    given = outcomes[0] if outcomes[0].params == plan.first else None
    settings = plan.settings
    return {
        "sampler": settings.sampler.value,
        "pruning": settings.pruning,
        "budget": {"trials": settings.trials, "seconds": settings.seconds},
        "workers": settings.parallelism,
        "space": {dimension.name: _dimension(dimension) for dimension in plan.space},
        "folds": [_fold(fold) for fold in folds],
        "trials": [_trial(outcome) for outcome in outcomes],
        "counts": counted(outcomes),
        "best": chosen.index,
        "bestLogLoss": _rounded(chosen.loss),
        "givenLogLoss": _rounded(given.loss) if given and given.state == "Complete" else None,
        "hyperparameters": chosen.params,
        "seeds": [
            {"seed": each.seed, "logLoss": round(each.loss, 6), "auc": round(each.auc, 6)}
            for each in seeds
        ],
        "spread": seeds_summary(seeds),
    }


def compact(found: Mapping[str, Any]) -> SearchResult:
    """Return the part of the section for the operator, a few hundred bytes."""
    counts, spread = found["counts"], found["spread"]
    known = {
        "given_log_loss": found["givenLogLoss"],
        "seed_log_loss_deviation": spread["logLoss"]["standardDeviation"],
        "seed_auc_deviation": spread["auc"]["standardDeviation"],
    }
    return SearchResult(
        sampler=found["sampler"],
        trials=len(found["trials"]),
        pruned=counts["pruned"],
        failed=counts["diverged"] + counts["failed"],
        folds=len(found["folds"]),
        best_trial=found["best"],
        best_log_loss=found["bestLogLoss"],
        hyperparameters=found["hyperparameters"],
        seeds=len(found["seeds"]),
        **{name: value for name, value in known.items() if value is not None},
    )


def lines(found: Mapping[str, Any], most: int = 10) -> list[str]:
    """Return the best trials and the spread over seeds as lines of text."""
    done = [trial for trial in found["trials"] if trial["state"] == "Complete"]
    ordered = sorted(done, key=lambda trial: (trial["logLoss"], trial["number"]))
    table = [
        f"trial {trial['number']:>3}  log loss {trial['logLoss']:.4f}  "
        + "  ".join(f"{name} {value:g}" for name, value in trial["hyperparameters"].items())
        for trial in ordered[:most]
    ]
    spread = found["spread"]["logLoss"]
    deviation = spread["standardDeviation"]
    within = "" if deviation is None else f", standard deviation {deviation:.4f}"
    seeds = f"{len(found['seeds'])} seeds: validation log loss {spread['mean']:.4f}{within}"
    return [*table, seeds]


def _dimension(dimension: Dimension) -> dict[str, Any]:
    if dimension.choices is not None:
        return {"choices": list(dimension.choices)}
    return {"min": dimension.low, "max": dimension.high, "log": dimension.log}


def _fold(fold: Split) -> dict[str, Any]:
    return {
        "trainRows": len(fold.train),
        "validationRows": len(fold.validation),
        "validationStart": time_format.iso_time(fold.validation_start),
        "validationEnd": time_format.iso_time(fold.test_start),
    }


def _trial(outcome: Outcome) -> dict[str, Any]:
    return {
        "number": outcome.index,
        "state": outcome.state,
        "logLoss": _rounded(outcome.loss),
        "foldLogLosses": [round(loss, 6) for loss in outcome.folds],
        "looks": outcome.steps,
        "hyperparameters": outcome.params,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
