"""CEL rules: constraints between fields, and immutable fields.

The API server rejects a spec that violates one, with the message; the operator never sees it.
Rules check fields with `has` even if they have defaults: the API server evaluates the rules on
the default of a whole section (`{}`) before it sets the defaults of its fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recommender_operator.api import (
    base_url,
    host_names,
    rules_autoscaling,
    rules_callers,
    rules_events,
    rules_experiment,
    rules_export,
    rules_features,
    rules_gates,
    rules_lists,
    rules_pod_template,
    rules_repeats,
    rules_resources,
    rules_search,
    rules_workers,
    sub_paths,
)
from recommender_operator.api.spec_resources import Resources, TrainingResources

#: Maximum length of a model's name; `<model>-<8>-publish-<attempt>` must fit a DNS label (63).
MAX_MODEL_NAME = 40
#: Where data and artifacts may be: the members of the unions `data.source` and `storage`.
PLACES = ("persistentVolumeClaim",)
#: Rules, each an expression, a message and perhaps the expression of a better message, by path in
#: the schema (`spec.rollout.steps`, `spec.evaluation.gates[]`; empty: the root).
Rules = Mapping[str, Sequence[rules_resources.Rule]]

_FILES = (
    ("!self.split('/').exists(p, p == '..')", "files must stay inside the source: no '..'"),
    (
        "!self.split('/').exists(p, p.contains('**') && p != '**')",
        "'**' must be a whole path segment, as in 'events/**/*.csv'",
    ),
)


def _cel(text: str) -> str:
    """Return a raw CEL string literal."""
    return f"r'{text}'"


def _claim_name(field: str) -> tuple[str, str]:
    return (
        f"self.matches({_cel(sub_paths.CLAIM_PATTERN)})",
        f"{field} must be {sub_paths.CLAIM_FORM}",
    )


def _union(field: str) -> tuple[str, str]:
    """Return the rule that exactly one of the places of a union is set."""
    places = ", ".join(f"has(self.{each})" for each in PLACES)
    return (
        f"[{places}].exists_one(is_set, is_set)",
        f"{field} requires exactly one of: {', '.join(PLACES)}",
    )


def _valid_from_unit(table: str) -> tuple[str, str]:
    return (
        "!has(self.validFromUnit) || has(self.validFrom)",
        f"mapping.{table}.validFromUnit requires validFrom, the column of the times",
    )


_DATA: Rules = {
    "": (
        (
            "!has(self.version) || !has(self.asOf)",
            "data.version and data.asOf are mutually exclusive: set only one of them",
        ),
    ),
    "source": (
        _union("data.source"),
        (
            "has(self.format)",
            "data.source.format is required: set Parquet, CSV, JSONLines or Delta with "
            "data.source.mapping, or MovieLens100K for the files of that data set",
        ),
        (
            "!has(self.format) || self.format == 'MovieLens100K' || has(self.mapping)",
            "data.source.format CSV, JSONLines, Parquet and Delta require data.source.mapping, "
            "which maps the columns",
        ),
        (
            "!has(self.mapping) || !has(self.format) || self.format != 'MovieLens100K'",
            "data.source.mapping requires data.source.format CSV, JSONLines, Parquet or Delta: "
            "the columns of MovieLens100K are fixed",
        ),
        (
            "!has(self.mapping) || !has(self.format) || self.format == 'CSV' || !("
            "has(self.mapping.csv) || has(self.mapping.interactions.columns) || "
            "has(self.mapping.users) && has(self.mapping.users.columns) || "
            "has(self.mapping.items) && has(self.mapping.items.columns))",
            "csv and columns of data.source.mapping require data.source.format CSV",
        ),
    ),
    "source.persistentVolumeClaim.claimName": (
        _claim_name("data.source.persistentVolumeClaim.claimName"),
    ),
    "source.persistentVolumeClaim.path": (
        (
            f"self.matches({_cel(sub_paths.PATTERN)})",
            f"{sub_paths.FIELD} must be {sub_paths.FORM}",
        ),
    ),
    "source.mapping.interactions": (
        (
            "!has(self.eventTypes) || has(self.eventType)",
            "mapping.interactions.eventTypes requires eventType, the column with the types",
        ),
        (
            "!has(self.lowest) || !has(self.highest) || self.lowest < self.highest",
            "lowest of mapping.interactions must be below highest",
        ),
    ),
    "source.mapping.interactions.files": _FILES,
    "source.mapping.users": (_valid_from_unit("users"),),
    "source.mapping.items": (_valid_from_unit("items"),),
    "source.mapping.users.files": _FILES,
    "source.mapping.items.files": _FILES,
    "source.mapping.csv": (
        (
            "!has(self.delimiter) || !has(self.quote) || self.delimiter != self.quote",
            "delimiter and quote of mapping.csv must differ",
        ),
    ),
}


def _under(prefix: str, rules: Rules) -> Rules:
    return {f"{prefix}.{path}".removesuffix("."): value for path, value in rules.items()}


_RAW = "self.data.source.persistentVolumeClaim"
_STORE = "self.storage.persistentVolumeClaim"
_MAPPING = _under("spec.data.source.mapping", rules_features.rules())


RECOMMENDER_MODEL: Rules = {
    "": (
        (
            f"self.metadata.name.size() <= {MAX_MODEL_NAME}",
            f"the name must have at most {MAX_MODEL_NAME} characters, because the names of its "
            "versions and Jobs contain it",
        ),
        (
            "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
            "the name must be a DNS label that starts with a letter: names of Services contain it",
        ),
    ),
    "spec": (
        (
            f"!has({_RAW}) || !has({_STORE}) || !has({_RAW}.path) || {_RAW}.claimName != "
            f"{_STORE}.claimName || !({_RAW}.path.split('/')[0] in "
            f"{list(sub_paths.OF_THE_STORE)})",
            f"{sub_paths.FIELD} must not be in a folder of the operator "
            f"({', '.join(sub_paths.OF_THE_STORE)}) if its claim is that of storage: put the raw "
            "data in another folder or another claim",
        ),
        (
            "!has(self.serving) || !has(self.serving.host) || !has(self.rollout) || "
            "!has(self.rollout.traffic) || self.rollout.traffic != 'Knative'",
            "serving.host requires rollout.traffic Gateway: Knative assigns the hosts of its "
            "services (config-domain, or a DomainMapping)",
        ),
        (
            "!has(self.retrain) || !has(self.retrain.afterSnapshots) || has(self.data.snapshots)",
            "retrain.afterSnapshots requires data.snapshots, the schedule of the snapshots",
        ),
        *rules_lists.SPEC,
        *rules_experiment.SPEC,
        *rules_autoscaling.SPEC,
    ),
    **_under("spec.data", _DATA),
    **_MAPPING,
    "spec.training": (
        *rules_search.TRAINING,
        *rules_workers.TRAINING,
        *rules_export.TRAINING,
        *rules_repeats.TRAINING,
    ),
    "spec.training.search.space": rules_search.space(),
    **rules_resources.rules("spec.training.resources", TrainingResources),
    **rules_resources.rules("spec.serving.resources", Resources),
    **rules_resources.rules("spec.serving.transformerResources", Resources),
    **rules_pod_template.rules("spec.training"),
    **rules_pod_template.rules("spec.serving"),
    **rules_experiment.rules(),
    "spec.storage": (
        _union("storage"),
        ("self == oldSelf", "storage is immutable: it contains the versions"),
    ),
    "spec.storage.persistentVolumeClaim.claimName": (
        _claim_name("storage.persistentVolumeClaim.claimName"),
    ),
    "spec.evaluation.gates[]": rules_gates.GATE,
    "spec.rollout.traffic": (
        ("self == oldSelf", "rollout.traffic is immutable: create a new model instead"),
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
    "spec.serving": (
        *rules_lists.SERVING,
        *rules_autoscaling.SERVING,
    ),
    "spec.events": rules_events.EVENTS,
    "spec.serving.autoscaling": rules_autoscaling.AUTOSCALING,
    "spec.serving.autoscaling.peaks[]": rules_autoscaling.PEAK,
    "spec.serving.callers": rules_callers.CALLERS,
    "spec.serving.host": (
        (
            f"self.matches({_cel(host_names.PATTERN)}) && "
            f"!self.matches({_cel(host_names.NUMBER_AT_END)})",
            f"serving.host must be {host_names.FORM}",
        ),
    ),
    "spec.rollout.analysis.prometheusUrl": (
        (
            f"self.matches({_cel(base_url.PATTERN)})",
            f"rollout.analysis.prometheusUrl must be {base_url.FORM}: {base_url.RULES}",
        ),
    ),
    "spec.rollout.analysis": (
        (
            "!has(self.provider) || self.provider != 'Prometheus' || has(self.prometheusUrl)",
            "rollout.analysis.provider Prometheus requires rollout.analysis.prometheusUrl",
        ),
        (
            "!has(self.deadlineSeconds) || !has(self.stepSeconds) || "
            "self.deadlineSeconds >= self.stepSeconds",
            "rollout.analysis.deadlineSeconds must be at least rollout.analysis.stepSeconds",
        ),
    ),
}

MODEL_VERSION: Rules = {
    "spec": (("self == oldSelf", "the spec of a ModelVersion is immutable"),),
}

#: Lists of a RecommenderModel whose entries the API server identifies by a field: it refuses two
#: with the same value, and server-side apply merges them, while it replaces other lists. Not
#: `rollout.steps`, a plan whose parts make no sense beside those of another; `serving.exposure`,
#: where a feature may have several groups; nor `autoscaling.peaks`, which have no name.
MAP_LISTS: Mapping[str, str] = {
    **{f"spec.data.source.mapping.{t}.features": "name" for t in rules_features.TABLES},
    "spec.data.source.mapping.interactions.eventTypes": "type",
    "spec.data.source.mapping.label.positiveTypes": "type",
    "spec.evaluation.gates": "metric",
    "spec.serving.diversity": "feature",
    "spec.rollout.experiment.primary": "metric",
    "spec.rollout.experiment.guardrails": "metric",
    "spec.rollout.experiment.arms": "version",
    "spec.rollout.experiment.segments": "feature",
    "status.conditions": "type",
}


def apply(schema: dict[str, Any], rules: Rules, keys: Mapping[str, str] | None = None) -> None:
    """Add rules, and the keys of lists by path, to a schema.

    A list with keys loses a default that has entries: nobody would own these, and server-side
    apply would keep them beside the entries of a user.

    Raises:
        KeyError: a path does not exist in the schema.
    """
    for path, entries in rules.items():
        node = _find(schema, path)
        node["x-kubernetes-validations"] = [
            dict(zip(("rule", "message", "messageExpression"), entry, strict=False))
            for entry in entries
        ]
    for path, key in (keys or {}).items():
        node = _find(schema, path)
        node |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}
        if node.get("default"):
            del node["default"]


def _find(schema: dict[str, Any], path: str) -> dict[str, Any]:
    node = schema
    for part in path.split(".") if path else ():
        node = node["properties"][part.removesuffix("[]")]
        if part.endswith("[]"):
            node = node["items"]
    return node
