"""Environment variables of a version's transformer."""

from __future__ import annotations

import json

from recommender_contract import environment
from recommender_operator.api.spec_serving import ServingSpec
from recommender_operator.observed import ModelObject, VersionObject
from recommender_operator.resources import (
    collector_keys,
    holdout_users,
    label_segments,
    secret_files,
)
from recommender_operator.resources.labels import Manifest
from recommender_operator.resources.options import Options


def variables(model: ModelObject, version: VersionObject, options: Options) -> list[Manifest]:
    """Return the variables; those of the installation only where they differ from the defaults.

    `$$` prevents the kubelet from expanding `$(NAME)`, and from taking a `$$` of a value for that.
    """
    values = {
        environment.MODEL: model.name,
        environment.VERSION: version.name,
        environment.TIMEOUT_MS: str(model.spec.serving.timeout_milliseconds),
        **_logs(options),
        **secret_files.variables(model, options),
        **_traces(options),
        **_cache(model.spec.serving),
        **_callers(model.spec.serving),
        **_collector(model, options),
        **list_limits(model.spec.serving),
    }
    return [{"name": name, "value": value.replace("$", "$$")} for name, value in values.items()]


def _logs(options: Options) -> dict[str, str]:
    values = {
        environment.LOG_LEVEL: (options.serving_log_level, "INFO"),
        environment.LOG_FORMAT: (options.serving_log_format, "json"),
    }
    return {name: value for name, (value, default) in values.items() if value != default}


def _traces(options: Options) -> dict[str, str]:
    if not options.tracing_endpoint:
        return {}
    return {
        environment.TRACE_ENDPOINT: options.tracing_endpoint,
        environment.TRACE_RATIO: str(options.tracing_ratio),
    }


def _cache(serving: ServingSpec) -> dict[str, str]:
    kept = serving.cache
    if kept is None:
        return {}
    return {environment.ANSWER_CACHE: f"{kept.seconds},{kept.max_entries},{kept.max_megabytes}"}


def _callers(serving: ServingSpec) -> dict[str, str]:
    if serving.callers is None:
        return {}
    given = serving.callers.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {environment.CALLERS: json.dumps(given, sort_keys=True)} if given else {}


def _collector(model: ModelObject, options: Options) -> dict[str, str]:
    """Return the variables of the collector and its store.

    Both know the models of one namespace by name.
    """
    if model.namespace != options.store_namespace:
        return {}
    events = model.spec.events
    given = collector_keys.variable(model, options)
    if options.store_url:
        given[environment.STORE_URL] = options.store_url
        if events.hide is not None:
            given[environment.HIDE] = ",".join(events.hide)
        if reads_trends(model, options):
            given[environment.TRENDING] = "true"
    if options.collector_url and events.impressions:
        given[environment.COLLECTOR_URL] = options.collector_url
        given[environment.IMPRESSIONS] = f"{events.impressions:g}"
        if _predicts(model):
            given[environment.PREDICTIONS] = "true"
            if divided := label_segments.segment_features(model.spec.data.source.mapping):
                given[environment.LABEL_SEGMENTS] = ",".join(divided)
        if events.exploration is not None:
            given[environment.EXPLORATION] = json.dumps(events.exploration.model_dump())
        given |= holdout_users.variable(model)
    return given


def reads_trends(model: ModelObject, options: Options) -> bool:
    """Return whether requests know what is popular now: the collector's store counts events."""
    stored = bool(options.store_url) and model.namespace == options.store_namespace
    return stored and model.spec.events.trending


def _predicts(model: ModelObject) -> bool:
    """Return whether an impression's items become positive or not: the label is attributed."""
    mapping = model.spec.data.source.mapping
    label = mapping.label if mapping is not None else None
    return label is not None and label.attribution is not None


def list_limits(serving: ServingSpec) -> dict[str, str]:
    """Return the variable with the limits of lists, if there are any."""
    limits = serving.model_dump(
        mode="json", by_alias=True, exclude_defaults=True, include={"diversity", "exposure"}
    )
    return {environment.LIST_LIMITS: json.dumps(limits, sort_keys=True)} if limits else {}
