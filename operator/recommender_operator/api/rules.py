"""CEL rules: what must hold between fields, and what may not change.

The API server refuses a spec that breaks one, with the message; the operator never sees it. Rules
ask for fields with `has` even where these have defaults, for the API server holds the default of a
whole section (`{}`) against them before it fills in the parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recommender_operator.api import (
    base_url,
    host_names,
    rules_export,
    rules_search,
    rules_workers,
    sub_paths,
)
from recommender_operator.api.spec_gates import (
    WITH_CHAMPION_DIFFERENCE,
    WITH_INTERVAL,
    GateMetric,
)

#: A model's name may be no longer, so that `<model>-<8>-publish-<attempt>` fits a DNS label (63).
MAX_MODEL_NAME = 40
#: Path of a node of the schema (`spec.rollout.steps`, `spec.evaluation.gates[]`; empty: the root)
#: to its rules, each an expression and a message.
Rules = Mapping[str, Sequence[tuple[str, str]]]

_FILES = (
    ("!self.split('/').exists(p, p == '..')", "files must stay inside the source: no '..'"),
    (
        "!self.split('/').exists(p, p.contains('**') && p != '**')",
        "'**' has to stand alone between slashes, as in 'events/**/*.csv'",
    ),
)


def _cel(text: str) -> str:
    """Return a raw string literal of CEL."""
    return f"r'{text}'"


def _claim_name(field: str) -> tuple[str, str]:
    return (
        f"self.matches({_cel(sub_paths.CLAIM_PATTERN)})",
        f"{field} must be {sub_paths.CLAIM_FORM}",
    )


def _names(metrics: frozenset[GateMetric]) -> tuple[str, str]:
    """Return the metrics as a list of CEL, and in words."""
    names = [metric.value for metric in GateMetric if metric in metrics]
    return "[" + ", ".join(f"'{name}'" for name in names) + "]", ", ".join(names)


_INTERVALS, _INTERVALS_SAID = _names(WITH_INTERVAL)
_DIFFERENCES, _DIFFERENCES_SAID = _names(WITH_CHAMPION_DIFFERENCE)
_DATA: Rules = {
    "": (
        (
            "!has(self.version) || !has(self.asOf)",
            "data.version and data.asOf exclude each other: both say which past data to train on",
        ),
    ),
    "source": (
        (
            "!has(self.format) || self.format == 'MovieLens100K' || has(self.mapping)",
            "data.source.format CSV, JSONLines, Parquet and Delta need data.source.mapping: which "
            "column is what",
        ),
        (
            "!has(self.mapping) || has(self.format) && self.format != 'MovieLens100K'",
            "data.source.mapping needs data.source.format CSV, JSONLines, Parquet or Delta: the "
            "columns of MovieLens100K are fixed",
        ),
        (
            "!has(self.mapping) || has(self.format) && self.format == 'CSV' || !("
            "has(self.mapping.csv) || has(self.mapping.interactions.columns) || "
            "has(self.mapping.users) && has(self.mapping.users.columns) || "
            "has(self.mapping.items) && has(self.mapping.items.columns))",
            "csv and columns of data.source.mapping belong to data.source.format CSV",
        ),
    ),
    "source.claimName": (_claim_name("data.source.claimName"),),
    "source.path": (
        (
            f"self.matches({_cel(sub_paths.PATTERN)})",
            f"data.source.path must be {sub_paths.FORM}",
        ),
    ),
    "source.mapping.interactions": (
        (
            "has(self.value) || has(self.eventType) && has(self.eventType.types) && "
            "self.eventType.types.all(t, has(t.value))",
            "mapping.interactions needs value, or eventType.types with a value of each type",
        ),
    ),
    "source.mapping.interactions.files": _FILES,
    "source.mapping.interactions.value": (
        (
            "!has(self.lowest) || !has(self.highest) || self.lowest < self.highest",
            "lowest of mapping.interactions.value must be below highest",
        ),
    ),
    "source.mapping.interactions.eventType.types": (
        (
            "self.all(t, self.exists_one(u, u.type == t.type))",
            "mapping.interactions.eventType.types may name a type only once",
        ),
    ),
    "source.mapping.users.files": _FILES,
    "source.mapping.items.files": _FILES,
    "source.mapping.csv": (
        (
            "!has(self.delimiter) || !has(self.quote) || self.delimiter != self.quote",
            "delimiter and quote of mapping.csv must be two characters",
        ),
    ),
}


def _under(prefix: str, rules: Rules) -> Rules:
    return {f"{prefix}.{path}".removesuffix("."): value for path, value in rules.items()}


RECOMMENDER_MODEL: Rules = {
    "": (
        (
            f"self.metadata.name.size() <= {MAX_MODEL_NAME}",
            f"the name may have at most {MAX_MODEL_NAME} characters, so that those of its "
            "versions and Jobs fit",
        ),
        (
            "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
            "the name must be a DNS label that starts with a letter: services are named after it",
        ),
    ),
    "spec": (
        (
            "!has(self.data.source.path) || self.data.source.claimName != "
            "self.storage.claimName || !(self.data.source.path.split('/')[0] in "
            f"{list(sub_paths.OF_THE_STORE)})",
            "data.source.path lies in a folder of the operator's "
            f"({', '.join(sub_paths.OF_THE_STORE)}) where data.source.claimName is "
            "storage.claimName: put the raw data into another folder or another claim",
        ),
        (
            "!has(self.serving) || !has(self.serving.host) || !has(self.rollout) || "
            "!has(self.rollout.traffic) || self.rollout.traffic != 'Knative'",
            "serving.host needs rollout.traffic Gateway: Knative names the hosts of its services "
            "(its config-domain, or a DomainMapping)",
        ),
        (
            "!has(self.retrain) || !has(self.retrain.afterSnapshots) || has(self.data.snapshots)",
            "retrain.afterSnapshots needs data.snapshots: without a schedule nobody takes them",
        ),
    ),
    **_under("spec.data", _DATA),
    "spec.training": (
        *rules_search.TRAINING,
        *rules_workers.TRAINING,
        *rules_export.TRAINING,
    ),
    "spec.training.search.space": rules_search.space(),
    "spec.storage.claimName": (
        _claim_name("storage.claimName"),
        ("self == oldSelf", "storage.claimName is immutable: versions live in the claim"),
    ),
    "spec.evaluation.gates[]": (
        (
            "has(self.min) || has(self.max) || has(self.championMargin)",
            "a gate needs at least one of min, max and championMargin",
        ),
        (
            "!has(self.min) || !has(self.max) || self.min <= self.max",
            "min of a gate may not be above its max",
        ),
        (
            "!has(self.judgeBy) || self.judgeBy != 'Interval' || "
            f"!(has(self.min) || has(self.max)) || self.metric in {_INTERVALS}",
            f"judgeBy Interval with min or max needs a metric with an interval: {_INTERVALS_SAID}",
        ),
        (
            "!has(self.judgeBy) || self.judgeBy != 'Interval' || "
            f"!has(self.championMargin) || self.metric in {_DIFFERENCES}",
            "judgeBy Interval with championMargin needs a metric that is compared with the "
            f"champion on the same rows: {_DIFFERENCES_SAID}",
        ),
    ),
    "spec.rollout.traffic": (
        ("self == oldSelf", "rollout.traffic is immutable: make a new model to change it"),
    ),
    "spec.rollout.steps": (
        (
            "self.map(s, s.weight).isSorted() && "
            "self.all(s, self.exists_one(t, t.weight == s.weight))",
            "the weights of rollout.steps must be strictly increasing",
        ),
        (
            "self.size() == 0 || self[self.size() - 1].weight == 100",
            "the last weight of rollout.steps must be 100",
        ),
    ),
    "spec.serving.host": (
        (
            f"self.matches({_cel(host_names.PATTERN)}) && "
            f"!self.matches({_cel(host_names.NUMBER_AT_END)})",
            f"serving.host must be {host_names.FORM}",
        ),
    ),
    "spec.analysis.prometheusUrl": (
        (
            f"self.matches({_cel(base_url.PATTERN)})",
            f"analysis.prometheusUrl must be {base_url.FORM}: {base_url.RULES}",
        ),
    ),
    "spec.analysis": (
        (
            "!has(self.provider) || self.provider != 'Prometheus' || has(self.prometheusUrl)",
            "analysis.provider Prometheus needs analysis.prometheusUrl",
        ),
        (
            "!has(self.deadlineSeconds) || !has(self.stepSeconds) || "
            "self.deadlineSeconds >= self.stepSeconds",
            "analysis.deadlineSeconds may not be below analysis.stepSeconds",
        ),
    ),
}

MODEL_VERSION: Rules = {
    "spec": (("self == oldSelf", "the spec of a ModelVersion is immutable"),),
}

#: Lists whose entries the API server keeps apart by a key.
_MAP_LISTS = {"status.conditions": ["type"]}


def apply(schema: dict[str, Any], rules: Rules) -> None:
    """Write rules and list keys into a schema.

    Raises:
        KeyError: a path leads nowhere.
    """
    for path, pairs in rules.items():
        node = _find(schema, path)
        node["x-kubernetes-validations"] = [
            {"rule": rule, "message": message} for rule, message in pairs
        ]
    for path, keys in _MAP_LISTS.items():
        section, field = path.split(".")
        node = schema["properties"].get(section, {}).get("properties", {}).get(field)
        if node is not None:
            node |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys}


def _find(schema: dict[str, Any], path: str) -> dict[str, Any]:
    node = schema
    for part in path.split(".") if path else ():
        node = node["properties"][part.removesuffix("[]")]
        if part.endswith("[]"):
            node = node["items"]
    return node
