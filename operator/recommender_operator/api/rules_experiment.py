"""CEL rules of `spec.rollout.experiment`, and of what else needs a route of the operator."""

from __future__ import annotations

from collections.abc import Sequence

from recommender_operator.api.rules_lists import DECLARED, is_declared
from recommender_operator.api.spec_experiment import (
    LESS_IS_BETTER,
    MIN_BASELINE,
    MIN_EFFECT,
    OF_GROUP,
    ExperimentMetric,
)

#: Maximum number of characters of the categories of a group: they are part of a header.
MAX_CATEGORIES = 200


def _listed(metrics: Sequence[ExperimentMetric]) -> str:
    return f"[{', '.join(repr(each.value) for each in metrics)}]"


#: Metrics that can lose more than all; the others cannot.
_LESS_IS_BETTER = _listed(LESS_IS_BETTER)
_NAMED_LESS = f"{', '.join(LESS_IS_BETTER[:-1])} and {LESS_IS_BETTER[-1]}"


def _possible(section: str, field: str) -> tuple[str, str]:
    return (
        f"self.all(m, m.{field} >= {MIN_EFFECT} && "
        f"(m.{field} < 1.0 || m.metric in {_LESS_IS_BETTER}))",
        f"rollout.experiment.{section}: {field} must be from {MIN_EFFECT} to below 1, which is "
        f"the whole value. Only {_NAMED_LESS} can get worse by more",
    )


_BASELINE = (
    f"self.all(m, !has(m.baseline) || m.baseline >= {MIN_BASELINE:f})",
    f"rollout.experiment.primary: baseline must be at least {MIN_BASELINE:f}",
)
_INTERLEAVING = "has(self.rollout) && has(self.rollout.interleaving)"

_MAPPING = "self.data.source.mapping"


def _no_segments(table: str) -> str:
    """Return whether the feature `s` is one of a table that has neither names nor bands."""
    features = f"{_MAPPING}.{table}.features"
    there = f"has({_MAPPING}.{table}) && has({features})"
    kinds = "(f.kind in ['MultiCategorical', 'Embedding'] || has(f.calendar))"
    return f"{there} && {features}.exists(f, f.name == s.feature && {kinds})"


def _of_group(section: str) -> str:
    """Return whether a metric of a section is one of a group."""
    return f"has(self.{section}) && self.{section}.exists(m, m.metric in {_listed(OF_GROUP)})"


_UNDIVIDED = f"({_no_segments('users')} || {_no_segments('interactions')})"
_EXPERIMENT = "has(self.rollout) && has(self.rollout.experiment)"
_ALL_REPORTED = (
    "has(self.serving) && has(self.serving.impressions) && self.serving.impressions == 1.0"
)
SPEC = (
    (
        f"!({_EXPERIMENT}) || !has(self.rollout.experiment.segments) || !has({_MAPPING}) || "
        f"self.rollout.experiment.segments.all(s, !{_UNDIVIDED})",
        "rollout.experiment.segments must not name a MultiCategorical, an Embedding or a "
        "Timestamp with calendar of data.source.mapping, which do not put a user in the same "
        "segment for all versions: remove it, or name another feature",
    ),
    (
        f"!({_EXPERIMENT}) || !has(self.rollout.experiment.itemGroup) || !has({_MAPPING}) || "
        f"{is_declared('self.rollout.experiment.itemGroup.feature')}",
        f"rollout.experiment.itemGroup.feature must be {DECLARED}",
    ),
    (
        f"!({_EXPERIMENT}) || {_ALL_REPORTED}",
        "rollout.experiment requires serving.impressions 1: it counts what every user was shown",
    ),
    (
        f"!({_INTERLEAVING}) || {_ALL_REPORTED}",
        "rollout.interleaving requires serving.impressions 1: it counts what every user was shown",
    ),
    (
        f"!({_INTERLEAVING}) || !has(self.serving) || !("
        "has(self.serving.diversity) && size(self.serving.diversity) > 0 || "
        "has(self.serving.exposure) && size(self.serving.exposure) > 0)",
        "rollout.interleaving cannot keep serving.diversity and serving.exposure: of two lists "
        "within these limits a mixed one may not be. Leave out one or the other",
    ),
)
ROLLOUT = (
    (
        "!has(self.experiment) || !has(self.traffic) || self.traffic != 'Knative'",
        "rollout.experiment requires rollout.traffic Gateway: Knative splits requests, not users, "
        "so one user would see both versions. Leave rollout.experiment out, or recreate the model "
        "with rollout.traffic Gateway",
    ),
    (
        "!has(self.testHeader) || !has(self.traffic) || self.traffic != 'Knative'",
        "rollout.testHeader requires rollout.traffic Gateway: only its route can choose by header",
    ),
    (
        "!has(self.testHeader) || self.testHeader.size() >= 16",
        "rollout.testHeader must have at least 16 characters: whoever guesses it gets the "
        "candidate's answers, and its requests count in the steps",
    ),
    (
        "!has(self.shadow) || !has(self.traffic) || self.traffic != 'Knative'",
        "rollout.shadow requires rollout.traffic Gateway: only its route can say which candidate "
        "gets copies",
    ),
    (
        "!has(self.interleaving) || !has(self.traffic) || self.traffic != 'Knative'",
        "rollout.interleaving requires rollout.traffic Gateway: only its route can say whose "
        "lists are mixed",
    ),
    (
        "!has(self.freshChampion) || !self.freshChampion || !has(self.traffic) || "
        "self.traffic != 'Knative'",
        "rollout.freshChampion requires rollout.traffic Gateway: Knative splits requests between "
        "two revisions only",
    ),
)
#: For the default of weight, see `rules.py`.
_WEIGHT = "(has(self.weight) ? self.weight : 50)"
EXPERIMENT = (
    (
        f"has(self.itemGroup) || !({_of_group('primary')} || {_of_group('guardrails')})",
        f"the metrics {' and '.join(OF_GROUP)} require rollout.experiment.itemGroup: the items "
        "whose share of what users are shown is compared",
    ),
    (
        "!has(self.itemGroup) || self.itemGroup.categories.map(c, size(c)).sum() <= "
        f"{MAX_CATEGORIES}",
        f"rollout.experiment.itemGroup.categories must have at most {MAX_CATEGORIES} characters "
        "together",
    ),
    (
        f"!has(self.arms) || size(self.arms) == 0 || {_WEIGHT} * (size(self.arms) + 1) <= 99",
        "rollout.experiment.weight times one more than the number of its arms must be at most 99, "
        "or the champion has no users: set weight to at most 49 with one arm, 33 with two and 24 "
        "with three",
    ),
    (
        "!has(self.minDays) || !has(self.maxDays) || self.minDays <= self.maxDays",
        "rollout.experiment.minDays must not be above rollout.experiment.maxDays",
    ),
    (
        "!has(self.segments) || self.segments.all(s, !has(s.largestLoss) || s.largestLoss < 1.0)"
        f" || self.primary.all(m, m.metric in {_LESS_IS_BETTER})",
        "rollout.experiment.segments: largestLoss must be below 1, which is the whole value, "
        f"unless all primary metrics are among {_NAMED_LESS}",
    ),
)


def rules() -> dict[str, Sequence[tuple[str, str]]]:
    """Return the rules of the section, by path."""
    return {
        "spec.rollout": ROLLOUT,
        "spec.rollout.experiment": EXPERIMENT,
        "spec.rollout.experiment.primary": (
            _possible("primary", "smallestEffect"),
            _BASELINE,
        ),
        "spec.rollout.experiment.segments": (
            (
                f"self.all(s, !has(s.largestLoss) || s.largestLoss >= {MIN_EFFECT})",
                f"rollout.experiment.segments: largestLoss must be at least {MIN_EFFECT}",
            ),
        ),
        "spec.rollout.experiment.guardrails": (_possible("guardrails", "largestLoss"),),
    }
